"""State frames: a named latest value."""

from __future__ import annotations

from ctypes import Structure, byref, c_size_t, c_uint32, c_uint64, create_string_buffer
from dataclasses import dataclass
from typing import Any, Iterator, Optional

from . import _library as lib
from ._loop import Arrivals, Ended, Loop, Watching
from ._records import as_record, layout_of

_STATES = ("fresh", "same", "stale", "empty")
CODECS = ("bytes", "msgpack", "json", "custom")


@dataclass(frozen=True)
class Frame:
    """A value of a state frame."""

    #: "fresh", "same" if it is the one that was returned last, "stale" if its writer is gone, or
    #: "empty" if there is none yet.
    state: str
    #: The value.
    data: bytes
    #: It grows by one with each write, also of the next writer.
    number: int
    #: When it was written, in nanoseconds since 1970.
    unix_nanos: int
    #: How long ago that was, in seconds.
    age: float
    #: The value as a record, if the reader was given a structure and there is a value.
    value: Any = None


def publish_options(
    record: Optional[type[Structure]],
    directory: Optional[str],
    capacity: int,
    codec: str,
    take_over: bool,
    timeout: Optional[float] = None,
) -> lib.PublishOptions:
    return lib.PublishOptions(
        directory=lib.text(directory),
        capacity=capacity,
        layout=None if record is None else layout_of(record).encode(),
        timeout_ms=lib.milliseconds(timeout, 0),
        codec=CODECS.index(codec),
        take_over=take_over,
    )


def read_options(
    record: Optional[type[Structure]], directory: Optional[str]
) -> lib.ReadOptions:
    layout = None if record is None else layout_of(record).encode()
    return lib.ReadOptions(directory=lib.text(directory), layout=layout)


class FrameWriter(Ended):
    """The one writer of a state frame. It never waits for readers."""

    def __init__(
        self,
        name: str,
        record: Optional[type[Structure]] = None,
        *,
        directory: Optional[str] = None,
        capacity: int = 0,
        codec: str = "bytes",
        take_over: bool = False,
    ) -> None:
        options = publish_options(record, directory, capacity, codec, take_over)
        self._handle = lib.made("rp_frame_writer_create", lib.text(name), byref(options))

    def write(self, value: Any) -> int:
        """Replaces the value, which is bytes or a structure. Returns its number."""
        number, data = c_uint64(), bytes(value)
        lib.call("rp_frame_writer_write", self._handle, data, len(data), byref(number))
        return number.value

    def close(self, *, remove: bool = False) -> None:
        """Ends it. The last value stays, as stale, or is removed. May be called again."""
        lib.ended("rp_frame_writer_close", self._handle, remove)


class FrameReader(Watching[Frame]):
    """One of any number of readers of a state frame, whether or not there is one by now."""

    _prefix = "rp_frame_reader"

    def __init__(
        self,
        name: str,
        record: Optional[type[Structure]] = None,
        *,
        directory: Optional[str] = None,
        loop: Optional[Loop] = None,
    ) -> None:
        options = read_options(record, directory)
        super().__init__(lib.made("rp_frame_reader_open", lib.text(name), byref(options)), loop)
        self._record = record
        self._last = (0, 0, False)

    def read(self) -> Frame:
        """The newest value, at once.

        :raises LayoutError: its records are others than those this reader was given.
        """
        view = lib.FrameView()
        lib.call("rp_frame_reader_read", self._handle, byref(view))
        data, value = lib.copied(view.bytes, view.len), None
        if self._record is not None and view.number > 0:
            value = as_record(self._record, data)
        state, age = _STATES[view.state], view.age_nanos / 1e9
        self._last = (view.number, view.unix_nanos, state == "stale")
        return Frame(state, data, view.number, view.unix_nanos, age, value)

    def wait(self, timeout: Optional[float] = None) -> Optional[Frame]:
        """The newest value, once there is one that was not returned yet, or its writer is gone.

        None: there was none for so many seconds.
        """
        return self._receive(timeout)

    def format(self) -> Optional[tuple[str, str]]:
        """The codec, and the description of the records or "". None: nothing was read yet."""
        codec, length = c_uint32(), c_size_t()
        room = create_string_buffer(64 << 10)
        places = byref(codec), room, len(room), byref(length)
        if lib.call("rp_frame_reader_format", self._handle, *places) == lib.NOTHING:
            return None
        return CODECS[codec.value], room.raw[: length.value].decode()

    def __iter__(self) -> Iterator[Frame]:
        while True:
            found = self.wait()
            if found is not None:
                yield found

    def __aiter__(self) -> Arrivals[Frame]:
        return self._arrivals()

    def _next(self) -> Optional[Frame]:
        before = self._last
        found = self.read()
        is_same = before[:2] == self._last[:2]
        is_news = found.number > 0 and (not is_same or self._last[2] and not before[2])
        return found if is_news else None
