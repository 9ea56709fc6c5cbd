//! The layout of messages in the memory that both languages share.
//!
//! JavaScript appends records to the outbox and the binding reads them; the binding appends records
//! to a link's arena and JavaScript reads them. Places are counted in words of 32 bits. The numbers
//! are exported, so that each is written once.

#![allow(missing_docs, reason = "the drawings say what the numbers are")]

use ipc_core::{Codec, Kind};
use napi_derive::napi;

/// A record in the outbox: a message to send, or an order.
///
/// ```text
///   0      1                       2      3             4 5  6
///   | link | kind lane codec flags | code | payload len | id | options | payload
///   | link | kind lane             | item | 8           | id | count: f64
/// ```
///
/// Behind the payload it is filled up to a multiple of eight. Its flags say which options it has,
/// in this order: a timeout, a window, a trace context. Without any it is as long as its frame, and
/// becomes that where it lies. An order is about items, of which it has the kind and a count.
pub mod out {
    use super::napi;

    #[napi]
    pub const OUT_LINK: u32 = 0;
    #[napi]
    pub const OUT_HEAD: u32 = 1;
    #[napi]
    pub const OUT_CODE: u32 = 2;
    #[napi]
    pub const OUT_PAYLOAD_LEN: u32 = 3;
    #[napi]
    pub const OUT_ID: u32 = 4;
    #[napi]
    pub const OUT_WORDS: u32 = 6;
}

/// A record in a link's arena: a message that has arrived, or an event.
///
/// ```text
///   0     1                       2       3             4 5  6
///   | len | kind lane codec flags | code  | payload len | id | options | payload
///   | len | kind lane             | about | payload len | id | payload, or count: f64
/// ```
///
/// `len` counts all of it and is a multiple of eight. The code of a message is a route: four times
/// the peer's code in that lane, plus the lane. Its flags say which options it has, in this order:
/// a deadline, a window, a trace context. Without any it is as long as the frame it came in, and
/// takes its place. What an event is about, and what it counts, is said where the event is.
pub mod inward {
    use super::napi;

    #[napi]
    pub const IN_LEN: u32 = 0;
    #[napi]
    pub const IN_HEAD: u32 = 1;
    #[napi]
    pub const IN_CODE: u32 = 2;
    /// Of an event, in place of a code.
    #[napi]
    pub const IN_ABOUT: u32 = 2;
    #[napi]
    pub const IN_PAYLOAD_LEN: u32 = 3;
    #[napi]
    pub const IN_ID: u32 = 4;
    #[napi]
    pub const IN_WORDS: u32 = 6;
}

/// Flag of a record: the payload is memory of its own. Outgoing, it is passed beside the outbox;
/// incoming, its place holds the number of the extra it is, and that is `null` if the memory was
/// taken away while it was filled.
#[napi]
pub const FLAG_OUTSIDE: u32 = 1;
/// Flag of a record: it has a trace context.
#[napi]
pub const FLAG_TRACED: u32 = 2;
/// Flag of a record: the request is a stream, and has a window.
#[napi]
pub const FLAG_STREAM: u32 = 4;
/// Flag of a record: outgoing, the request has a timeout in milliseconds; incoming, it is a
/// request, and has a deadline in milliseconds of the monotonic clock, 0 for never.
#[napi]
pub const FLAG_TIMED: u32 = 8;
/// Flag of a record: the request was sent before, on a connection that was lost, and so many of its
/// items had been taken.
#[napi]
pub const FLAG_REPLAYED: u32 = 16;
/// Bytes of a count of items in a record.
#[napi]
pub const REPLAYED_BYTES: u32 = 8;
/// Bytes of a span or a time in a record.
#[napi]
pub const TIME_BYTES: u32 = 8;
/// Bytes of a window in a record: a word, and one that is empty.
#[napi]
pub const WINDOW_BYTES: u32 = 8;
/// Beside the codec of a record that is sent: the payload is to be compressed.
#[napi]
pub const COMPRESS: u32 = 4;
/// Bytes of a trace context in a record.
#[napi]
pub const TRACE_BYTES: u32 = 32;
/// Payloads from this many bytes on get memory of their own, on both ways.
#[napi]
pub const LARGE: u32 = 16 << 10;

/// A run: records of one link, one behind the other in its arena.
///
/// ```text
///   0      1       2     3
///   | link | start | end | the extra with a new arena, plus one, or 0
/// ```
///
/// JavaScript leaves flags in the last word.
#[napi]
pub const RUN_WORDS: u32 = 4;
/// Flag of a run that was read: memory of large payloads of it was handed out for good.
#[napi]
pub const RUN_KEPT: u32 = 1;
/// Flag of a run that was read: user code has seen the arena itself, and may have taken it away.
#[napi]
pub const RUN_EXPOSED: u32 = 2;
/// Runs there is room for.
#[napi]
pub const RUNS_MAX: u32 = 2048;

