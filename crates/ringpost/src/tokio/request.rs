//! What a handler is called with.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ::tokio::sync::Notify;
use ipc_core::{Code, LinkId, Message, Peer, RemoteError, Result, Sent, Time};

use super::call::Call;
use super::shared::Shared;
use super::stream::Streaming;
use crate::api::CallOptions;

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
    pub(super) stream: Option<Streaming>,
}

impl Request {
    /// How long whoever asked will go on waiting; `None`: for ever.
    pub fn remaining(&self) -> Option<Duration> {
        let deadline = self.message.deadline;
        (deadline != Time::NEVER).then(|| deadline.saturating_since(Time::now()))
    }

    /// The options of a request that is made to answer this one: it has no more time than this has
    /// left, and carries the same trace context.
    #[must_use]
    pub fn within(&self, options: &CallOptions) -> CallOptions {
        let timeout = match (options.timeout, self.remaining()) {
            (Some(own), Some(left)) => Some(own.min(left)),
            (own, left) => own.or(left),
        };
        CallOptions { timeout, trace: options.trace.or(self.message.trace), ..*options }
    }

    /// Whether nobody waits for the answer any more, because whoever asked has cancelled, has waited
    /// long enough, or is gone; for a one-way message, whether this side has closed the connection.
    /// The handler's future is dropped then, at the place where it waits; this is for work that does
    /// not wait, and for what the handler has set going elsewhere. It looks by itself and costs little,
    /// so that a handler that never waits sees a cancel too.
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

    /// The items of a request that is a stream, once; whoever asked for anything else is to be told so.
    pub fn take_stream(&mut self) -> Result<Streaming, RemoteError> {
        self.stream.take().ok_or_else(|| {
            let message = "this method is a stream, and was called as none";
            RemoteError::new(Code::InvalidArgument.as_str(), message)
        })
    }

    /// Sends the one who sent this a message nobody answers.
    pub fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.shared.notify(self.link, event, payload, options)
    }

    /// The same, and waits until the message is being written. [`Code::Full`](crate::Code::Full): its
    /// lane has dropped it.
    pub async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        self.shared.send(self.link, event, payload, options).await
    }

    /// Asks the one who sent this.
    pub fn request(&self, method: &str, payload: &[u8], options: &CallOptions) -> Call {
        self.shared.request(self.link, method, payload, options)
    }
}

/// Tells that nobody needs what is being done any more.
#[derive(Clone, Default)]
pub struct Cancellation {
    state: Arc<Cancelled>,
    /// Where to look for a word of the peer's that nobody has read yet.
    source: Option<(Arc<Shared>, LinkId)>,
}

#[derive(Default)]
struct Cancelled {
    is: AtomicBool,
    now: Notify,
}

impl Cancellation {
    /// Whether it is so, as of now: a cancel is seen even while the runtime has no time to read it.
    pub fn is_cancelled(&self) -> bool {
        if self.is_known() {
            return true;
        }
        let Some((shared, link)) = &self.source else { return false };
        shared.read_cancels(*link) && self.is_known()
    }

    fn is_known(&self) -> bool {
        self.state.is.load(Ordering::Acquire)
    }

    /// Waits until it is so.
    pub async fn cancelled(&self) {
        // Made before the look, so that nothing falls between the two.
        let now = self.state.now.notified();
        if !self.is_known() {
            now.await;
        }
    }

    pub(super) fn cancel(&self) {
        self.state.is.store(true, Ordering::Release);
        self.state.now.notify_waiters();
    }

    /// The same, which looks by itself.
    pub(super) fn looking(&self, shared: &Arc<Shared>, link: LinkId) -> Self {
        Self { state: Arc::clone(&self.state), source: Some((Arc::clone(shared), link)) }
    }
}
