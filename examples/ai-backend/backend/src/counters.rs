//! What the backend has done.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, AtomicUsize, Ordering::Relaxed};
use std::time::Instant;

use ringpost::{Code, RemoteError};

use crate::contract::Usage;

pub struct Counters {
    since: Instant,
    /// Windows that are connected.
    pub editors: AtomicUsize,
    answered: AtomicU64,
    cancelled: AtomicU64,
    failed: AtomicU64,
    tokens: AtomicU64,
    /// That editors have waited, all together.
    micros: AtomicU64,
    /// How often one has waited.
    waits: AtomicU64,
}

impl Counters {
    pub fn new() -> Arc<Self> {
        let none = AtomicU64::default;
        Arc::new(Self {
            since: Instant::now(),
            editors: AtomicUsize::default(),
            answered: none(),
            cancelled: none(),
            failed: none(),
            tokens: none(),
            micros: none(),
            waits: none(),
        })
    }

    /// A request begins.
    pub fn begin(self: &Arc<Self>) -> Running {
        let counters = Arc::clone(self);
        Running { counters, begun: Instant::now(), has_answered: false, is_over: false }
    }

    #[allow(clippy::cast_precision_loss, reason = "they are for people")]
    pub fn usage(&self, backend: &str) -> Usage {
        let [answered, cancelled, failed, tokens, micros, waits] = [
            &self.answered,
            &self.cancelled,
            &self.failed,
            &self.tokens,
            &self.micros,
            &self.waits,
        ]
        .map(|counter| counter.load(Relaxed));
        let uptime_seconds = self.since.elapsed().as_secs_f64();
        let requests = answered + cancelled + failed;
        Usage {
            pid: std::process::id(),
            backend: backend.into(),
            uptime_seconds,
            editors: self.editors.load(Relaxed),
            requests,
            cancelled,
            failed,
            tokens,
            mean_micros: micros as f64 / waits.max(1) as f64,
            requests_per_second: requests as f64 / uptime_seconds,
        }
    }
}

/// A request. Dropped before its end, it was cancelled.
pub struct Running {
    counters: Arc<Counters>,
    begun: Instant,
    has_answered: bool,
    is_over: bool,
}

impl Running {
    /// A token is out. The first one is what somebody has waited for.
    pub fn token(&mut self) {
        self.counters.tokens.fetch_add(1, Relaxed);
        self.answered();
    }

    /// It has an outcome, which may be that there is no one any more to send tokens to.
    pub fn end<T>(mut self, outcome: Result<T, RemoteError>) -> Result<T, RemoteError> {
        match &outcome {
            Ok(_) => {
                self.is_over = true;
                self.answered();
                self.counters.answered.fetch_add(1, Relaxed);
            }
            Err(error) if error.code.as_deref() == Some(Code::Cancelled.as_str()) => {}
            Err(_) => {
                self.is_over = true;
                self.counters.failed.fetch_add(1, Relaxed);
            }
        }
        outcome
    }

    fn answered(&mut self) {
        if std::mem::replace(&mut self.has_answered, true) {
            return;
        }
        let micros = u64::try_from(self.begun.elapsed().as_micros()).unwrap_or(u64::MAX);
        self.counters.micros.fetch_add(micros, Relaxed);
        self.counters.waits.fetch_add(1, Relaxed);
    }
}

impl Drop for Running {
    fn drop(&mut self) {
        if !self.is_over {
            self.counters.cancelled.fetch_add(1, Relaxed);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_request_has_one_outcome() {
        let counters = Counters::new();
        let failed = |code: &str| Err::<(), _>(RemoteError::new(code, "why"));
        let _ = counters.begin().end(Ok(()));
        let _ = counters.begin().end(failed("ERR_MODEL"));
        let _ = counters.begin().end(failed("ERR_CANCELLED"));
        let mut chat = counters.begin();
        chat.token();
        chat.token();
        drop(chat);
        let Usage { requests, cancelled, failed, tokens, .. } = counters.usage("1");
        assert_eq!((requests, cancelled, failed, tokens), (4, 2, 1, 2));
        // Who was answered: the first, and the chat with its first token.
        assert_eq!(counters.waits.load(Relaxed), 2);
    }
}