/// Flags that say how a link stands: bytes that wait for room, by lane, and behind them whether
/// more items wait to be read than may.
///
/// ```text
///   0          1      2        3     4
///   | critical | high | normal | low | unread |
/// ```
#[napi]
pub const LINK_UNREAD: u32 = 4;
#[napi]
pub const LINK_WORDS: u32 = 5;
/// Links an engine can have; the lower half of a link is below this.
#[napi]
pub const LINKS_MAX: u32 = 1 << 16;

/// Flags both sides keep for each other.
pub mod state {
    use super::napi;

    /// Bytes of the outbox in use: JavaScript adds, the binding sets it to 0.
    #[napi]
    pub const STATE_USED: u32 = 0;
    /// 1 while the binding has entered JavaScript and will read the outbox afterwards.
    #[napi]
    pub const STATE_INSIDE: u32 = 1;
    /// Reasons JavaScript has to keep the process alive.
    #[napi]
    pub const STATE_REFERENCES: u32 = 2;
    /// Where the synchronous arena is free; JavaScript says so.
    #[napi]
    pub const STATE_SYNC_FREE: u32 = 3;
    /// Kind and codec of the synchronous answer, as in a record's head.
    #[napi]
    pub const STATE_SYNC_HEAD: u32 = 4;
    /// One-way messages refused because their lane was full and refuses.
    #[napi]
    pub const STATE_REFUSED: u32 = 5;
    /// The request that is waited for synchronously or asked about: its link and the halves of its
    /// id; JavaScript says so.
    #[napi]
    pub const STATE_SYNC_LINK: u32 = 6;
    #[napi]
    pub const STATE_SYNC_SLOT: u32 = 7;
    #[napi]
    pub const STATE_SYNC_GENERATION: u32 = 8;
    /// Length of a synchronous answer that has memory of its own.
    #[napi]
    pub const STATE_SYNC_LEN: u32 = 9;
    /// 1 if the reply to the request in question is no longer wanted.
    #[napi]
    pub const STATE_ABANDONED: u32 = 10;
    /// Of which epoch the codes of names have to be: what is in their upper halves.
    #[napi]
    pub const STATE_NAMES_EPOCH: u32 = 11;
    /// One-way messages dropped as they were sent, because their lane was full and drops the
    /// newest.
    #[napi]
    pub const STATE_DROPPED: u32 = 12;
    /// 1 if the time has come that JavaScript asked to be woken at; it sets it back to 0.
    #[napi]
    pub const STATE_RANG: u32 = 13;
    /// Runs JavaScript is entered with.
    #[napi]
    pub const STATE_RUNS: u32 = 14;
    #[napi]
    pub const STATE_WORDS: u32 = 15;
}

/// What a record in the outbox is about, beyond the kinds of messages.
pub mod order {
    use super::napi;

    /// Items have been consumed: their kind, and the count of bytes they took of the credit.
    #[napi]
    pub const ORDER_CONSUMED: u32 = 32;
    /// No more items follow with a request.
    #[napi]
    pub const ORDER_END: u32 = 33;
}

/// Kinds of messages, as in a header.
pub mod kind {
    use super::{Kind, napi};

    #[napi]
    pub const KIND_REQUEST: u32 = Kind::Request as u32;
    #[napi]
    pub const KIND_REPLY: u32 = Kind::Reply as u32;
    #[napi]
    pub const KIND_ERROR: u32 = Kind::Error as u32;
    #[napi]
    pub const KIND_ONE_WAY: u32 = Kind::OneWay as u32;
    #[napi]
    pub const KIND_REQUEST_ITEM: u32 = Kind::RequestItem as u32;
    #[napi]
    pub const KIND_REPLY_ITEM: u32 = Kind::ReplyItem as u32;
}

/// Codecs, as in a header.
pub mod codec {
    use super::{Codec, napi};

    #[napi]
    pub const CODEC_BYTES: u32 = Codec::Bytes as u32;
    #[napi]
    pub const CODEC_MESSAGE_PACK: u32 = Codec::MessagePack as u32;
    #[napi]
    pub const CODEC_JSON: u32 = Codec::Json as u32;
    #[napi]
    pub const CODEC_CUSTOM: u32 = Codec::Custom as u32;
}

