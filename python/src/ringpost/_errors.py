"""What is raised."""

from __future__ import annotations


class RingpostError(Exception):
    """A failure: `code` is the stable text to branch on, such as "ERR_TIMEOUT"."""

    code: str

    def __init__(self, code: str, message: str) -> None:
        super().__init__(message)
        self.code = code


class RemoteError(RingpostError):
    """A handler of the peer has failed. `code` is its own, or "ERR_HANDLER"."""


class ClosedError(RingpostError):
    """This side has closed it."""


class PeerLostError(RingpostError, ConnectionError):
    """The peer went away: it closed, was killed, or broke the protocol."""


class DeadlineError(RingpostError, TimeoutError):
    """It has taken too long."""


class NoServerError(RingpostError, ConnectionError):
    """No server has that name."""


class NameInUseError(RingpostError):
    """The name has a writer, publisher or server that lives, or another has taken it over."""


class LayoutError(RingpostError):
    """The layouts of writer and reader differ: neither is the other with members appended."""


class LaggedError(RingpostError):
    """This lossless subscriber was too slow, was cut off, and is of no use any more."""


class LibraryMissing(ImportError):
    """The C library cannot be loaded; the message says what is missing."""


#: By the numbers of rp_status, which never change.
_CLASSES = {
    10: ClosedError,
    11: PeerLostError,
    12: DeadlineError,
    24: NameInUseError,
    25: NoServerError,
    34: LayoutError,
    37: LaggedError,
}


def failure(status: int, code: str, message: str, is_remote: bool) -> RingpostError:
    """What stands for a failure of the library."""
    of = _CLASSES.get(status, RemoteError if is_remote else RingpostError)
    return of(code, message)
