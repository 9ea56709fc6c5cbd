//! What JavaScript sends: records it has appended to memory of its own.

use std::time::Duration;

use ipc_core::{
    Code, Codec, Draft, Engine, Error, Kind, Lane, LinkId, Result, Sent, TRACE_LEN, Trace,
};

use napi::sys;

use crate::binding::Inner;
use crate::memory::{Memory, Payload};
use crate::records::kind::{
    KIND_ERROR, KIND_ONE_WAY, KIND_REPLY, KIND_REPLY_ITEM, KIND_REQUEST, KIND_REQUEST_ITEM,
};
use crate::records::order::{ORDER_CONSUMED, ORDER_END};
use crate::records::out::{
    OUT_CODE, OUT_HEAD, OUT_ID, OUT_LEN, OUT_LINK, OUT_PAYLOAD_LEN, OUT_TIMEOUT, OUT_WINDOW,
    OUT_WORDS,
};
use crate::records::state::{STATE_DROPPED, STATE_REFUSED, STATE_USED};
use crate::records::{COMPRESS, FLAG_OUTSIDE, FLAG_TRACED, TRACE_BYTES};

const RECORD_LEN: usize = OUT_WORDS as usize * 4;

/// Payloads at least this long are not copied before there is room for them, if the sender waits
/// for the outcome: a shorter copy takes no time worth saving.
const DEFERRED_LEN_MIN: usize = 1 << 20;

/// A payload that lies in an array of its own.
pub struct Outside<'a> {
    pub bytes: &'a [u8],
    pub array: sys::napi_value,
}

/// Sends the records in the outbox; the payload of the last may be `outside`. What cannot be sent
/// is reported through the inbox, so that every request ends.
pub fn submit(env: sys::napi_env, inner: &mut Inner, outside: Option<&Outside<'_>>) -> Result<()> {
    let Inner { engine, inbox, outbox, state, .. } = inner;
    let used = state.word(STATE_USED as usize) as usize;
    if used == 0 {
        return Ok(());
    }
    state.set_word(STATE_USED as usize, 0);
    let mut rest = outbox.bytes(0, used);
    while !rest.is_empty() {
        let Some((record, behind)) = Record::take(rest) else {
            let at = used - rest.len();
            return Err(Error::new(Code::Internal, format!("no record at {at} of the outbox")));
        };
        rest = behind;
        if record.is_order() {
            record.obey(engine);
            continue;
        }
        let is_outside = record.flags & FLAG_OUTSIDE != 0;
        let payload =
            if is_outside { outside.map(|array| array.bytes) } else { Some(record.payload) };
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
            .and_then(|outside| Payload::keep(env, outside.array));
        let sent = match lent {
            Some(payload) => engine.send_deferred(record.link, &draft, Box::new(payload)),
            None => engine.send(record.link, &draft, payload),
        };
        match sent {
            Ok(Sent::Queued) => inbox.is_queued(engine, record.link, draft.lane),
            Ok(Sent::Dropped) if awaited => {
                inbox.sent(record.link, draft.id, Some(&Error::dropped()));
            }
            Ok(Sent::Dropped) => count(state, STATE_DROPPED),
            Ok(_) if awaited => inbox.sent(record.link, draft.id, None),
            Ok(_) => rest = send_alike(engine, &record, &draft, rest),
            Err(error) if awaited => inbox.sent(record.link, draft.id, Some(&error)),
            Err(error) if error.code() == Code::Full && draft.kind == Kind::OneWay => {
                count(state, STATE_REFUSED);
            }
            // A reply that cannot be sent needs no report: the caller's request ends by itself.
            Err(_) if matches!(draft.kind, Kind::Reply | Kind::Error | Kind::ReplyItem) => {}
            // Nor does a message lost with its connection: an event for that follows.
            Err(error) if draft.kind == Kind::OneWay && is_end(&error) => {}
            Err(error) => inbox.refused(record.link, draft.id, &error),
        }
    }
    engine.flush();
    Ok(())
}

/// Sends the records that differ from the one before them in nothing but their payload, as long as
/// that takes no more than writing them. Returns what is left.
#[inline]
fn send_alike<'a>(
    engine: &mut Engine,
    first: &Record<'_>,
    draft: &Draft,
    mut rest: &'a [u8],
) -> &'a [u8] {
    // Requests and answers, each of which has an id of its own, end here.
    if first.flags != 0 || first.payload_alike(rest).is_none() {
        return rest;
    }
    let Some(mut run) = engine.run(first.link, draft) else { return rest };
    while let Some((payload, behind)) = first.payload_alike(rest) {
        if !run.push(payload) {
            break;
        }
        rest = behind;
    }
    rest
}

