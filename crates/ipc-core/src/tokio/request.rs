//! What a handler is called with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::tokio::sync::Notify;

use super::call::Call;
use super::shared::Shared;
use crate::engine::{LinkId, Peer, Sent};
use crate::error::Result;
use crate::face::CallOptions;
use crate::session::Message;
use crate::time::Time;

/// A request or one-way message of a peer.
pub struct Request {
    /// What was sent.
    pub payload: Vec<u8>,
    /// Everything else about it.
    pub message: Message,
    /// The connection it came on.
    pub link: LinkId,
    /// Who sent it.
    pub peer: Arc<Peer>,
    pub(super) cancellation: Cancellation,
    pub(super) shared: Arc<Shared>,
}

impl Request {
    /// How long whoever asked will go on waiting; `None`: for ever.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = self.message.deadline;
        (deadline != Time::NEVER).then(|| deadline.saturating_since(Time::now()))
    }

    /// Whether nobody waits for the answer any more, because whoever asked has cancelled, has waited
    /// long enough, or is gone; for a one-way message, whether this side has closed the connection.
    /// The handler's future is dropped then, at the place where it waits; this is for work that does
    /// not wait, and for what the handler has set going elsewhere.
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Waits until that is so.
    pub async fn cancelled(&self) {
        self.cancellation.cancelled().await;
    }

    /// The same question for other tasks and threads.
    pub fn cancellation(&self) -> Cancellation {
        self.cancellation.clone()
    }

    /// Sends the one who sent this a message nobody answers.
    pub fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.shared.notify(self.link, event, payload, options)
    }

    /// Asks the one who sent this.
    pub fn request(&self, method: &str, payload: &[u8], options: &CallOptions) -> Call {
        self.shared.request(self.link, method, payload, options)
    }
}

/// Tells that nobody needs what is being done any more.
#[derive(Clone, Default)]
pub struct Cancellation(Arc<Cancelled>);

#[derive(Default)]
struct Cancelled {
    is: AtomicBool,
    now: Notify,
}

impl Cancellation {
    /// Whether it is so.
    pub fn is_cancelled(&self) -> bool {
        self.0.is.load(Ordering::Acquire)
    }

    /// Waits until it is so.
    pub async fn cancelled(&self) {
        // Made before the look, so that nothing falls between the two.
        let now = self.0.now.notified();
        if !self.is_cancelled() {
            now.await;
        }
    }

    pub(super) fn cancel(&self) {
        self.0.is.store(true, Ordering::Release);
        self.0.now.notify_waiters();
    }
}
