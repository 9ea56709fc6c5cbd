//! An asynchronous server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{
    EngineStats, Error, LinkId, LinkStats, ListenOptions, Options, Peer, RemoteError, Result, Sent,
};

use super::call::Call;
use super::handler::{Handlers, erase, erase_listener};
use super::request::Request;
use super::shared::Owner;
use super::stream::Streaming;
use crate::api::{ApiOptions, CallOptions, Change, Reply, Subscription};

/// A server, shared by as many tasks and threads as have a clone of it. It is closed, with all its
/// connections, when the last clone is dropped.
#[derive(Clone)]
pub struct Server(Arc<Owner>);

impl Server {
    /// Takes the name and listens. A client that comes before its method has a handler is told that
    /// there is none; [`Self::bind_with`] has them in place first.
    pub async fn bind(name: &str, options: &Options, api: ApiOptions) -> Result<Self> {
        Self::bind_with(name, options, &ListenOptions::default(), api, Handlers::new()).await
    }

    /// The same with limits of its own for clients that come, and with handlers that are in place
    /// before the first is let in.
    // Nothing in it waits, but it needs the runtime it is called in, as everything asynchronous does.
    #[expect(clippy::unused_async, reason = "so that it is only called where a runtime is")]
    pub async fn bind_with(
        name: &str,
        options: &Options,
        listen: &ListenOptions,
        api: ApiOptions,
        handlers: Handlers,
    ) -> Result<Self> {
        let (owner, ()) = Owner::start(api, handlers, |state| {
            state.listener = Some(state.engine.listen(name, options, listen)?);
            Ok(())
        })?;
        Ok(Self(Arc::new(owner)))
    }

    /// Calls `handler` for each request or one-way message of that name that comes from now on.
    pub fn handle<H, F>(&self, name: &str, handler: H)
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
    {
        self.0.0.handle(name, erase(handler));
    }

    /// Lets the other side send requests and one-way messages of this name compressed: what it takes to
    /// unpack them is up to 64 times what their author has put in.
    pub fn accept_compressed(&self, name: &str) {
        self.0.0.with(|state| state.dispatcher.router.accept_packed(name));
    }

    /// Calls `listener` for each one-way message of that name from now on, beside whatever else is
    /// called for it, one after the other.
    pub fn on<L, F>(&self, event: &str, listener: L) -> Subscription
    where
        L: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.0.listen(event, false, erase_listener(listener))
    }

    /// The same for the next one only.
    pub fn once<L, F>(&self, event: &str, listener: L) -> Subscription
    where
        L: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.0.listen(event, true, erase_listener(listener))
    }

    /// Ends what [`Self::on`] or [`Self::once`] began; twice does nothing.
    pub fn off(&self, subscription: Subscription) {
        self.0.0.stop_listening(subscription);
    }

    /// Waits for the next connection that comes or goes, or for the loss of the name; `None` when the
    /// server is closed. Each
    /// change is told once, whoever asks, and a connection that goes before anybody was told that it
    /// had come is not told of.
    pub async fn next_change(&self) -> Option<Change> {
        let change = self.0.0.until(|state| match state.dispatcher.changes.next() {
            Some(change) => Some(Some(change)),
            None => state.over.then_some(None),
        });
        change.await
    }

    /// Asks a client. The request is on its way when this returns; awaiting the call gives its
    /// outcome, and dropping the call cancels it.
    pub fn request(
        &self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Call {
        self.0.0.request(link, method, payload, options)
    }

    /// Asks a client for a stream: a request with items, in either direction.
    pub fn stream(
        &self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming> {
        self.0.0.stream(link, method, payload, options)
    }

    /// Sends a client a message nobody answers.
    pub fn notify(
        &self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Sent> {
        self.0.0.notify(link, event, payload, options)
    }

    /// The same, and waits until the message is being written. [`Code::Full`](crate::Code::Full): its
    /// lane has dropped it.
    pub async fn send(
        &self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<()> {
        self.0.0.send(link, event, payload, options).await
    }

    /// Who is connected.
    pub fn peers(&self) -> Vec<(LinkId, Peer)> {
        self.0.0.with(|state| {
            let links = state.engine.links().into_iter();
            links.filter_map(|link| Some((link, state.engine.peer(link)?.clone()))).collect()
        })
    }

    /// Sends some clients, or all [`Self::peers`], a message nobody answers. Returns those it could not
    /// be sent to, and why.
    pub fn notify_each(
        &self,
        links: impl IntoIterator<Item = LinkId>,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Vec<(LinkId, Error)> {
        let send = |link| self.0.0.notify(link, event, payload, options).err().map(|e| (link, e));
        links.into_iter().filter_map(send).collect()
    }

    /// Waits until nothing waits for room towards a client any more.
    pub async fn drain(&self, link: LinkId, timeout: Duration) -> Result<()> {
        self.0.0.drain(link, timeout).await
    }

    /// What a connection has counted; `None` when it is over.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.0.0.with(|state| state.engine.link_stats(link))
    }

    /// What the engine has counted.
    pub fn stats(&self) -> EngineStats {
        self.0.0.with(|state| state.engine.stats())
    }

    /// One-way messages of clients nobody handled.
    pub fn unhandled(&self) -> u64 {
        self.0.0.with(|state| state.dispatcher.unhandled)
    }

    /// Closes a connection in good order; when it is over, that is a change.
    pub fn disconnect(&self, link: LinkId) {
        self.0.0.disconnect(link);
    }

    /// Stops accepting; connections stay.
    pub fn close_listener(&self) {
        self.0.0.with(|state| {
            if let Some(listener) = state.listener.take() {
                state.engine.close_listener(listener);
            }
        });
    }

    /// Closes all connections in good order, for all clones, and waits until what waited for room is
    /// written, or a second is over. Handlers that are at work are dropped.
    pub async fn close(&self) {
        self.0.0.close().await;
    }
}
