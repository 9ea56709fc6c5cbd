//! What JavaScript sends: records it has appended to memory of its own.

use std::time::Duration;

use ipc_core::{
    Code, Codec, Draft, Engine, Error, HEADER_LEN, Kind, Lane, LinkId, Result, Sent, TRACE_LEN,
    Trace,
};

use crate::inner::Inner;
use crate::memory::{Env, Memory, Outside};
use crate::records::kind::{
    KIND_ERROR, KIND_ONE_WAY, KIND_REPLY, KIND_REPLY_ITEM, KIND_REQUEST, KIND_REQUEST_ITEM,
};
use crate::records::order::{ORDER_CONSUMED, ORDER_END};
use crate::records::out::{OUT_CODE, OUT_HEAD, OUT_ID, OUT_LINK, OUT_PAYLOAD_LEN, OUT_WORDS};
use crate::records::state::{STATE_DROPPED, STATE_REFUSED, STATE_USED};
use crate::records::{
    COMPRESS, FLAG_OUTSIDE, FLAG_REPLAYED, FLAG_STREAM, FLAG_TIMED, FLAG_TRACED, REPLAYED_BYTES,
    TIME_BYTES, TRACE_BYTES, WINDOW_BYTES,
};

const RECORD_LEN: usize = OUT_WORDS as usize * 4;

const _: () = assert!(RECORD_LEN == HEADER_LEN, "a record becomes a frame where it lies");

/// Payloads at least this long are not copied before there is room for them, if the sender waits
/// for the outcome: a shorter copy takes no time worth saving.
const DEFERRED_LEN_MIN: usize = 1 << 20;

/// Sends the records in the outbox; the payload of the last may be `outside`. What cannot be sent
/// is reported through the inbox, so that every request ends.
pub fn submit(env: Env, inner: &mut Inner, outside: Option<&Outside<'_>>) -> Result<()> {
    let Inner { engine, inbox, outbox, state, .. } = inner;
    let used = state.word(STATE_USED as usize) as usize;
    if used == 0 {
        return Ok(());
    }
    state.set_word(STATE_USED as usize, 0);
    let mut at = 0;
    while at < used {
        let Some((record, len)) = Record::read(outbox.bytes(at, used - at)) else {
            return Err(Error::new(Code::Internal, format!("no record at {at} of the outbox")));
        };
        at += len;
        if record.is_order() {
            record.obey(engine);
            continue;
        }
        let is_outside = record.flags & FLAG_OUTSIDE != 0;
        let payload = if is_outside { outside.map(Outside::bytes) } else { Some(record.payload) };
        let Some((draft, payload)) = record.draft().zip(payload) else {
            return Err(Error::new(Code::Internal, "a record of the outbox makes no sense"));
        };
        let awaited = draft.kind == Kind::OneWay && draft.id != 0;
        // The sender waits, and does not change the bytes until then.
        let waits = awaited || draft.kind == Kind::Request;
        let lent = outside
            .filter(|_| {
                is_outside
                    && waits
                    && draft.codec == Codec::Bytes
                    && payload.len() >= DEFERRED_LEN_MIN
            })
            .and_then(|outside| outside.keep(env));
        let sent = match lent {
            Some(payload) => engine.send_deferred(record.link, &draft, Box::new(payload)),
            None => engine.send(record.link, &draft, payload),
        };
        match sent {
            Ok(became @ (Sent::Written | Sent::Queued)) if record.flags == 0 && !awaited => {
                let alike = record.alike();
                let (len, waits) =
                    send_alike(engine, alike, &draft, outbox.bytes_mut(at, used - at));
                at += len;
                if waits || became == Sent::Queued {
                    inbox.is_queued(engine, alike.link, draft.lane);
                }
            }
            Ok(Sent::Queued) => inbox.is_queued(engine, record.link, draft.lane),
            Ok(Sent::Dropped) if awaited => {
                inbox.sent(record.link, draft.id, Some(&Error::dropped()));
            }
            Ok(Sent::Dropped) => count(state, STATE_DROPPED),
            Ok(_) if awaited => inbox.sent(record.link, draft.id, None),
            Ok(_) => {}
            Err(error) if awaited => inbox.sent(record.link, draft.id, Some(&error)),
            Err(error) if error.code() == Code::Full && draft.kind == Kind::OneWay => {
                count(state, STATE_REFUSED);
            }
            // A reply that cannot be sent needs no report: the caller's request ends by itself.
            Err(_) if matches!(draft.kind, Kind::Reply | Kind::Error | Kind::ReplyItem) => {}
            // Nor does a message lost with its connection: an event for that follows.
            Err(error) if draft.kind == Kind::OneWay && is_end(&error) => {}
            Err(error) => inbox.refused(record.link, draft.id, error),
        }
    }
    engine.flush();
    Ok(())
}