/// What a record is about, beyond the kinds of messages.
pub mod event {
    use super::napi;

    /// A connection that was requested is open; the payload describes the peer, in JSON.
    #[napi]
    pub const EVENT_CONNECTED: u32 = 16;
    /// A client has connected to the listener it is about; the payload describes the peer, in JSON.
    #[napi]
    pub const EVENT_ACCEPTED: u32 = 17;
    /// A connection is over; the payload gives the reason, if there is one: code, line feed,
    /// message.
    #[napi]
    pub const EVENT_CLOSED: u32 = 18;
    /// From now on the peer uses the route this is about for the name in the payload.
    #[napi]
    pub const EVENT_NAMED: u32 = 19;
    /// A request of this side ended without a reply; the ending is what it is about.
    #[napi]
    pub const EVENT_ENDED: u32 = 20;
    /// A request of the peer no longer needs a reply.
    #[napi]
    pub const EVENT_ABANDONED: u32 = 21;
    /// No message waits for space in this lane any more.
    #[napi]
    pub const EVENT_DRAINED: u32 = 22;
    /// A message could not be sent; the payload gives the reason, as when a connection is over.
    #[napi]
    pub const EVENT_REFUSED: u32 = 23;
    /// The peer grants credit for the kind of items this is about: the count is the total in bytes.
    #[napi]
    pub const EVENT_GRANTED: u32 = 24;
    /// No more items follow with a request of the peer.
    #[napi]
    pub const EVENT_ITEMS_END: u32 = 25;
    /// A one-way message with an id is being written, or the payload gives the reason why not, as
    /// when a connection is over.
    #[napi]
    pub const EVENT_SENT: u32 = 26;
    /// This lane was full and has dropped a count of one-way messages.
    #[napi]
    pub const EVENT_DROPPED: u32 = 27;
    /// A one-way message of the peer, of the route this is about, was not accepted; the payload
    /// gives the reason, as when a connection is over.
    #[napi]
    pub const EVENT_UNREADABLE: u32 = 28;
    /// More items are unread than may be: consumed ones have to be reported at once.
    #[napi]
    pub const EVENT_UNREAD: u32 = 29;
    /// Clients can no longer find the server of the listener this is about; the payload gives the
    /// reason. It belongs to no link, and may be in the arena of any.
    #[napi]
    pub const EVENT_NAME_LOST: u32 = 30;
    /// A name that was to be taken over is served, by the listener this is about.
    #[napi]
    pub const EVENT_LISTENING: u32 = 31;
    /// A new server has taken over the name of the listener this is about. It belongs to no link,
    /// as above.
    #[napi]
    pub const EVENT_TAKEN_OVER: u32 = 32;
    /// All clients that the retired listener this is about had let in are connected, or will not
    /// be. It belongs to no link, as above.
    #[napi]
    pub const EVENT_RETIRED: u32 = 33;
    /// The published object whose watch this is about may have changed. It belongs to no link, and
    /// may be in the arena of any.
    #[napi]
    pub const EVENT_CHANGED: u32 = 34;
    /// The kernel has no room any more for all of the watch this is about. It belongs to no link,
    /// as above.
    #[napi]
    pub const EVENT_UNWATCHED: u32 = 35;
    /// A ping was answered: the id is its number, the count is the milliseconds it took.
    #[napi]
    pub const EVENT_PONG: u32 = 40;
    /// What was sent lies unread at the peer for longer than it may.
    #[napi]
    pub const EVENT_UNRESPONSIVE: u32 = 41;
    /// A peer that was unresponsive has read again.
    #[napi]
    pub const EVENT_RESPONSIVE: u32 = 42;
    /// The peer is about to leave.
    #[napi]
    pub const EVENT_LEAVING: u32 = 43;
    /// Nothing was in flight, as was asked for.
    #[napi]
    pub const EVENT_IDLE: u32 = 44;
}

/// How a request ended without an answer: the code of an `EVENT_ENDED`, and, negated, what a
/// synchronous request returns.
pub mod ending {
    use super::napi;

    #[napi]
    pub const ENDED_TIMEOUT: u32 = 1;
    #[napi]
    pub const ENDED_CANCELLED: u32 = 2;
    #[napi]
    pub const ENDED_PEER_LOST: u32 = 3;
    #[napi]
    pub const ENDED_CLOSED: u32 = 4;
    #[napi]
    pub const ENDED_WOULD_DEADLOCK: u32 = 5;
    #[napi]
    pub const ENDED_WITHDRAWN: u32 = 6;
    #[napi]
    pub const ENDED_UNREADABLE: u32 = 7;
}
