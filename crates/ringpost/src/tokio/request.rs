//! What a handler is called with.

use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Draft, LinkId, Message, Peer, RemoteError, Result, Sent};

use super::asking::Line;
use super::call::Call;
use super::groups::To;
use super::job::{Cancelled, Job};
use super::shared::Shared;
use super::stream::Streaming;
use crate::api::{CallOptions, FlowKey, item_draft, not_a_stream};

/// A request or one-way message of a peer.
///
/// ```
/// # use ringpost::tokio::{Handlers, Request};
/// # use ringpost::Reply;
/// let handlers = Handlers::new().handle("whoami", |request: Request| async move {
///     Ok(Reply::bytes(format!("process {}", request.peer.pid)))
/// });
/// ```
#[non_exhaustive]
pub struct Request {
    /// What was sent.
    pub payload: Vec<u8>,
    /// Everything else about it.
    pub message: Message,
    /// The connection it came on.
    pub link: LinkId,
    /// The process it came from.
    pub peer: Arc<Peer>,
    cancellation: Cancellation,
    timeout: Duration,
    stream: Option<Streaming>,
}

impl Request {
    pub(super) fn new(job: Job, shared: Arc<Shared>, timeout: Duration) -> Self {
        let Job { payload, message, link, peer, cancelled, .. } = job;
        let stream = message.window.map(|_| {
            let key = FlowKey::Served(link, message.id);
            let draft = item_draft(&Draft::reply(&message, message.codec), key);
            Streaming::new(Arc::clone(&shared), key, draft)
        });
        let cancellation = Cancellation { cancelled, shared, link };
        Self { payload, message, link, peer, cancellation, timeout, stream }
    }

    fn line(&self) -> Line<'_> {
        let (shared, to) = (&self.cancellation.shared, To::Link(self.link));
        Line { shared, to, timeout: self.timeout }
    }

    /// How long the caller will go on waiting; `None`: without end.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// if request.remaining().is_some_and(|left| left.is_zero()) {
    ///     return Ok(()); // too late to begin
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.message.deadline.remaining()
    }

    /// Whether the caller has sent this request before, on a session that was lost: a handler of
    /// this or another process may have worked on it.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # fn example(request: &Request) {
    /// if request.replayed() {
    ///     println!("looks up whether it was done already");
    /// }
    /// # }
    /// ```
    pub fn replayed(&self) -> bool {
        self.message.replayed.is_some()
    }

    /// Of a stream that was sent before, how many items the caller has received on sessions that
    /// were lost: they are not sent again. 0 of any other.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # fn example(request: &Request, lines: &[String]) {
    /// for line in lines.iter().skip(request.items_taken() as usize) {
    ///     println!("sends {line}");
    /// }
    /// # }
    /// ```
    pub fn items_taken(&self) -> u64 {
        self.message.replayed.unwrap_or(0)
    }

    /// The options of a request that is made to answer this one: it has no more time than this has
    /// left, and carries the same trace context.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// let options = request.within(&CallOptions::new());
    /// let reply = request.request("name", b"", &options).await?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, options: &CallOptions) -> CallOptions {
        options.within(self.remaining(), self.message.trace)
    }

    /// Whether the answer is not needed any more, because the caller has cancelled, has waited long
    /// enough, or is gone; for a one-way message, whether this side has closed the connection.
    ///
    /// The handler's future is dropped then, at the place where it waits; this is for work that
    /// does not wait, and for what the handler has started elsewhere. It costs little and looks at
    /// shared memory itself, so that a handler that never waits sees a cancel too.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// for part in 0..1000 {
    ///     if request.is_cancelled() {
    ///         return Ok(());
    ///     }
    ///     // ... compute a part
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_cancelled(&self) -> bool {
        self.cancellation.is_cancelled()
    }

    /// Waits until [`Self::is_cancelled`].
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// request.cancelled().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn cancelled(&self) {
        self.cancellation.cancelled().await;
    }

    /// The same for other tasks and threads.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// let cancellation = request.cancellation();
    /// std::thread::spawn(move || {
    ///     while !cancellation.is_cancelled() {
    ///         // ... compute a part
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn cancellation(&self) -> Cancellation {
        self.cancellation.clone()
    }

    /// The items of a request that is a stream, once. The error, for a request that is none, is
    /// meant for the caller.
    ///
    /// ```
    /// # use ringpost::tokio::Handlers;
    /// # use ringpost::Reply;
    /// let handlers = Handlers::new().handle("upload", |mut request| async move {
    ///     let items = request.take_stream()?;
    ///     while let Some(item) = items.next().await? {
    ///         println!("{} bytes", item.payload.len());
    ///     }
    ///     Ok(Reply::default())
    /// });
    /// ```
    pub fn take_stream(&mut self) -> Result<Streaming, RemoteError> {
        self.stream.take().ok_or_else(not_a_stream)
    }

    /// Sends the peer a one-way message without waiting.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// request.notify("progress", b"50", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.line().notify(event, payload, options)
    }

    /// As [`Self::notify`], and waits until the message is being written.
    /// [`Code::Full`](crate::Code::Full): its lane has dropped it.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// request.send("progress", b"50", &CallOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        self.line().send(event, payload, options).await
    }

    /// Sends the peer a request with items in either direction.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// let items = request.stream("count", b"", &CallOptions::new())?;
    /// while let Some(item) = items.next().await? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        self.line().stream(method, payload, options)
    }

    /// Sends the peer a request.
    ///
    /// ```
    /// # use ringpost::tokio::Request;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(mut request: Request) -> Result<()> {
    /// let reply = request.request("name", b"", &CallOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(&self, method: &str, payload: &[u8], options: &CallOptions) -> Call {
        self.line().request(method, payload, options)
    }
}

/// Whether the outcome of a handler is not needed any more; see [`Request::is_cancelled`].
///
/// ```
/// # use ringpost::tokio::Request;
/// # async fn example(request: Request) {
/// let cancellation = request.cancellation();
/// let work = tokio::task::spawn_blocking(move || {
///     (0..1_000_000_u64).take_while(|_| !cancellation.is_cancelled()).sum::<u64>()
/// });
/// # }
/// ```
#[derive(Clone)]
pub struct Cancellation {
    cancelled: Cancelled,
    /// Where a cancel of the peer may lie unread.
    shared: Arc<Shared>,
    link: LinkId,
}

impl Cancellation {
    /// Whether it is so, as of now: a cancel is seen even while the runtime has no time to read it.
    pub fn is_cancelled(&self) -> bool {
        self.cancelled.is_set() || self.shared.read_cancels(self.link) && self.cancelled.is_set()
    }

    /// Waits until it is so.
    pub async fn cancelled(&self) {
        self.cancelled.wait().await;
    }
}

impl std::fmt::Debug for Request {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let Self { payload, message, link, .. } = self;
        let mut shown = f.debug_struct("Request");
        shown.field("payload", payload).field("message", message).field("link", link);
        shown.finish_non_exhaustive()
    }
}

impl std::fmt::Debug for Cancellation {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Cancellation").field(&self.cancelled.is_set()).finish()
    }
}