/// Sends the records that differ from the one before them in nothing but their payload, as long as
/// that takes no more than writing them, or putting them behind others. As many as there is room
/// for become frames where they lie, and are written together. Returns how many bytes they are, and
/// whether some of them wait.
#[inline]
fn send_alike(engine: &mut Engine, alike: Alike, draft: &Draft, rest: &mut [u8]) -> (usize, bool) {
    let (mut sent, mut waits) = (0, false);
    // Requests and answers, each of which has an id of its own, end here.
    if alike.next(rest).is_none() {
        return (sent, waits);
    }
    let Some(mut run) = engine.run(alike.link, draft) else { return (sent, waits) };
    loop {
        let room = run.room(rest.len() - sent);
        let start = sent;
        while let Some((payload_len, len)) = alike.next(&rest[sent..]) {
            let end = sent + len;
            if end - start > room || !run.seal(&mut rest[sent..end], payload_len) {
                break;
            }
            sent = end;
        }
        run.push_frames(&rest[start..sent]);
        if sent > start {
            continue;
        }
        // It may find room in the next lap, of which it is the first then.
        let next = alike.next(&rest[sent..]);
        let Some((payload_len, len)) = next else { return (sent, waits) };
        match run.push(&rest[sent + RECORD_LEN..][..payload_len]) {
            Some(became) => waits |= became == Sent::Queued,
            None => return (sent, waits),
        }
        sent += len;
    }
}

fn count(state: &Memory, word: u32) {
    let at = word as usize;
    state.set_word(at, state.word(at).wrapping_add(1));
}

fn is_end(error: &Error) -> bool {
    matches!(error.code(), Code::Closed | Code::PeerLost)
}

/// What records have in common that differ in nothing but their payload.
#[derive(Clone, Copy)]
struct Alike {
    link: LinkId,
    head: u32,
    code: u32,
    id: u64,
}

impl Alike {
    /// The lengths of the payload and of the whole of the first record of `bytes`, if it is one of
    /// them.
    #[inline]
    fn next(self, bytes: &[u8]) -> Option<(usize, usize)> {
        let fields = Fields(bytes.first_chunk()?);
        let is_alike = fields.word(OUT_LINK) == self.link.0
            && fields.word(OUT_HEAD) == self.head
            && fields.word(OUT_CODE) == self.code
            && fields.id() == self.id;
        let payload_len = fields.word(OUT_PAYLOAD_LEN) as usize;
        let len = (RECORD_LEN + payload_len).next_multiple_of(8);
        (is_alike && len <= bytes.len()).then_some((payload_len, len))
    }
}

/// What every record has.
struct Fields<'a>(&'a [u8; RECORD_LEN]);

impl Fields<'_> {
    #[inline]
    fn word(&self, index: u32) -> u32 {
        let at = index as usize * 4;
        u32::from_ne_bytes([self.0[at], self.0[at + 1], self.0[at + 2], self.0[at + 3]])
    }

    #[inline]
    fn id(&self) -> u64 {
        u64::from(self.word(OUT_ID + 1)) << 32 | u64::from(self.word(OUT_ID))
    }
}

