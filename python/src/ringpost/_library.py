"""The C library: where it is, and what its functions take. ringpost.h says what they do."""

from __future__ import annotations

import ctypes
import ctypes.util
import os
import subprocess
import time
from ctypes import POINTER, c_bool, c_char_p, c_int, c_int64, c_size_t, c_uint32, c_uint64, c_void_p
from pathlib import Path
from typing import Any, Iterator, Optional

from ._errors import ClosedError, LibraryMissing, failure

SONAME = "libringpost.so.0"
OK, NOTHING = 0, 1

EventFn = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
ReplyFn = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)
ClosedFn = ctypes.CFUNCTYPE(None, c_void_p, c_void_p)
ReadyFn = ctypes.CFUNCTYPE(None, c_void_p)
RequestFn = ctypes.CFUNCTYPE(None, c_void_p, c_void_p, c_void_p)


class _Sized(ctypes.Structure):
    """Options, whose first member is their size."""

    def __init__(self, **members: Any) -> None:
        super().__init__(size=ctypes.sizeof(self), **members)


class ClientOptions(_Sized):
    _fields_ = [
        ("size", c_size_t),
        ("directory", c_char_p),
        ("token", c_char_p),
        ("token_len", c_size_t),
        ("connect_timeout_ms", c_int64),
        ("wait_for_server_ms", c_int64),
    ]


class ServerOptions(_Sized):
    _fields_ = [
        ("size", c_size_t),
        ("directory", c_char_p),
        ("token", c_char_p),
        ("token_len", c_size_t),
    ]


class CallOptions(_Sized):
    _fields_ = [
        ("size", c_size_t),
        ("codec", c_uint32),
        ("lane", c_uint32),
        ("timeout_ms", c_int64),
    ]


class PublishOptions(_Sized):
    _fields_ = [
        ("size", c_size_t),
        ("directory", c_char_p),
        ("capacity", c_size_t),
        ("layout", c_char_p),
        ("timeout_ms", c_int64),
        ("codec", c_uint32),
        ("take_over", c_bool),
    ]


class ReadOptions(_Sized):
    _fields_ = [("size", c_size_t), ("directory", c_char_p), ("layout", c_char_p)]


class MessageView(ctypes.Structure):
    _fields_ = [
        ("bytes", c_void_p),
        ("len", c_size_t),
        ("codec", c_uint32),
        ("name", c_char_p),
    ]


class FrameView(ctypes.Structure):
    _fields_ = [
        ("state", c_int),
        ("bytes", c_void_p),
        ("len", c_size_t),
        ("number", c_uint64),
        ("unix_nanos", c_uint64),
        ("age_nanos", c_uint64),
    ]


class TopicMessageView(ctypes.Structure):
    _fields_ = [
        ("bytes", c_void_p),
        ("len", c_size_t),
        ("number", c_uint64),
        ("generation", c_uint64),
        ("skipped", c_uint64),
        ("age_nanos", c_uint64),
        ("is_restarted", c_bool),
    ]


_H, _OUT, _BYTES = c_void_p, POINTER(c_void_p), c_char_p
_MESSAGE = [c_char_p, _BYTES, c_size_t, c_void_p]

#: What each function takes before the place of its error.
_FUNCTIONS: dict[str, list[Any]] = {
    "rp_loop_new": [_OUT],
    "rp_loop_fd": [_H, POINTER(c_int)],
    "rp_loop_drive": [_H],
    "rp_loop_wait": [_H, c_int64, POINTER(c_bool)],
    "rp_loop_free": [_OUT],
    "rp_client_connect": [_H, c_char_p, c_void_p, _OUT],
    "rp_client_request": [_H, *_MESSAGE, _OUT],
    "rp_client_start": [_H, *_MESSAGE, ReplyFn, c_void_p, POINTER(c_uint64)],
    "rp_client_cancel": [_H, c_uint64],
    "rp_client_notify": [_H, *_MESSAGE],
    "rp_client_on": [_H, c_char_p, EventFn, c_void_p, POINTER(c_uint64)],
    "rp_client_off": [_H, c_uint64],
    "rp_client_on_closed": [_H, ClosedFn, c_void_p],
    "rp_client_is_closed": [_H, POINTER(c_bool)],
    "rp_client_close": [_OUT],
    "rp_reply_free": [_OUT],
    "rp_frame_writer_create": [c_char_p, c_void_p, _OUT],
    "rp_frame_writer_write": [_H, c_void_p, c_size_t, POINTER(c_uint64)],
    "rp_frame_writer_close": [_OUT, c_bool],
    "rp_frame_reader_open": [c_char_p, c_void_p, _OUT],
    "rp_frame_reader_read": [_H, POINTER(FrameView)],
    "rp_frame_reader_format": [_H, POINTER(c_uint32), c_void_p, c_size_t, POINTER(c_size_t)],
    "rp_frame_reader_watch": [_H, _H, ReadyFn, c_void_p],
    "rp_frame_reader_close": [_OUT],
    "rp_publisher_create": [c_char_p, c_void_p, _OUT],
    "rp_publisher_publish": [_H, c_void_p, c_size_t, POINTER(c_uint64)],
    "rp_publisher_close": [_OUT, c_bool],
    "rp_subscriber_open": [c_char_p, c_uint32, c_uint32, c_void_p, _OUT],
    "rp_subscriber_read": [_H, POINTER(TopicMessageView)],
    "rp_subscriber_has_publisher": [_H, POINTER(c_bool)],
    "rp_subscriber_watch": [_H, _H, ReadyFn, c_void_p],
    "rp_subscriber_close": [_OUT],
}


