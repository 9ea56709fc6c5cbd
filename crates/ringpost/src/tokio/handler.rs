//! Handlers, and running them.

use std::future::{Future, poll_fn};
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::pin::Pin;
use std::sync::Arc;
use std::task::Poll;

use ipc_core::{Draft, LinkId, Message, Peer, RemoteError};

use super::request::{Cancellation, Request};
use super::shared::Shared;
use super::stream::Streaming;
use crate::api::{FlowKey, Reply, Router, item_draft, panicked};

pub(super) type Handler = Arc<dyn Fn(Request) -> Handling + Send + Sync>;
type Handling = Pin<Box<dyn Future<Output = Result<Reply, RemoteError>> + Send>>;

/// Handlers by name, to be in place before the first message comes.
pub struct Handlers(pub(super) Router<Handler>);

impl Handlers {
    /// None yet.
    pub fn new() -> Self {
        Self(Router::new())
    }

    /// The same with `handler` for each request or one-way message of that name. For a one-way
    /// message what it returns is dropped.
    #[must_use]
    pub fn handle<H, F>(mut self, name: &str, handler: H) -> Self
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
    {
        self.0.handle(name, erase(handler));
        self
    }

    /// The same, and requests and one-way messages of this name may come compressed: what it takes to
    /// unpack them is up to 64 times what their author has put in.
    #[must_use]
    pub fn accept_compressed(mut self, name: &str) -> Self {
        self.0.accept_packed(name);
        self
    }
}

impl Default for Handlers {
    fn default() -> Self {
        Self::new()
    }
}

/// Forgets what exactly a handler is. It is called when its future is polled first, so that all of
/// it runs where a panic hurts nobody.
pub(super) fn erase<H, F>(handler: H) -> Handler
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Arc::new(move |request| {
        let handler = Arc::clone(&handler);
        Box::pin(async move { handler(request).await })
    })
}

/// The same for one whose outcome nobody is told.
pub(super) fn erase_listener<L, F>(listener: L) -> Handler
where
    L: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = Arc::new(listener);
    erase(move |request| {
        let listener = Arc::clone(&listener);
        async move {
            listener(request).await;
            Ok(Reply::default())
        }
    })
}

/// A message and the handler it is for.
pub(super) struct Job {
    pub handler: Handler,
    pub payload: Vec<u8>,
    pub message: Message,
    pub link: LinkId,
    pub peer: Arc<Peer>,
    pub cancellation: Cancellation,
}

impl Job {
    /// Runs the handler to its end, or until nobody waits for it any more: then `None`.
    pub async fn run(self, shared: &Arc<Shared>) -> Option<Result<Reply, RemoteError>> {
        let Self { handler, payload, message, link, peer, cancellation } = self;
        let stream = message.window.map(|_| {
            let key = FlowKey::served(link, message.id);
            let draft = item_draft(&Draft::reply(&message, message.codec), key);
            Streaming::new(Arc::clone(shared), key, draft)
        });
        if cancellation.is_cancelled() {
            return None;
        }
        let (shared, looking) = (Arc::clone(shared), cancellation.looking(shared, link));
        let request =
            Request { payload, message, link, peer, cancellation: looking, shared, stream };
        let mut handling = handler(request);
        ::tokio::select! {
            biased;
            outcome = poll_fn(|context| {
                let poll = AssertUnwindSafe(|| handling.as_mut().poll(context));
                catch_unwind(poll).unwrap_or_else(|_| Poll::Ready(Err(panicked())))
            }) => Some(outcome),
            () = cancellation.cancelled() => None,
        }
    }

    /// The same for a request, which is answered.
    pub async fn serve(self, shared: Arc<Shared>) {
        let (link, message) = (self.link, self.message);
        if let Some(outcome) = self.run(&shared).await {
            shared
                .with(|state| state.dispatcher.answer(&mut state.engine, link, &message, outcome));
        }
    }
}
