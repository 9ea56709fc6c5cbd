"""The package beside a program in TypeScript, which is another process: peer.mjs."""

from __future__ import annotations

import asyncio
import ctypes
import gc
import json
import os
import re
import shutil
import subprocess
import sys
import tempfile
import unittest
import weakref
from pathlib import Path
from typing import Any

import ringpost
from ringpost import Client, FrameReader, FrameWriter, Loop, Publisher, Subscriber

#: Longer than anything takes on a busy machine.
LONG = 60.0


class Point(ctypes.Structure):
    _fields_ = [("x", ctypes.c_float), ("y", ctypes.c_float)]


class Position(ctypes.Structure):
    _fields_ = [
        ("id", ctypes.c_uint32),
        ("x", ctypes.c_double),
        ("label", ctypes.c_char * 8),
        ("path_count", ctypes.c_uint32),
        ("path", Point * 3),
        ("ok", ctypes.c_bool),
    ]


class Other(ctypes.Structure):
    _fields_ = [("id", ctypes.c_double)]


class Beginning(ctypes.Structure):
    _fields_ = [("id", ctypes.c_uint32), ("x", ctypes.c_double)]


class Peer:
    """A program in TypeScript."""

    def __init__(self, directory: str) -> None:
        program = Path(__file__).with_name("peer.mjs")
        command = ["node", str(program), directory]
        pipes: Any = {"stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        self.process = subprocess.Popen(command, text=True, bufsize=1, **pipes)
        self.expect("ready")

    def tell(self, line: str) -> None:
        assert self.process.stdin is not None
        self.process.stdin.write(f"{line}\n")

    def line(self) -> str:
        assert self.process.stdout is not None
        line: str = self.process.stdout.readline()
        return line.strip()

    def expect(self, line: str) -> None:
        found = self.line()
        assert found == line, found

    def end(self) -> None:
        self.process.kill()
        self.process.communicate()


class Meeting:
    """A directory to meet in, and a peer there once it is asked for."""

    directory: str

    def setUp(self) -> None:
        self.directory = tempfile.mkdtemp(prefix="ringpost-python-")
        self._peer: Peer | None = None

    def tearDown(self) -> None:
        if self._peer is not None:
            self._peer.end()
        shutil.rmtree(self.directory)

    @property
    def peer(self) -> Peer:
        if self._peer is None:
            self._peer = Peer(self.directory)
        return self._peer

    def client(self) -> Client:
        assert self.peer
        return Client("demo", directory=self.directory)


class Requests(Meeting, unittest.TestCase):
    def test_answers_come_in_the_codec_of_the_request(self) -> None:
        with self.client() as client:
            self.assertEqual(client.request("shout", b"hello\0there"), b"HELLO\0THERE")
            self.assertEqual(client.request("shout", bytes(3 << 20)), bytes(3 << 20))
            self.assertEqual(client.request("sum", {"a": 1, "b": 2}, codec="json"), 3)
            self.assertEqual(client.request("product", {"a": 3, "b": 2}, codec="msgpack"), 6)

    def test_failures_are_exceptions_of_their_own(self) -> None:
        with self.client() as client:
            with self.assertRaises(ringpost.RemoteError) as failed:
                client.request("fail")
            self.assertEqual(failed.exception.code, "E_ON_FIRE")
            self.assertEqual(str(failed.exception), "this cannot work")
            with self.assertRaises(TimeoutError) as late:
                client.request("hang", timeout=0.02)
            self.assertIsInstance(late.exception, ringpost.DeadlineError)
            with self.assertRaises(ringpost.RingpostError) as unknown:
                client.request("unknown")
            self.assertEqual(unknown.exception.code, "ERR_UNKNOWN_METHOD")
            with self.assertRaises(ValueError):
                client.request("sh\0out")
            with self.assertRaises(ConnectionError) as lost:
                client.request("die")
            self.assertIsInstance(lost.exception, ringpost.PeerLostError)
            self.assertTrue(client.is_closed)
        with self.assertRaises(ringpost.ClosedError):
            client.request("shout")
        client.close()
        with self.assertRaises(ringpost.NoServerError):
            Client("nobody", directory=self.directory)

    def test_events_are_heard_until_the_subscription_is_closed(self) -> None:
        heard: list[Any] = []
        self.assertIsNotNone(self.peer)
        options: Any = {"directory": self.directory, "wait_for_server": LONG}
        with Loop() as loop, Client("demo", loop=loop, **options) as client:
            subscription = client.on("tick", heard.append, codec="json")
            client.notify("ticks", b"3")
            while len(heard) < 3:
                self.assertTrue(loop.wait(LONG))
            subscription.close()
            subscription.close()
            client.notify("ticks", b"3")
            client.request("shout", b"")
            loop.drive()
        self.assertEqual(heard, [{"tick": 0}, {"tick": 1}, {"tick": 2}])

    def test_what_a_listener_raises_is_raised_by_the_wait(self) -> None:
        def fails(_: Any) -> None:
            raise KeyError("mine")

        with self.client() as client:
            client.on("tick", fails)
            client.notify("ticks", b"1")
            with self.assertRaisesRegex(KeyError, "mine"):
                client.loop.wait(LONG)


class Frames(Meeting, unittest.TestCase):
    def test_records_of_typescript_are_structures(self) -> None:
        with FrameReader("place", Position, directory=self.directory) as reader:
            self.assertEqual(reader.read().state, "empty")
            self.assertIsNone(reader.format())
            self.assertIsNone(reader.wait(0.01))
            self.peer.tell("write 1")
            found = reader.wait(LONG)
            assert found is not None
            self.assertEqual((found.value.id, found.value.x, found.value.label), (1, 2.5, b"ts"))
            self.assertEqual((found.value.path_count, found.value.path[0].y), (1, 2.0))
            self.assertEqual(ringpost.as_dict(found.value), {
                "id": 1, "x": 2.5, "label": "ts", "path": [{"x": 1.0, "y": 2.0}], "ok": True,
            })
            self.assertEqual(memoryview(found.data)[0], 1)
            self.assertEqual(reader.read().state, "same")
            self.assertEqual(reader.format(), ("custom", ringpost.layout_of(Position)))
            self.peer.tell("write 2")
            frames = iter(reader)
            self.assertEqual(next(frames).number, 2)
            self.peer.tell("leave")
            self.assertEqual(next(frames).state, "stale")
        reader.close()
        with FrameReader("place", Other, directory=self.directory) as other:
            with self.assertRaises(ringpost.LayoutError):
                other.read()
        with FrameReader("place", Beginning, directory=self.directory) as older:
            self.assertEqual(older.read().value.x, 5.0)

    def test_records_of_python_are_read_in_typescript(self) -> None:
        with FrameWriter("seen", Position, directory=self.directory) as writer:
            with self.assertRaises(ringpost.NameInUseError):
                FrameWriter("seen", directory=self.directory)
            path = (Point * 3)(Point(1, 2), Point(3, 4))
            number = writer.write(Position(7, 1.5, b"py", 2, path, True))
            self.assertEqual(number, 1)
            self.peer.tell("read")
            self.assertEqual(json.loads(self.peer.line()), {
                "status": "fresh",
                "value": {
                    "id": 7,
                    "x": 1.5,
                    "label": "py",
                    "path": [{"x": 1, "y": 2}, {"x": 3, "y": 4}],
                    "ok": True,
                },
            })
            writer.close(remove=True)
        with FrameReader("seen", directory=self.directory) as reader:
            self.assertEqual(reader.read().state, "empty")

    def test_a_structure_that_is_no_record_is_refused(self) -> None:
        class Long(ctypes.Structure):
            _fields_ = [("many", ctypes.c_uint8 * 4)]

        class Pointer(ctypes.Structure):
            _fields_ = [("to", ctypes.c_void_p)]

        for wrong in (Long, Pointer):
            with self.assertRaises(TypeError):
                FrameWriter("seen", wrong, directory=self.directory)


class Topics(Meeting, unittest.TestCase):
    def test_a_lossless_subscriber_receives_everything_of_typescript(self) -> None:
        with Subscriber("numbers", mode="lossless", directory=self.directory) as numbers:
            self.assertIsNone(numbers.read())
            self.peer.tell("publish 2000")
            for expected, message in zip(range(1, 2001), numbers):
                self.assertEqual((message.number, message.skipped), (expected, 0))
                self.assertEqual(message.data, str(expected).encode())
            self.assertTrue(numbers.has_publisher)
            self.assertIsNone(numbers.receive(0))

    def test_a_subscriber_of_typescript_receives_everything(self) -> None:
        options: Any = {"directory": self.directory, "capacity": 4096, "timeout": LONG}
        with Publisher("letters", **options) as letters:
            self.peer.tell("subscribe 1000")
            self.peer.expect("subscribed")
            for number in range(1, 1001):
                self.assertEqual(letters.publish(str(number).encode()), number)
            self.peer.expect("500500")
            letters.close(remove=True)

    def test_one_that_is_too_slow_is_cut_off_or_misses_messages(self) -> None:
        options: Any = {"directory": self.directory, "capacity": 4096, "timeout": 0.01}
        with Publisher("letters", **options) as letters:
            everything = Subscriber("letters", mode="lossless", directory=self.directory)
            some = Subscriber("letters", directory=self.directory)
            newest = Subscriber("letters", mode="latest", directory=self.directory)
            for _ in range(1000):
                letters.publish(b"0123456789")
            with self.assertRaises(ringpost.LaggedError):
                everything.read()
            self.assertGreater(some.receive(LONG).skipped, 0)  # type: ignore[union-attr]
            self.assertEqual(newest.read().number, 1000)  # type: ignore[union-attr]
            for subscriber in (everything, some, newest):
                subscriber.close()


class Tasks(Meeting, unittest.IsolatedAsyncioTestCase):
    async def test_tasks_ask_at_the_same_time(self) -> None:
        with self.client() as client:
            asked = [client.request_async("shout", f"a{n}".encode()) for n in range(20)]
            answers = await asyncio.wait_for(asyncio.gather(*asked), LONG)
            self.assertEqual(answers, [f"A{n}".encode() for n in range(20)])
            with self.assertRaises(ringpost.RemoteError):
                await client.request_async("fail")
            hanging = asyncio.create_task(client.request_async("hang"))
            await client.request_async("shout", b"")
            hanging.cancel()
            with self.assertRaises(asyncio.CancelledError):
                await hanging
            await asyncio.to_thread(self.peer.expect, "cancelled")
            left = asyncio.create_task(client.request_async("hang"))
            await client.request_async("shout", b"")
        with self.assertRaises(ringpost.ClosedError):
            await left

    async def test_events_end_with_the_connection(self) -> None:
        with self.client() as client:
            ticks = client.events("tick", codec="json")
            client.notify("ticks", b"3")
            for expected in range(3):
                self.assertEqual(await asyncio.wait_for(anext_of(ticks), LONG), {"tick": expected})
            others = client.events("tick")
            await others.aclose()
            self.peer.process.kill()
            with self.assertRaises(ringpost.PeerLostError):
                await asyncio.wait_for(anext_of(ticks), LONG)
            with self.assertRaises(StopAsyncIteration):
                await anext_of(ticks)

    async def test_what_nobody_listens_to_is_let_go(self) -> None:
        with self.client() as client:
            subscription: Any = None
            heard: list[Any] = []

            def once(event: Any) -> None:
                nonlocal subscription
                subscription.close()
                subscription = None
                heard.append(event)

            subscription, listener = client.on("tick", once, codec="json"), weakref.ref(once)
            del once
            ticks, others = (client.events("tick", codec="json") for _ in range(2))
            gone = weakref.ref(others)
            del others
            client.notify("ticks", b"3")
            for expected in range(3):
                self.assertEqual(await asyncio.wait_for(anext_of(ticks), LONG), {"tick": expected})
            self.assertEqual(heard, [{"tick": 0}])
            gc.collect()
            self.assertIsNone(listener())
            self.assertIsNone(gone())

    async def test_a_task_that_waits_for_events_is_kept(self) -> None:
        with self.client() as client:
            heard, ended = asyncio.Event(), asyncio.Event()

            async def listen() -> None:
                async for _ in client.events("tick"):
                    heard.set()
                ended.set()

            # Nobody else knows of the task.
            asyncio.create_task(listen())
            await asyncio.sleep(0)
            gc.collect()
            client.notify("ticks", b"1")
            await asyncio.wait_for(heard.wait(), LONG)
            client.close()
            await asyncio.wait_for(ended.wait(), LONG)

    async def test_frames_and_messages_come_by_one_loop(self) -> None:
        loop = Loop()
        on: Any = {"directory": self.directory, "loop": loop}
        with loop, FrameReader("place", Position, **on) as frames, \
                Subscriber("numbers", mode="lossless", **on) as messages:
            frames_come, messages_come = aiter_of(frames), aiter_of(messages)
            self.peer.tell("write 1")
            self.peer.tell("publish 500")
            frame = await asyncio.wait_for(anext_of(frames_come), LONG)
            self.assertEqual(frame.value.id, 1)
            for expected in range(1, 501):
                message = await asyncio.wait_for(anext_of(messages_come), LONG)
                self.assertEqual(message.number, expected)
            self.peer.tell("leave")
            self.assertEqual((await asyncio.wait_for(anext_of(frames_come), LONG)).state, "stale")


    async def test_loops_end_with_their_readers(self) -> None:
        async def all_of(reader: Any) -> list[Any]:
            return [found async for found in reader]

        with Loop() as shared:
            for loop in (None, shared):
                on: Any = {"directory": self.directory, "loop": loop}
                for reader in (FrameReader("nothing", **on), Subscriber("nothing", **on)):
                    waiting = asyncio.create_task(all_of(reader))
                    await asyncio.sleep(0)
                    self.assertFalse(waiting.done())
                    reader.close()
                    reader.close()
                    self.assertEqual(await asyncio.wait_for(waiting, LONG), [])

    async def test_a_reader_has_one_loop_and_the_next_ends_the_one_before(self) -> None:
        with Subscriber("letters", directory=self.directory) as letters, \
                Publisher("letters", directory=self.directory) as publisher:
            before, after = aiter_of(letters), aiter_of(letters)
            with self.assertRaises(StopAsyncIteration):
                await asyncio.wait_for(anext_of(before), LONG)
            publisher.publish(b"a")
            self.assertEqual((await asyncio.wait_for(anext_of(after), LONG)).data, b"a")


    async def test_what_a_loop_has_left_is_there_for_the_next(self) -> None:
        with Subscriber("letters", mode="lossless", directory=self.directory) as letters, \
                Publisher("letters", directory=self.directory) as publisher:
            for _ in range(10):
                publisher.publish(b"a")

            async def read(last: int) -> list[int]:
                found: list[int] = []
                async for message in letters:
                    found.append(message.number)
                    if message.number == last:
                        break
                return found

            for last, expected in ((1, [1]), (10, list(range(2, 11)))):
                self.assertEqual(await asyncio.wait_for(read(last), LONG), expected)

    async def test_a_task_that_does_not_read_on_holds_the_publisher_up(self) -> None:
        options: Any = {"directory": self.directory, "capacity": 4096, "timeout": 0.01}
        with Subscriber("letters", mode="lossless", directory=self.directory) as letters, \
                Publisher("letters", **options) as publisher:
            coming = aiter_of(letters)
            publisher.publish(b"0123456789")
            self.assertEqual((await asyncio.wait_for(anext_of(coming), LONG)).number, 1)
            for _ in range(1000):
                publisher.publish(b"0123456789")
                await asyncio.sleep(0)
            with self.assertRaises(ringpost.LaggedError):
                await asyncio.wait_for(anext_of(coming), LONG)

    async def test_a_writer_that_does_not_rest_leaves_other_tasks_their_turn(self) -> None:
        with Subscriber("letters", directory=self.directory) as letters, \
                Publisher("letters", directory=self.directory) as publisher:
            publisher.publish(b"a")
            others: list[None] = []
            asyncio.get_running_loop().call_soon(others.append, None)
            async for message in letters:
                if others:
                    break
                self.assertLess(message.number, 10_000)
                publisher.publish(b"a")


class Readme(Meeting, unittest.TestCase):
    def test_the_programs_run_as_printed(self) -> None:
        self.assertIsNotNone(self.peer)
        readme = Path(__file__).parents[1] / "README.md"
        programs = re.findall(r"```python\n(.*?)```", readme.read_text(), re.DOTALL)
        self.assertEqual(len(programs), 2)
        env = {**os.environ, "RINGPOST_DIR": self.directory}
        for program in programs:
            command = [sys.executable, "-c", program]
            ran = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
            self.assertEqual((ran.returncode, ran.stderr), (0, ""))


class Library(Meeting, unittest.TestCase):
    def test_the_library_is_found_by_pkg_config_and_beside_the_package(self) -> None:
        library = Path(os.environ["RINGPOST_LIBRARY"])
        env = {name: value for name, value in os.environ.items() if name != "RINGPOST_LIBRARY"}
        prints = "import ringpost._library as lib; print(lib._lib._name)"
        command = [sys.executable, "-c", prints]

        def found(**more: str) -> str:
            printed = subprocess.check_output(command, env={**env, **more}, text=True)
            return printed.strip()

        self.assertEqual(found(PKG_CONFIG_PATH=str(library.parent / "pkgconfig")), str(library))
        package = Path(self.directory) / "ringpost"
        shutil.copytree(str(Path(ringpost.__file__).parent), package)
        beside = shutil.copy(library, package)
        self.assertEqual(found(PYTHONPATH=self.directory), str(beside))

    def test_a_library_that_is_missing_is_named(self) -> None:
        env = {**os.environ, "RINGPOST_LIBRARY": "/nowhere/libringpost.so.0"}
        command = [sys.executable, "-c", "import ringpost"]
        tried = subprocess.run(command, env=env, capture_output=True, text=True, check=False)
        self.assertEqual(tried.returncode, 1)
        self.assertIn("LibraryMissing: libringpost.so.0 is missing", tried.stderr)
        self.assertIn("/nowhere/libringpost.so.0", tried.stderr)


def aiter_of(of: Any) -> Any:
    return of.__aiter__()


def anext_of(of: Any) -> Any:
    """`anext` came with Python 3.10."""
    return of.__anext__()


if __name__ == "__main__":
    unittest.main()