struct Record<'a> {
    link: LinkId,
    head: u32,
    flags: u32,
    /// The code of a message, or the kind of the items an order is about.
    code_or_item: u32,
    id: u64,
    options: &'a [u8],
    payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of `bytes`, and its length.
    #[inline]
    fn read(bytes: &'a [u8]) -> Option<(Self, usize)> {
        let (fields, rest) = bytes.split_first_chunk::<RECORD_LEN>()?;
        let fields = Fields(fields);
        let head = fields.word(OUT_HEAD);
        let flags = head >> 24;
        let has = |flag: u32| flags & flag != 0;
        let options_len = if has(FLAG_TIMED) { TIME_BYTES } else { 0 }
            + if has(FLAG_STREAM) { WINDOW_BYTES } else { 0 }
            + if has(FLAG_REPLAYED) { REPLAYED_BYTES } else { 0 }
            + if has(FLAG_TRACED) { TRACE_BYTES } else { 0 };
        let (options, rest) = rest.split_at_checked(options_len as usize)?;
        let payload_len = if has(FLAG_OUTSIDE) { 0 } else { fields.word(OUT_PAYLOAD_LEN) as usize };
        let record = Self {
            link: LinkId(fields.word(OUT_LINK)),
            head,
            flags,
            code_or_item: fields.word(OUT_CODE),
            id: fields.id(),
            options,
            payload: rest.get(..payload_len)?,
        };
        let len = (RECORD_LEN + options.len() + payload_len).next_multiple_of(8);
        (len <= bytes.len()).then_some((record, len))
    }

    #[inline]
    fn alike(&self) -> Alike {
        Alike { link: self.link, head: self.head, code: self.code_or_item, id: self.id }
    }

    /// It is no message.
    #[inline]
    fn is_order(&self) -> bool {
        self.head & 0xff >= ORDER_CONSUMED
    }

    #[cold]
    fn obey(&self, engine: &mut Engine) {
        let [order, lane, ..] = self.head.to_ne_bytes();
        match u32::from(order) {
            ORDER_CONSUMED => {
                let kind = kind_of(self.code_or_item).unwrap_or(Kind::ReplyItem);
                let count = self.payload.try_into().map_or(0.0, f64::from_ne_bytes);
                engine.consumed(self.link, kind, self.id, whole(count));
            }
            ORDER_END => {
                engine.end_items(self.link, Lane::from_number(lane).unwrap_or_default(), self.id);
            }
            _ => {}
        }
    }

    #[inline]
    fn draft(&self) -> Option<Draft> {
        let [kind, lane, codec, _] = self.head.to_ne_bytes();
        let kind = kind_of(u32::from(kind))?;
        let mut draft = Draft {
            kind,
            lane: Lane::from_number(lane)?,
            codec: Codec::from_bits(codec & 3),
            code: self.code_or_item,
            id: self.id,
            timeout: None,
            trace: None,
            replayed: None,
            window: None,
            compress: u32::from(codec) & COMPRESS != 0,
        };
        if self.flags & !FLAG_OUTSIDE != 0 {
            self.read_options(&mut draft)?;
        }
        Some(draft)
    }

    /// They lie one behind the other, in this order.
    #[inline]
    fn read_options(&self, draft: &mut Draft) -> Option<()> {
        let mut options = self.options;
        if self.flags & FLAG_TIMED != 0 {
            let (span, rest) = options.split_first_chunk()?;
            draft.timeout = Some(Duration::from_micros(whole(f64::from_ne_bytes(*span) * 1e3)));
            options = rest;
        }
        if self.flags & FLAG_STREAM != 0 {
            let (window, rest) = options.split_at_checked(WINDOW_BYTES as usize)?;
            draft.window = Some(u32::from_ne_bytes(*window.first_chunk()?));
            options = rest;
        }
        if self.flags & FLAG_REPLAYED != 0 {
            let (taken, rest) = options.split_first_chunk()?;
            draft.replayed = Some(whole(f64::from_ne_bytes(*taken)));
            options = rest;
        }
        if self.flags & FLAG_TRACED != 0 {
            draft.trace = Some(Trace::try_from(options.get(..TRACE_LEN)?).ok()?);
        }
        Some(())
    }
}

/// The kind of a message that JavaScript may send.
#[inline]
fn kind_of(number: u32) -> Option<Kind> {
    Some(match number {
        KIND_REQUEST => Kind::Request,
        KIND_REPLY => Kind::Reply,
        KIND_ERROR => Kind::Error,
        KIND_ONE_WAY => Kind::OneWay,
        KIND_REQUEST_ITEM => Kind::RequestItem,
        KIND_REPLY_ITEM => Kind::ReplyItem,
        _ => return None,
    })
}

#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "a number of bytes or microseconds; what is no such thing becomes one"
)]
fn whole(number: f64) -> u64 {
    number as u64
}
