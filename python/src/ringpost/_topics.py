"""Topics: a sequence of messages from one publisher to any number of subscribers."""

from __future__ import annotations

from ctypes import Structure, byref, c_bool, c_uint64
from dataclasses import dataclass
from typing import Any, Iterator, Optional

from . import _library as lib
from ._frames import publish_options, read_options
from ._loop import Arrivals, Ended, Loop, Watching
from ._records import as_record

_MODES = ("latest", "lossy", "lossless")
_STARTS = ("next", "newest", "oldest")


@dataclass(frozen=True)
class Message:
    """A message of a topic."""

    data: bytes
    #: Its number, from 1 on; each publisher begins anew.
    number: int
    #: The number of its publisher among all that the topic had.
    generation: int
    #: Messages that were missed just before it.
    skipped: int
    #: Whether it is the first one of another publisher.
    is_restarted: bool
    #: How long ago it was published, in seconds.
    age: float
    #: The message as a record, if the subscriber was given a structure.
    value: Any = None


class Publisher(Ended):
    """The one publisher of a topic."""

    def __init__(
        self,
        name: str,
        record: Optional[type[Structure]] = None,
        *,
        directory: Optional[str] = None,
        capacity: int = 0,
        codec: str = "bytes",
        take_over: bool = False,
        timeout: Optional[float] = 1.0,
    ) -> None:
        options = publish_options(record, directory, capacity, codec, take_over, timeout)
        if timeout is None:
            options.timeout_ms = -1
        self._handle = lib.made("rp_publisher_create", lib.text(name), byref(options))

    def publish(self, message: Any) -> int:
        """Publishes bytes or a structure. Returns its number.

        Waits for lossless subscribers that hold it up, and cuts them off after `timeout`.
        """
        number, data = c_uint64(), bytes(message)
        lib.call("rp_publisher_publish", self._handle, data, len(data), byref(number))
        return number.value

    def close(self, *, remove: bool = False) -> None:
        """Ends it. What was published can still be read, or is removed. May be called again."""
        lib.ended("rp_publisher_close", self._handle, remove)


class Subscriber(Watching[Message]):
    """One of any number of subscribers of a topic, whether or not there is one by now.

    :param mode: "latest" for what is newest, "lossy" for everything as far as it is still there,
        "lossless" for everything: the publisher waits.
    :param start: "next", "newest" or "oldest".
    """

    _prefix = "rp_subscriber"

    def __init__(
        self,
        name: str,
        record: Optional[type[Structure]] = None,
        *,
        mode: str = "lossy",
        start: str = "next",
        directory: Optional[str] = None,
        loop: Optional[Loop] = None,
    ) -> None:
        options = read_options(record, directory)
        how = _MODES.index(mode), _STARTS.index(start), byref(options)
        super().__init__(lib.made("rp_subscriber_open", lib.text(name), *how), loop)
        self._record = record

    def read(self) -> Optional[Message]:
        """The next message, at once. None: there is none now.

        :raises LaggedError: this lossless subscriber was too slow.
        """
        view = lib.TopicMessageView()
        if lib.call("rp_subscriber_read", self._handle, byref(view)) == lib.NOTHING:
            return None
        data = lib.copied(view.bytes, view.len)
        value = None if self._record is None else as_record(self._record, data)
        about = view.number, view.generation, view.skipped, view.is_restarted
        return Message(data, *about, view.age_nanos / 1e9, value)

    def receive(self, timeout: Optional[float] = None) -> Optional[Message]:
        """The next message, once there is one. None: there was none for so many seconds."""
        return self._receive(timeout)

    @property
    def has_publisher(self) -> bool:
        """Whether the publisher lives."""
        has = c_bool()
        lib.call("rp_subscriber_has_publisher", self._handle, byref(has))
        return has.value

    def __iter__(self) -> Iterator[Message]:
        while True:
            found = self.receive()
            if found is not None:
                yield found

    def __aiter__(self) -> Arrivals[Message]:
        return self._arrivals()

    def _next(self) -> Optional[Message]:
        return self.read()