fn count(state: &Memory, word: u32) {
    let at = word as usize;
    state.set_word(at, state.word(at).wrapping_add(1));
}

fn is_end(error: &Error) -> bool {
    matches!(error.code(), Code::Closed | Code::PeerLost)
}

struct Record<'a> {
    link: LinkId,
    head: u32,
    flags: u32,
    /// The code of a message, or the kind of the items an order is about.
    code_or_item: u32,
    id: u64,
    window: u32,
    /// The timeout of a message, or the count of an order.
    timeout_or_count: f64,
    trace: Option<&'a [u8]>,
    payload: &'a [u8],
}

impl<'a> Record<'a> {
    /// The first record of `bytes`, and what comes behind it.
    #[inline]
    fn take(bytes: &'a [u8]) -> Option<(Self, &'a [u8])> {
        let word = |index: u32| {
            let at = index as usize * 4;
            Some(u32::from_ne_bytes(bytes.get(at..at + 4)?.try_into().ok()?))
        };
        let wide = |index: u32| {
            let at = index as usize * 4;
            Some(u64::from_ne_bytes(bytes.get(at..at + 8)?.try_into().ok()?))
        };
        let (record, behind) = bytes.split_at_checked(word(OUT_LEN)? as usize)?;
        let head = word(OUT_HEAD)?;
        let flags = head >> 24;
        let mut body = record.get(RECORD_LEN..)?;
        let mut trace = None;
        if flags & FLAG_TRACED != 0 {
            let (context, rest) = body.split_at_checked(TRACE_BYTES as usize)?;
            (trace, body) = (Some(context), rest);
        }
        let payload = if flags & FLAG_OUTSIDE != 0 {
            &[][..]
        } else {
            body.get(..word(OUT_PAYLOAD_LEN)? as usize)?
        };
        let this = Self {
            link: LinkId(word(OUT_LINK)?),
            head,
            flags,
            code_or_item: word(OUT_CODE)?,
            id: wide(OUT_ID)?,
            window: word(OUT_WINDOW)?,
            timeout_or_count: f64::from_bits(wide(OUT_TIMEOUT)?),
            trace,
            payload,
        };
        Some((this, behind))
    }

    /// The payload of the first record of `bytes`, if in all else it is like this one, which has no
    /// flags; and what comes behind it.
    #[inline]
    fn payload_alike<'b>(&self, bytes: &'b [u8]) -> Option<(&'b [u8], &'b [u8])> {
        let (fixed, _) = bytes.split_first_chunk::<RECORD_LEN>()?;
        let word = |index: u32| {
            let at = index as usize * 4;
            u32::from_ne_bytes([fixed[at], fixed[at + 1], fixed[at + 2], fixed[at + 3]])
        };
        let is_alike = word(OUT_LINK) == self.link.0
            && word(OUT_HEAD) == self.head
            && word(OUT_CODE) == self.code_or_item
            && (u64::from(word(OUT_ID + 1)) << 32 | u64::from(word(OUT_ID))) == self.id;
        if !is_alike {
            return None;
        }
        let (record, behind) = bytes.split_at_checked(word(OUT_LEN) as usize)?;
        let payload = record.get(RECORD_LEN..RECORD_LEN + word(OUT_PAYLOAD_LEN) as usize)?;
        Some((payload, behind))
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
                let (item, count) = (self.code_or_item, self.timeout_or_count);
                let kind = kind_of(item).unwrap_or(Kind::ReplyItem);
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
        let timeout = (kind == Kind::Request && self.timeout_or_count > 0.0)
            .then(|| Duration::try_from_secs_f64(self.timeout_or_count / 1e3).ok())
            .flatten();
        let trace = match self.trace {
            Some(context) => Some(Trace::try_from(context.get(..TRACE_LEN)?).ok()?),
            None => None,
        };
        Some(Draft {
            kind,
            lane: Lane::from_number(lane)?,
            codec: Codec::from_bits(codec & 3),
            code: self.code_or_item,
            id: self.id,
            timeout,
            trace,
            window: (self.window != 0).then_some(self.window),
            compress: u32::from(codec) & COMPRESS != 0,
        })
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
    reason = "a number of bytes; what is no such thing becomes one"
)]
fn whole(bytes: f64) -> u64 {
    bytes as u64
}
