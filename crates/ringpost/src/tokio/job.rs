//! A message of a peer on its way through its handler.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Poll, Waker};

use ::tokio::sync::Notify;
use ipc_core::{LinkId, Message, Peer, RemoteError};

use super::spans::{Name, Span};
use crate::api::{Reply, panicked};

pub(super) type Handling = Pin<Box<dyn Future<Output = Result<Reply, RemoteError>> + Send>>;
/// A handler that is bound to the engine its messages come from.
pub(super) type Handler = Arc<dyn Fn(Job) -> Handling + Send + Sync>;

/// A message and the handler it is for.
pub(super) struct Job {
    pub handler: Handler,
    pub name: Name,
    pub payload: Vec<u8>,
    pub message: Message,
    pub link: LinkId,
    pub peer: Arc<Peer>,
    pub cancelled: Cancelled,
}

impl Job {
    /// Runs the handler to its end; `None`: it was cancelled before that.
    pub async fn run(self) -> Option<Result<Reply, RemoteError>> {
        let cancelled = self.cancelled.clone();
        let span = Span::of_handler(&self.name, &self.message);
        let handler = Arc::clone(&self.handler);
        let mut handling = handler(self);
        ::tokio::select! {
            biased;
            outcome = poll_fn(|context| {
                let poll = || span.within(|| handling.as_mut().poll(context));
                let poll = catch_unwind(AssertUnwindSafe(poll));
                poll.unwrap_or_else(|_| Poll::Ready(Err(panicked())))
            }) => {
                span.handled(&outcome);
                Some(outcome)
            }
            () = cancelled.wait() => None,
        }
    }
}

/// Whether the outcome of a job is not needed any more. Once set it stays so.
#[derive(Clone, Default)]
pub(super) struct Cancelled(Arc<Flag>);

#[derive(Default)]
struct Flag {
    is_set: AtomicBool,
    set: Notify,
}

impl Cancelled {
    pub fn is_set(&self) -> bool {
        self.0.is_set.load(Ordering::Acquire)
    }

    pub fn set(&self) {
        self.0.is_set.store(true, Ordering::Release);
        self.0.set.notify_waiters();
    }

    pub async fn wait(&self) {
        // Created before the check, so that a set between the two is not missed.
        let set = self.0.set.notified();
        if !self.is_set() {
            set.await;
        }
    }
}

/// What is to be done when the lock has been released.
#[derive(Default)]
pub(super) struct After {
    pub requests: Vec<Job>,
    pub events: Vec<LinkId>,
    pub wakers: Vec<Waker>,
    pub cancelled: Vec<Cancelled>,
    /// Handlers that are called no more, and may hold handles.
    pub discarded: Vec<Handler>,
}
