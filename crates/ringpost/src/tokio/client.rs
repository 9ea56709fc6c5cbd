//! An asynchronous client.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{EngineStats, Error, LinkId, LinkStats, Peer, RemoteError, Result, Sent};

use super::asking::Line;
use super::call::Call;
use super::engine::{Owner, SharedEngine};
use super::handler::{Handlers, erase, erase_listener};
use super::request::Request;
use super::stream::Streaming;
use super::waits::Topic;
use crate::api::{CallOptions, Change, ClientConfig, Reply, Subscription, closed_at_once};

/// A connection to a server, shared by as many tasks and threads as have a clone of it. It is closed
/// when the last clone is dropped; what still waits for room is written all the same.
#[derive(Clone)]
pub struct Client(Arc<Connection>);

struct Connection {
    owner: Owner,
    link: LinkId,
    peer: Peer,
}

impl Client {
    /// Connects to the server of that name.
    pub async fn connect(name: &str, config: &ClientConfig) -> Result<Self> {
        Self::connect_with(name, config, Handlers::new()).await
    }

    /// As [`Self::connect`], with handlers that are in place before the server can send anything.
    pub async fn connect_with(
        name: &str,
        config: &ClientConfig,
        handlers: Handlers,
    ) -> Result<Self> {
        let engine = SharedEngine::new(config.wait_policy)?;
        Self::connect_on(&engine, name, config, handlers).await
    }

    /// As [`Self::connect_with`], on an engine that other clients and servers use too. Its wait policy
    /// takes the place of the client's.
    pub async fn connect_on(
        engine: &SharedEngine,
        name: &str,
        config: &ClientConfig,
        handlers: Handlers,
    ) -> Result<Self> {
        let (owner, link) = Owner::start(engine, config.timeout, handlers, |state, group| {
            let link = state.engine.connect(name, &config.options, config.connect_timeout)?;
            state.dispatcher.groups.adopt(link, group);
            Ok(link)
        })?;
        let group = owner.group;
        let connected = owner.shared().until(Topic::Group(group), |state| {
            match state.dispatcher.groups.get(group).changes.next() {
                Some(Change::Connected(_, peer)) => Some(Ok(peer)),
                Some(Change::Closed(_, error)) => Some(Err(error.unwrap_or_else(closed_at_once))),
                _ => (!state.engine.is_open(link)).then(|| Err(closed_at_once())),
            }
        });
        let peer = connected.await?;
        Ok(Self(Arc::new(Connection { owner, link, peer })))
    }

    #[cfg(feature = "typed")]
    pub(super) fn owner(&self) -> &Owner {
        &self.0.owner
    }

    fn line(&self) -> Line<'_> {
        self.0.owner.line(self.0.link)
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Calls `handler` for each request or one-way message of that name the server sends from now
    /// on. What the server may send at once has its handler in [`Self::connect_with`].
    pub fn handle<H, F>(&self, name: &str, handler: H)
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
    {
        self.0.owner.handle(name, erase(handler));
    }

    /// Lets the other side send requests and one-way messages of this name compressed: what it takes to
    /// unpack them is up to 64 times what their author has put in.
    pub fn accept_compressed(&self, name: &str) {
        self.0.owner.accept_compressed(name);
    }

    /// Calls `listener` for each one-way message of that name from now on, beside whatever else is
    /// called for it, one after the other.
    pub fn on<L, F>(&self, event: &str, listener: L) -> Subscription
    where
        L: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.owner.listen(event, false, erase_listener(listener))
    }

    /// The same for the next one only.
    pub fn once<L, F>(&self, event: &str, listener: L) -> Subscription
    where
        L: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = ()> + Send + 'static,
    {
        self.0.owner.listen(event, true, erase_listener(listener))
    }

    /// Ends what [`Self::on`] or [`Self::once`] began; twice does nothing.
    pub fn off(&self, subscription: Subscription) {
        self.0.owner.stop_listening(subscription);
    }

    /// Asks. The request is on its way when this returns; awaiting the call gives its outcome, and
    /// dropping the call cancels it.
    pub fn request(&self, method: &str, payload: &[u8], options: &CallOptions) -> Call {
        self.line().request(method, payload, options)
    }

    /// Asks for a stream: a request with items, in either direction.
    pub fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        self.line().stream(method, payload, options)
    }

    /// Sends a message nobody answers. It is in the ring, or waits in private memory for room as long as
    /// its lane allows, or is dropped or refused with [`Code::Full`](crate::Code::Full), by the lane's
    /// [`Overflow`](crate::Overflow).
    pub fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.line().notify(event, payload, options)
    }

    /// The same, and waits until the message is being written. [`Code::Full`](crate::Code::Full): its
    /// lane has dropped it.
    pub async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        self.line().send(event, payload, options).await
    }

    /// Waits until nothing waits for room in private memory any more.
    pub async fn drain(&self, timeout: Duration) -> Result<()> {
        self.0.owner.shared().drain(self.0.link, timeout).await
    }

    /// Waits until the connection is over; the error says why, unless it was closed in good order.
    pub async fn closed(&self) -> Option<Error> {
        let over = |error: &Error| Error::new(error.code(), error.to_string());
        let group = self.0.owner.group;
        let closed = self.0.owner.shared().until(Topic::Group(group), |state| {
            match state.dispatcher.groups.get(group).changes.peek() {
                Some(Change::Closed(_, error)) => Some(error.as_ref().map(over)),
                _ => state.over.then_some(None),
            }
        });
        closed.await
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.0.owner.shared().with(|state| state.engine.peer(self.0.link).is_none())
    }

    /// What the connection has counted; `None` when it is over.
    pub fn link_stats(&self) -> Option<LinkStats> {
        self.0.owner.shared().with(|state| state.engine.link_stats(self.0.link))
    }

    /// What the engine has counted.
    pub fn engine_stats(&self) -> EngineStats {
        self.0.owner.shared().with(|state| state.engine.stats())
    }

    /// One-way messages of the server nobody handled.
    pub fn unhandled(&self) -> u64 {
        self.0.owner.unhandled()
    }

    /// Closes in good order, for all clones, and waits until what waited for room is written, or a
    /// second is over. Requests in flight end with [`Code::Closed`](crate::Code::Closed).
    pub async fn close(&self) {
        self.0.owner.shared().close(self.0.owner.group).await;
    }
}
