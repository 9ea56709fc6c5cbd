"""Requests, events, state frames and topics between processes of one machine, through shared
memory. See README.md."""

from ._client import Client, Subscription
from ._errors import (
    ClosedError,
    DeadlineError,
    LaggedError,
    LayoutError,
    LibraryMissing,
    NameInUseError,
    NoServerError,
    PeerLostError,
    RemoteError,
    RingpostError,
)
from ._frames import Frame, FrameReader, FrameWriter
from ._loop import Loop
from ._records import as_dict, layout_of
from ._topics import Message, Publisher, Subscriber

__all__ = [
    "Client",
    "ClosedError",
    "DeadlineError",
    "Frame",
    "FrameReader",
    "FrameWriter",
    "LaggedError",
    "LayoutError",
    "LibraryMissing",
    "Loop",
    "Message",
    "NameInUseError",
    "NoServerError",
    "PeerLostError",
    "Publisher",
    "RemoteError",
    "RingpostError",
    "Subscriber",
    "Subscription",
    "as_dict",
    "layout_of",
]
