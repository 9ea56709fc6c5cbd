"""Clients: connections to servers."""

from __future__ import annotations

import asyncio
import json
import weakref
from ctypes import POINTER, byref, c_bool, c_uint64, cast
from typing import Any, Callable, Optional

from . import _library as lib
from ._frames import CODECS
from ._loop import Arrivals, Ended, Loop, Queued

_LANES = ("normal", "critical", "high", "low")


def _encoded(value: Any, codec: str) -> bytes:
    if codec == "json":
        return json.dumps(value, ensure_ascii=False, allow_nan=False).encode()
    if codec == "msgpack":
        packed: bytes = _msgpack().packb(value)
        return packed
    return b"" if value is None else bytes(value)


def _decoded(payload: bytes, codec: str) -> Any:
    if codec == "json":
        return json.loads(payload)
    return _msgpack().unpackb(payload) if codec == "msgpack" else payload


def _msgpack() -> Any:
    try:
        import msgpack  # type: ignore[import-untyped, unused-ignore]
    except ImportError as error:
        raise ImportError('the codec "msgpack" needs the package msgpack') from error
    return msgpack


class _Message:
    """Something to be sent, as C takes it."""

    def __init__(
        self, name: str, value: Any, codec: str, lane: str, timeout: Optional[float] = None
    ) -> None:
        self.codec = codec
        payload = _encoded(value, codec)
        self._options = lib.CallOptions(
            codec=CODECS.index(codec),
            lane=_LANES.index(lane),
            timeout_ms=lib.milliseconds(timeout),
        )
        self.arguments = lib.text(name), payload, len(payload), byref(self._options)


class Subscription(Ended):
    """Events that are listened to."""

    def __init__(self, client: Client, number: int, callback: Any) -> None:
        self._client, self._number, self._callback = client, number, callback

    def close(self) -> None:
        """Listens no more. May be called again."""
        client = self._client
        if client._handle.value is not None and self in client._subscriptions:
            lib.call("rp_client_off", client._handle, self._number)
            client._subscriptions.discard(self)
            client.loop._retire(self._callback)


