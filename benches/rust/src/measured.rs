//! The loops. All of them are compiled anew for each transport: a call through a table for every
//! message would be a good part of what a ring takes.

use std::hint::black_box;
use std::ops::Range;
use std::thread;
use std::time::{Duration, Instant};

use serde_json::Value;

use crate::adapter::{Channel, Result};
use crate::commands::{Latency, OpenLoop, Rate};
use crate::payload::{COMPARED_EVERY, different, stamp, touch};
use crate::spans::Spans;

/// A channel as the worker sees it, which does not know the transport. Every [`Channel`] is one.
pub trait Measured {
    /// One round trip, and how long it took.
    fn ask(&mut self, payload: &[u8]) -> Result<Duration>;

    /// Round trips one after the other, for so long.
    fn latency(&mut self, size: usize, span: Duration, pause: Duration) -> Result<Latency>;

    /// Round trips at a rate a second, each timed from when it should have been sent.
    fn open_loop(&mut self, size: usize, span: Duration, rate: f64) -> Result<OpenLoop>;

    /// So many requests in flight all the time.
    fn pipelined(&mut self, size: usize, span: Duration, in_flight: usize) -> Result<Rate>;

    /// Messages without answers, timed until the other side has read the last one.
    fn one_way(&mut self, size: usize, until: Until) -> Result<Rate>;

    /// Items of streams from the other side.
    fn stream(&mut self, size: usize, span: Duration) -> Result<Rate>;

    /// See [`Channel::describe`].
    fn describe(&self) -> Value;

    /// See [`Channel::close`].
    fn close(self: Box<Self>) -> Result<()>;
}

impl<C: Channel> Measured for C {
    fn ask(&mut self, payload: &[u8]) -> Result<Duration> {
        let start = Instant::now();
        let mut span = Duration::ZERO;
        self.request(payload, |answer| {
            span = start.elapsed();
            touch(answer);
        })?;
        Ok(span)
    }

    fn latency(&mut self, size: usize, span: Duration, pause: Duration) -> Result<Latency> {
        let mut asking = Asking::new(size);
        let end = Instant::now() + span;
        loop {
            let start = Instant::now();
            if start >= end {
                return Ok(asking.spans.latency());
            }
            asking.ask(self, None)?;
            if !pause.is_zero() {
                thread::sleep(pause);
            }
        }
    }

    /// The times to send at are laid out in advance: a round trip that begins too late is late, and
    /// so are those that wait behind it. There is one request at a time, so being late adds up.
    fn open_loop(&mut self, size: usize, span: Duration, rate: f64) -> Result<OpenLoop> {
        let mut asking = Asking::new(size);
        let wanted = (rate * span.as_secs_f64()).round().max(1.0);
        let start = Instant::now();
        // A transport that cannot keep up is not awaited forever.
        let deadline = start + 2 * span + Duration::from_secs(1);
        let mut answered = 0.0;
        while answered < wanted && Instant::now() < deadline {
            let due = start + Duration::from_secs_f64(answered / rate);
            // No timer is as precise as the times to send at.
            while Instant::now() < due {
                thread::yield_now();
            }
            asking.ask(self, Some(due))?;
            answered += 1.0;
        }
        let per_second = answered / start.elapsed().as_secs_f64();
        Ok(OpenLoop { latency: asking.spans.latency(), per_second })
    }

    fn pipelined(&mut self, size: usize, span: Duration, in_flight: usize) -> Result<Rate> {
        let mut messages = Messages::new(size, Until::Elapsed(span));
        let mut expected = vec![0; size];
        let (mut answered, mut same) = (0, true);
        Channel::pipelined(self, &mut messages, in_flight.max(1), |answer| {
            touch(answer);
            if u64::is_multiple_of(answered, COMPARED_EVERY) {
                stamp(&mut expected, answered);
                same &= answer == expected;
            }
            answered += 1;
        })?;
        if !same {
            return Err(different(size).into());
        }
        Ok(messages.rate(answered))
    }

    fn one_way(&mut self, size: usize, until: Until) -> Result<Rate> {
        let mut messages = Messages::new(size, until);
        self.send_all(&mut messages)?;
        Ok(messages.rate(messages.sent))
    }

    fn stream(&mut self, size: usize, span: Duration) -> Result<Rate> {
        let each = (STREAM_LEN / size.max(1) as u64).clamp(64, STREAM_ITEMS);
        let mut messages = Messages::new(size, Until::Elapsed(span));
        let (mut expected, mut count, mut same) = (vec![0; size], 0, true);
        while messages.start.elapsed() < span {
            let mut number = 0;
            self.download(each, size, |item| {
                touch(item);
                if u64::is_multiple_of(number, COMPARED_EVERY) {
                    stamp(&mut expected, number);
                    same &= item == expected;
                }
                number += 1;
            })?;
            if !same || number != each {
                return Err(different(size).into());
            }
            count += each;
        }
        messages.sent = count;
        Ok(messages.rate(count))
    }

    fn describe(&self) -> Value {
        Channel::describe(self)
    }

    fn close(self: Box<Self>) -> Result<()> {
        Channel::close(*self)
    }
}

