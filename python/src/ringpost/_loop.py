"""A loop: what is waited for in one place, by its own wait or by asyncio."""

from __future__ import annotations

import asyncio
import weakref
from collections import deque
from contextlib import suppress
from ctypes import byref, c_bool, c_int
from types import TracebackType
from typing import Any, AsyncIterator, Callable, Generic, Optional, TypeVar

from . import _library as lib
from ._errors import ClosedError

T = TypeVar("T")


class Ended:
    """What can be closed, and is by `with`, or with the last reference to it."""

    def close(self) -> None:
        """Ends it. May be called again."""
        raise NotImplementedError

    def __enter__(self: T) -> T:
        return self

    def __exit__(
        self,
        kind: Optional[type[BaseException]],
        error: Optional[BaseException],
        trace: Optional[TracebackType],
    ) -> None:
        self.close()

    def __del__(self) -> None:
        # It may not have been made, or the interpreter may be at its end.
        with suppress(Exception):
            self.close()


class Loop(Ended):
    """Connections and watched readers that are waited for together, by one thread.

    Whatever is made without a loop gets one of its own. Many readers had better share one: each
    loop takes a queue of the kernel's, of which a user has few (fs.inotify.max_user_instances).
    """

    def __init__(self) -> None:
        self._handle = lib.made("rp_loop_new")
        self._failures: deque[BaseException] = deque()
        #: What C may call back, and so has to stay as long as it is on this loop.
        self._members: set[object] = set()
        self._fd: Optional[int] = None
        self._asyncio: Optional[asyncio.AbstractEventLoop] = None
        #: How many of its callbacks run, one inside the other, and what C calls no more.
        self._running = 0
        self._retired: list[object] = []

    def fileno(self) -> int:
        """The descriptor that can be read when `drive` has something to do."""
        if self._fd is None:
            fd = c_int()
            lib.call("rp_loop_fd", self._handle, byref(fd))
            self._fd = fd.value
        return self._fd

    def drive(self) -> None:
        """Does what is ready and calls whom it concerns; never waits."""
        lib.call("rp_loop_drive", self._handle)
        self._raise()

    def wait(self, timeout: Optional[float] = None) -> bool:
        """Waits until something was called, or for so many seconds. Returns whether it was."""
        has_called = c_bool()
        milliseconds = 0 if timeout is not None and timeout <= 0 else lib.milliseconds(timeout)
        lib.call("rp_loop_wait", self._handle, milliseconds, byref(has_called))
        self._raise()
        return has_called.value

    def attach(self) -> None:
        """Has the asyncio loop that runs drive this one. Done by whatever is awaited."""
        running = asyncio.get_running_loop()
        if self._asyncio is not running:
            self._detach()
            running.add_reader(self.fileno(), self.drive)
            self._asyncio = running

    def close(self) -> None:
        """Ends it. What is on it stays usable, but is waited for no more. May be called again."""
        self._detach()
        self._fd = None
        lib.ended("rp_loop_free", self._handle)

    def _detach(self) -> None:
        if self._asyncio is not None and not self._asyncio.is_closed() and self._fd is not None:
            self._asyncio.remove_reader(self._fd)
        self._asyncio = None

    def _guarded(self, function: Callable[..., Any]) -> Callable[..., None]:
        """What C may call: what it raises is raised by what has driven the loop."""

        def called(*arguments: Any) -> None:
            self._running += 1
            try:
                function(*arguments)
            except BaseException as error:
                self._failures.append(error)
            self._running -= 1

        return called

    def _retire(self, callback: object) -> None:
        """C calls this no more. It may be what runs, and then has to stay until it has returned."""
        if self._running > 0:
            self._retired.append(callback)

    def _raise(self) -> None:
        if self._running == 0:
            self._retired.clear()
        if self._failures:
            raise self._failures.popleft()


#: What a task takes in a row before others have their turn.
_IN_A_ROW = 64