def _candidates() -> Iterator[str]:
    named = os.environ.get("RINGPOST_LIBRARY")
    if named:
        # Whoever names one wants no other.
        yield named
        return
    beside = Path(__file__).with_name(SONAME)
    if beside.exists():
        yield str(beside)
    yield SONAME
    try:
        asked = ["pkg-config", "--variable=libdir", "ringpost"]
        found = subprocess.run(asked, capture_output=True, text=True, check=False).stdout.strip()
    except OSError:
        found = ""
    if found:
        yield str(Path(found) / SONAME)
    elsewhere = ctypes.util.find_library("ringpost")
    if elsewhere:
        yield elsewhere


def _load() -> ctypes.CDLL:
    reasons = []
    for path in _candidates():
        try:
            return ctypes.CDLL(path)
        except OSError as error:
            reasons.append(str(error))
    raise LibraryMissing(
        f"{SONAME} is missing: install it with `node ci/c.mjs install <prefix>` in a clone of "
        "ringpost, and set RINGPOST_LIBRARY to its path, or PKG_CONFIG_PATH to where ringpost.pc "
        f"is. Tried: {'; '.join(reasons)}"
    )


_lib = _load()
for _name, _takes in _FUNCTIONS.items():
    _function = getattr(_lib, _name)
    _function.argtypes = [*_takes, _OUT]
    _function.restype = c_int
for _name, _gives in {
    "rp_error_status": c_int,
    "rp_error_code": c_char_p,
    "rp_error_message": c_char_p,
    "rp_error_is_remote": c_bool,
    "rp_reply_bytes": c_void_p,
    "rp_reply_len": c_size_t,
}.items():
    _function = getattr(_lib, _name)
    _function.argtypes = [c_void_p]
    _function.restype = _gives
_lib.rp_error_free.argtypes = [_OUT]
_lib.rp_error_free.restype = None


def exception(error: Optional[int]) -> Exception:
    """What Python raises for an error of C, which stays that of C."""
    code = _lib.rp_error_code(error).decode()
    message = _lib.rp_error_message(error).decode()
    return failure(_lib.rp_error_status(error), code, message, _lib.rp_error_is_remote(error))


def call(name: str, *arguments: Any) -> int:
    """Calls a function. What it fails with is raised; otherwise OK or NOTHING is returned."""
    if arguments and isinstance(arguments[0], c_void_p) and arguments[0].value is None:
        raise ClosedError("ERR_CLOSED", "it is closed")
    error = c_void_p()
    status: int = getattr(_lib, name)(*arguments, ctypes.byref(error))
    if status in (OK, NOTHING):
        return status
    raised = exception(error.value)
    _lib.rp_error_free(ctypes.byref(error))
    raise raised


def made(name: str, *arguments: Any) -> c_void_p:
    """Calls a function that makes something, and returns the handle of that."""
    handle = c_void_p()
    call(name, *arguments, ctypes.byref(handle))
    return handle


def ended(name: str, handle: c_void_p, *arguments: Any) -> None:
    """Ends what a handle stands for. May be called again."""
    if handle.value is not None:
        call(name, ctypes.byref(handle), *arguments)


def copied(start: Optional[int], length: int) -> bytes:
    """Bytes that belong to C."""
    return ctypes.string_at(start, length) if start and length else b""


def take_reply(reply: c_void_p) -> bytes:
    """The bytes of a reply, which is freed."""
    payload = copied(_lib.rp_reply_bytes(reply), _lib.rp_reply_len(reply))
    ended("rp_reply_free", reply)
    return payload


def text(value: Optional[str]) -> Optional[bytes]:
    """A text as C has it."""
    if value is None:
        return None
    encoded = os.fsencode(value)
    if b"\0" in encoded:
        raise ValueError("a text with a NUL")
    return encoded


def milliseconds(seconds: Optional[float], usual: int = -1) -> int:
    """A span as C has it: None has no end, and what is not 0 is at least a millisecond."""
    if seconds is None:
        return usual
    return max(1, round(seconds * 1000)) if seconds > 0 else 1


now = time.monotonic