/// What one stream under measurement has at most.
const STREAM_ITEMS: u64 = 50_000;
const STREAM_LEN: u64 = 64 << 20;

/// What is written to in turn when memory is copied: as much as the normal lane of a connection
/// has.
const COPIED_LEN: usize = 2 << 20;

/// How fast this processor copies memory it has just written: what a ring does once on either side.
pub(crate) fn memcpy(size: usize, span: Duration) -> Rate {
    let mut messages = Messages::new(size, Until::Elapsed(span));
    let mut to = vec![0; COPIED_LEN.max(size)];
    let mut at = 0;
    while let Some(payload) = messages.next() {
        at = if at + 2 * size > to.len() { 0 } else { at + size };
        black_box(&mut to[at..at + size]).copy_from_slice(black_box(payload));
    }
    messages.rate(messages.sent)
}

/// Round trips that are timed and checked.
struct Asking {
    payload: Vec<u8>,
    number: u64,
    spans: Spans,
}

impl Asking {
    fn new(size: usize) -> Self {
        Self { payload: vec![0; size], number: 0, spans: Spans::new() }
    }

    /// Timed from now, or from when it was `due`.
    #[inline]
    fn ask(&mut self, channel: &mut impl Channel, due: Option<Instant>) -> Result<()> {
        let Self { payload, number, spans } = self;
        stamp(payload, *number);
        let compared = number.is_multiple_of(COMPARED_EVERY);
        *number += 1;
        let mut same = true;
        let start = due.unwrap_or_else(Instant::now);
        channel.request(payload, |answer| {
            spans.record(start.elapsed());
            touch(answer);
            same = !compared || answer == *payload;
        })?;
        if same { Ok(()) } else { Err(different(payload.len()).into()) }
    }
}

/// When there are no more messages.
#[derive(Clone, Copy, Debug)]
pub enum Until {
    /// So long after the first.
    Elapsed(Duration),
    /// After so many.
    Sent(u64),
}

/// Bytes or messages after which the clock is read: of short messages many, because reading it
/// costs as much as some of them, and of long ones few, because they take so long.
const READ_EVERY_LEN: u64 = 1 << 20;
const READ_EVERY_MAX: u64 = 1024;

/// Messages to send, numbered from 0, each as it is needed.
pub struct Messages {
    payload: Vec<u8>,
    sent: u64,
    /// How many may be sent before the clock is read again.
    granted: u64,
    until: Until,
    start: Instant,
}

impl Messages {
    pub(crate) fn new(size: usize, until: Until) -> Self {
        Self { payload: vec![0; size], sent: 0, granted: 0, until, start: Instant::now() }
    }

    /// How long each of them is.
    pub fn size(&self) -> usize {
        self.payload.len()
    }

    /// The next one, or none any more.
    #[expect(clippy::should_implement_trait, reason = "each is lent until the next is asked for")]
    #[inline]
    pub fn next(&mut self) -> Option<&[u8]> {
        if self.sent == self.granted && !self.grant() {
            return None;
        }
        stamp(&mut self.payload, self.sent);
        self.sent += 1;
        Some(&self.payload)
    }

    /// The numbers of the next ones, so many at most, for a transport that writes messages where
    /// they are to lie: the number as [`Self::next`] does, and zeros behind it. None: there are no
    /// more.
    #[inline]
    pub fn next_numbers(&mut self, most: u64) -> Range<u64> {
        let start = self.sent;
        if start < self.granted || self.grant() {
            self.sent = self.granted.min(start + most);
        }
        start..self.sent
    }

    /// Whether there are more, and how many.
    #[cold]
    fn grant(&mut self) -> bool {
        self.granted = match self.until {
            Until::Sent(count) => count,
            Until::Elapsed(span) if self.start.elapsed() < span => {
                let fitting = READ_EVERY_LEN / self.payload.len().max(1) as u64;
                self.sent + fitting.clamp(1, READ_EVERY_MAX)
            }
            Until::Elapsed(_) => self.sent,
        };
        self.sent < self.granted
    }

    #[expect(clippy::cast_precision_loss, reason = "counts of a benchmark are small")]
    fn rate(&self, count: u64) -> Rate {
        let per_second = count as f64 / self.start.elapsed().as_secs_f64();
        Rate { count, per_second, bytes_per_second: per_second * self.payload.len() as f64 }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn messages_are_numbered_and_counted() {
        let mut messages = Messages::new(8, Until::Sent(5));
        for number in 0..3u64 {
            assert_eq!(messages.next().expect("there are more"), number.to_le_bytes());
        }
        assert_eq!(messages.next_numbers(1), 3..4);
        assert_eq!(messages.next_numbers(100), 4..5);
        assert!(messages.next().is_none() && messages.next_numbers(100).is_empty());
        assert_eq!(messages.rate(messages.sent).count, 5);
    }

    #[test]
    fn time_ends_messages_of_any_size() {
        for size in [0, 1, 64, 65_536, 1 << 22] {
            let mut messages = Messages::new(size, Until::Elapsed(Duration::ZERO));
            assert!(messages.next().is_none() && messages.next_numbers(1).is_empty());
        }
    }
}
