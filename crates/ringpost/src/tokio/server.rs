//! An asynchronous server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{EngineStats, Error, LinkId, LinkStats, Peer, RemoteError, Result, Sent};

use super::call::Call;
use super::engine::{Owner, SharedEngine};
use super::handler::{Handlers, erase, erase_listener};
use super::request::Request;
use super::stream::Streaming;
use super::waits::Topic;
use crate::api::{CallOptions, Change, Reply, ServerConfig, Subscription};

/// A server, shared by as many tasks and threads as have a clone of it. It is closed, with all its
/// connections, when the last clone is dropped.
#[derive(Clone)]
pub struct Server(Arc<Owner>);

impl Server {
    /// Takes the name and listens. A client that connects before its method has a handler is refused
    /// the method; [`Self::bind_with`] has handlers in place first.
    pub async fn bind(name: &str, config: &ServerConfig) -> Result<Self> {
        Self::bind_with(name, config, Handlers::new()).await
    }

    /// As [`Self::bind`], with handlers that are in place before the first client is accepted.
    pub async fn bind_with(name: &str, config: &ServerConfig, handlers: Handlers) -> Result<Self> {
        let engine = SharedEngine::new(config.wait_policy)?;
        Self::bind_on(&engine, name, config, handlers).await
    }

    /// As [`Self::bind_with`], on an engine that other clients and servers use too. Its wait policy
    /// takes the place of the server's.
    // Nothing in it waits, but it needs the runtime it is called in, as everything asynchronous does.
    #[expect(clippy::unused_async, reason = "so that it is only called where a runtime is")]
    pub async fn bind_on(
        engine: &SharedEngine,
        name: &str,
        config: &ServerConfig,
        handlers: Handlers,
    ) -> Result<Self> {
        let (owner, ()) = Owner::start(engine, config.timeout, handlers, |state, group| {
            let listener = state.engine.listen(name, &config.options, &config.listen)?;
            state.dispatcher.groups.get(group).listener = Some(listener);
            Ok(())
        })?;
        Ok(Self(Arc::new(owner)))
    }

    #[cfg(feature = "typed")]
    pub(super) fn owner(&self) -> &Owner {
        &self.0
    }

    /// Calls `handler` for each request or one-way message of that name that comes from now on.
    pub fn handle<H, F>(&self, name: &str, handler: H)
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
    {
        self.0.handle(name, erase(handler));
    }

    /// Lets the other side send requests and one-way messages of this name compressed: what it takes to
    /// unpack them is up to 64 times what their author has put in.
    pub fn accept_compressed(&self, name: &str) {
        self.0.accept_compressed(name);
    }

    /// Calls `listener` for each one-way message of that name from now on, beside whatever else is
    /// called for it, one after the other.
    pub fn on<L, F>(&self, event: &str, listener: L) -> Subscription
    where
        L: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.listen(event, false, erase_listener(listener))
    }

    /// The same for the next one only.
    pub fn once<L, F>(&self, event: &str, listener: L) -> Subscription
    where
        L: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.listen(event, true, erase_listener(listener))
    }

    /// Ends what [`Self::on`] or [`Self::once`] began; twice does nothing.
    pub fn off(&self, subscription: Subscription) {
        self.0.stop_listening(subscription);
    }

    /// Waits for the next connection that comes or goes, or for the loss of the name; `None` when the
    /// server is closed. Each
    /// change is told once, whoever asks, and a connection that goes before anybody was told that it
    /// had come is not told of.
    pub async fn next_change(&self) -> Option<Change> {
        let group = self.0.group;
        let change = self.0.shared().until(Topic::Group(group), |state| {
            let found = state.dispatcher.groups.get(group);
            let is_over = found.shut && found.links == 0;
            match found.changes.next() {
                Some(change) => Some(Some(change)),
                None => (is_over || state.over).then_some(None),
            }
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
        self.0.line(link).request(method, payload, options)
    }

    /// Asks a client for a stream: a request with items, in either direction.
    pub fn stream(
        &self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming> {
        self.0.line(link).stream(method, payload, options)
    }

    /// Sends a client a message nobody answers.
    pub fn notify(
        &self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Sent> {
        self.0.line(link).notify(event, payload, options)
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
        self.0.line(link).send(event, payload, options).await
    }

    /// The peers that are connected.
    pub fn peers(&self) -> Vec<(LinkId, Peer)> {
        self.0.shared().with(|state| {
            let links = state.dispatcher.groups.links(self.0.group).into_iter();
            links.filter_map(|link| Some((link, state.engine.peer(link)?.clone()))).collect()
        })
    }

    /// Sends some clients, or all [`Self::peers`], a one-way message. Returns those it could not be
    /// sent to, with the reason.
    pub fn notify_each(
        &self,
        links: impl IntoIterator<Item = LinkId>,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Vec<(LinkId, Error)>> {
        self.0.shared().with(|state| {
            let draft = options.one_way(state.engine.code(event)?);
            let mut send = |link| Some((link, state.engine.send(link, &draft, payload).err()?));
            Ok(links.into_iter().filter_map(&mut send).collect())
        })
    }

    /// Waits until nothing waits for room towards a client any more.
    pub async fn drain(&self, link: LinkId, timeout: Duration) -> Result<()> {
        self.0.shared().drain(link, timeout).await
    }

    /// What a connection has counted; `None` when it is over.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.0.shared().with(|state| state.engine.link_stats(link))
    }

    /// What the engine has counted.
    pub fn engine_stats(&self) -> EngineStats {
        self.0.shared().with(|state| state.engine.stats())
    }

    /// One-way messages of clients nobody handled.
    pub fn unhandled(&self) -> u64 {
        self.0.unhandled()
    }

    /// Closes a connection gracefully and waits until it is over, which is a [`Change`] too.
    pub async fn disconnect(&self, link: LinkId) -> Result<()> {
        self.0.shared().disconnect(link).await;
        Ok(())
    }

    /// Stops accepting; connections stay.
    pub fn close_listener(&self) {
        self.0.shared().with(|state| state.close_listener(self.0.group));
    }

    /// Closes all connections in good order, for all clones, and waits until what waited for room is
    /// written, or a second is over. Handlers that are at work are dropped.
    pub async fn close(&self) {
        self.0.shared().close(self.0.group).await;
    }
}