class Arrivals(AsyncIterator[T], Generic[T]):
    """What arrives, for one task: an asynchronous iterator that ends with `fail` or `end`."""

    def __init__(self, close: Callable[[], None], awaited: set[object]) -> None:
        self._close = close
        #: Where it is while a task waits: asyncio keeps none that nothing else knows of.
        self._awaited = awaited
        self._end: Optional[BaseException] = None
        self._waiting: Optional[asyncio.Future[None]] = None
        self._in_a_row = 0

    def _take(self) -> Optional[tuple[T]]:
        """The next of what is there, if there is any."""
        raise NotImplementedError

    def fail(self, error: BaseException) -> None:
        self._end = self._end or error
        self.wake()

    def end(self) -> None:
        self.fail(StopAsyncIteration())

    def __aiter__(self) -> Arrivals[T]:
        return self

    async def __anext__(self) -> T:
        self._in_a_row += 1
        if self._in_a_row > _IN_A_ROW:
            self._in_a_row = 0
            await asyncio.sleep(0)
        while (found := self._take()) is None:
            if self._end is not None:
                error, self._end = self._end, StopAsyncIteration()
                self._close()
                raise error
            self._in_a_row = 0
            self._waiting = asyncio.get_running_loop().create_future()
            self._awaited.add(self)
            try:
                await self._waiting
            finally:
                self._awaited.discard(self)
        return found[0]

    async def aclose(self) -> None:
        """Ends it from this side."""
        self.end()
        self._close()

    def wake(self) -> None:
        """There may be something to take."""
        if self._waiting is not None and not self._waiting.done():
            self._waiting.set_result(None)


class Queued(Arrivals[T]):
    """What is put into it, in order."""

    def __init__(self, close: Callable[[], None], awaited: set[object]) -> None:
        super().__init__(close, awaited)
        self._items: deque[T] = deque()

    def __del__(self) -> None:
        with suppress(Exception):
            self._close()

    def put(self, item: T) -> None:
        self._items.append(item)
        self.wake()

    def _take(self) -> Optional[tuple[T]]:
        return (self._items.popleft(),) if self._items else None

    async def aclose(self) -> None:
        self._items.clear()
        await super().aclose()


class Read(Arrivals[T]):
    """What a reader finds. It is left there until a task wants it: others may take it instead, and
    a publisher may have to wait for that."""

    def __init__(
        self, close: Callable[[], None], awaited: set[object], find: Callable[[], Optional[T]]
    ) -> None:
        super().__init__(close, awaited)
        self._find = find

    def _take(self) -> Optional[tuple[T]]:
        if self._end is not None:
            return None
        try:
            found = self._find()
        except Exception as error:
            self.fail(error)
            return None
        return None if found is None else (found,)


class Watching(Ended, Generic[T]):
    """A reader that can wait: what frames and topics have in common."""

    _prefix: str

    def __init__(self, handle: Any, loop: Optional[Loop]) -> None:
        self._handle = handle
        self._given = loop
        self._loop: Optional[Loop] = None
        #: What iterates over it, as long as anyone does.
        self._coming: Callable[[], Optional[Arrivals[T]]] = lambda: None
        self._awaited: set[object] = set()
        self._callback: Any = None

    def _next(self) -> Optional[T]:
        """What was not returned yet, if there is any."""
        raise NotImplementedError

    def _receive(self, timeout: Optional[float]) -> Optional[T]:
        found = self._next()
        if found is not None or timeout is not None and timeout <= 0:
            return found
        end = None if timeout is None else lib.now() + timeout
        while found is None:
            left = None if end is None else end - lib.now()
            if left is not None and left <= 0:
                break
            self._watched().wait(left)
            found = self._next()
        return found

    def _arrivals(self) -> Arrivals[T]:
        arrivals: Arrivals[T] = Read(lambda: None, self._awaited, self._next)
        loop = self._watched()
        loop.attach()
        # From now on this one is told what comes, and a task would wait for the other for ever.
        self._end_arrivals()
        self._coming = weakref.ref(arrivals)
        return arrivals

    def _end_arrivals(self) -> None:
        coming = self._coming()
        if coming is not None:
            coming.end()

    def _wake(self) -> None:
        coming = self._coming()
        if coming is not None:
            coming.wake()

    def _watched(self) -> Loop:
        if self._handle.value is None:
            raise ClosedError("ERR_CLOSED", "it is closed")
        if self._loop is None:
            loop = self._given or Loop()
            function = loop._guarded(lambda _: self._wake())
            self._callback = lib.ReadyFn(function)
            name = f"{self._prefix}_watch"
            lib.call(name, self._handle, loop._handle, self._callback, None)
            loop._members.add(self)
            self._loop = loop
        return self._loop

    def close(self) -> None:
        """Closes it, and ends what iterates over it. May be called again."""
        lib.ended(f"{self._prefix}_close", self._handle)
        self._end_arrivals()
        if self._loop is not None:
            self._loop._members.discard(self)
            if self._given is None:
                self._loop.close()
        self._loop = None