class Client(Ended):
    """A connection to a server. It is one session, and over with it.

    Connecting waits; in asyncio it is done in a thread: `await asyncio.to_thread(Client, name)`.

    :param wait_for_server: how many seconds to wait for a server that is not there yet.
    """

    def __init__(
        self,
        name: str,
        *,
        directory: Optional[str] = None,
        token: Optional[bytes] = None,
        connect_timeout: float = 5.0,
        wait_for_server: float = 0.0,
        loop: Optional[Loop] = None,
    ) -> None:
        self.loop = loop or Loop()
        self._owns_loop = loop is None
        self._started: dict[Any, Any] = {}
        self._subscriptions: set[Subscription] = set()
        #: What iterates over events, as long as anyone does.
        self._arrivals: weakref.WeakSet[Arrivals[Any]] = weakref.WeakSet()
        self._awaited: set[object] = set()
        options = lib.ClientOptions(
            directory=lib.text(directory),
            token=token,
            token_len=len(token or b""),
            connect_timeout_ms=lib.milliseconds(connect_timeout),
            wait_for_server_ms=lib.milliseconds(wait_for_server) if wait_for_server > 0 else 0,
        )
        arguments = self.loop._handle, lib.text(name), byref(options)
        self._handle = lib.made("rp_client_connect", *arguments)
        self._closed = lib.ClosedFn(self.loop._guarded(self._is_over))
        lib.call("rp_client_on_closed", self._handle, self._closed, None)
        self.loop._members.add(self)

    def request(
        self,
        method: str,
        payload: Any = None,
        *,
        codec: str = "bytes",
        lane: str = "normal",
        timeout: Optional[float] = 30.0,
    ) -> Any:
        """Sends a request and waits for its answer, both in this codec: "bytes", "json" or
        "msgpack".

        :raises RemoteError: the handler has failed; `code` is its own.
        :raises DeadlineError: there was no answer for `timeout` seconds.
        :raises PeerLostError: the server went away.
        """
        message = _Message(method, payload, codec, lane, timeout)
        reply = lib.made("rp_client_request", self._handle, *message.arguments)
        return _decoded(lib.take_reply(reply), codec)

    async def request_async(
        self,
        method: str,
        payload: Any = None,
        *,
        codec: str = "bytes",
        lane: str = "normal",
        timeout: Optional[float] = 30.0,
    ) -> Any:
        """As `request`, for a task. A task that is cancelled cancels the request."""
        self.loop.attach()
        future: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

        def settled(_: Any, reply: Optional[int], error: Optional[int]) -> None:
            self.loop._retire(self._started.pop(future, None))
            if future.done():
                return
            if error is not None:
                future.set_exception(lib.exception(error))
            elif reply is not None:
                view = cast(reply, POINTER(lib.MessageView)).contents
                future.set_result(lib.copied(view.bytes, view.len))

        callback = lib.ReplyFn(self.loop._guarded(settled))
        message, number = _Message(method, payload, codec, lane, timeout), c_uint64()
        arguments = *message.arguments, callback, None, byref(number)
        lib.call("rp_client_start", self._handle, *arguments)
        self._started[future] = callback
        try:
            return _decoded(await future, codec)
        except asyncio.CancelledError:
            if self._handle.value is not None:
                lib.call("rp_client_cancel", self._handle, number)
            raise

    def notify(
        self, event: str, payload: Any = None, *, codec: str = "bytes", lane: str = "normal"
    ) -> None:
        """Sends a one-way message without waiting."""
        message = _Message(event, payload, codec, lane)
        lib.call("rp_client_notify", self._handle, *message.arguments)

    def on(
        self, event: str, listener: Callable[[Any], Any], *, codec: str = "bytes"
    ) -> Subscription:
        """Has the loop call `listener` with the payload of each event of that name."""

        def heard(_: Any, event: int) -> None:
            view = cast(event, POINTER(lib.MessageView)).contents
            listener(_decoded(lib.copied(view.bytes, view.len), codec))

        callback, number = lib.EventFn(self.loop._guarded(heard)), c_uint64()
        lib.call("rp_client_on", self._handle, lib.text(event), callback, None, byref(number))
        subscription = Subscription(self, number.value, callback)
        self._subscriptions.add(subscription)
        return subscription

    def events(self, event: str, *, codec: str = "bytes") -> Arrivals[Any]:
        """The payloads of the events of that name, for `async for`. They end with the connection:
        with an error, unless one of the two sides has closed it. What nobody refers to any more
        listens no more."""
        self.loop.attach()
        arrivals: Queued[Any] = Queued(lambda: subscription.close(), self._awaited)
        coming = weakref.ref(arrivals)

        def heard(payload: Any) -> None:
            found = coming()
            if found is None:
                # It went while another thread was in the loop.
                subscription.close()
            else:
                found.put(payload)

        subscription = self.on(event, heard, codec=codec)
        self._arrivals.add(arrivals)
        return arrivals

    @property
    def is_closed(self) -> bool:
        """Whether the connection is over, as far as the loop has seen."""
        if self._handle.value is None:
            return True
        is_closed = c_bool()
        lib.call("rp_client_is_closed", self._handle, byref(is_closed))
        return is_closed.value

    def close(self) -> None:
        """Closes the connection gracefully. May be called again."""
        lib.ended("rp_client_close", self._handle)
        for arrivals in list(self._arrivals):
            arrivals.end()
        for subscription in self._subscriptions:
            self.loop._retire(subscription._callback)
        self._subscriptions.clear()
        self.loop._members.discard(self)
        if self._owns_loop:
            self.loop.close()

    def _is_over(self, _: Any, error: Optional[int]) -> None:
        for arrivals in list(self._arrivals):
            if error is None:
                arrivals.end()
            else:
                arrivals.fail(lib.exception(error))
