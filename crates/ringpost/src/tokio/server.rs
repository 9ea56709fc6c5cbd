//! An asynchronous server.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Error, LinkId, LinkStats, Peer, RemoteError, Result, Sent};

use super::call::Call;
use super::engine::{Owner, SharedEngine};
use super::handler::{Handlers, erase};
use super::request::Request;
use super::stream::Streaming;
use super::waits::Topic;
use crate::api::{CallOptions, Change, Reply, ServerConfig, closed_at_once};

/// A server, shared by as many tasks and threads as have a clone of it. It is closed, with all its
/// connections, when the last clone is dropped.
///
/// ```
/// # use ringpost::tokio::{Handlers, Request, Server};
/// # use ringpost::{Reply, Result, ServerConfig};
/// # async fn example() -> Result<()> {
/// let handlers = Handlers::new()
///     .handle("echo", |request: Request| async move { Ok(Reply::bytes(request.payload)) });
/// let server = Server::bind_with("demo", &ServerConfig::new(), handlers).await?;
/// while let Some(change) = server.next_change().await {
///     println!("{change:?}");
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Server(Arc<Owner>);

impl Server {
    /// Takes the name and listens. A client that connects before its method has a handler is
    /// refused the method; [`Self::bind_with`] has handlers in place first.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// let server = Server::bind("demo", &ServerConfig::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bind(name: &str, config: &ServerConfig) -> Result<Self> {
        Self::bind_with(name, config, Handlers::new()).await
    }

    /// As [`Self::bind`], with handlers that are in place before the first client is accepted.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// let handlers = Handlers::new().handle("ping", |_| async { Ok(Reply::default()) });
    /// let server = Server::bind_with("demo", &ServerConfig::new(), handlers).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bind_with(name: &str, config: &ServerConfig, handlers: Handlers) -> Result<Self> {
        let engine = SharedEngine::new(config.wait_policy)?;
        Self::bind_on(&engine, name, config, handlers).await
    }

    /// As [`Self::bind_with`], on an engine that other clients and servers use too; see
    /// [`SharedEngine`]. Its wait policy takes the place of the server's.
    ///
    /// ```
    /// # use ringpost::WaitPolicy;
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// use ringpost::tokio::SharedEngine;
    ///
    /// let (engine, config) = (SharedEngine::new(WaitPolicy::DEFAULT)?, ServerConfig::new());
    /// let one = Server::bind_on(&engine, "one", &config, Handlers::new()).await?;
    /// let two = Server::bind_on(&engine, "two", &config, Handlers::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn bind_on(
        engine: &SharedEngine,
        name: &str,
        config: &ServerConfig,
        handlers: Handlers,
    ) -> Result<Self> {
        let (owner, ()) = Owner::start(engine, config.timeout, handlers, |state, group| {
            if config.takes_over()? {
                let link = state.engine.take_over(name, &config.options, &config.listen)?;
                state.dispatcher.groups.adopt(link, group);
            } else {
                let listener = config.listen_on(&mut state.engine, name)?;
                state.dispatcher.groups.get(group).listener = Some(listener);
            }
            Ok(())
        })?;
        let group = owner.group;
        let bound = owner.shared().until(Topic::Group(group), |state| {
            let found = state.dispatcher.groups.get(group);
            if found.listener.is_some() {
                return Some(Ok(()));
            }
            match found.changes.next() {
                Some(Change::Closed(_, error)) => Some(Err(error.unwrap_or_else(closed_at_once))),
                _ => state.over.then(|| Err(closed_at_once())),
            }
        });
        bound.await?;
        Ok(Self(Arc::new(owner)))
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.0
    }

    /// Calls `handler` for each request or one-way message of that name from now on.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// server.handle("shout", |request: Request| async move {
    ///     Ok(Reply::bytes(request.payload.to_ascii_uppercase()))
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn handle<H, F>(&self, name: &str, handler: H)
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
    {
        self.0.handle(name, erase(handler));
    }

    /// Waits for the next connection that opens or ends, or for the loss of the name, be it to a
    /// server that has taken it over; `None` when
    /// the server is closed. Each change is returned once, to one caller, and a connection that
    /// ends before its opening was returned is left out.
    ///
    /// ```
    /// # use ringpost::Change;
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// while let Some(change) = server.next_change().await {
    ///     if let Change::Connected(link, peer) = change {
    ///         println!("{link:?} is process {}", peer.pid);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
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

    /// Sends a client a request. It is on its way when this returns; awaiting the call gives its
    /// outcome, and dropping the call cancels it.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// let reply = server.request(link, "shout", b"hello", &CallOptions::new()).await?;
    /// assert_eq!(reply.payload, b"HELLO");
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(
        &self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Call {
        self.0.line(link).request(method, payload, options)
    }

    /// Sends a client a request with items in either direction.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// let stream = server.stream(link, "count", b"", &CallOptions::new())?;
    /// while let Some(item) = stream.next().await? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(
        &self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming> {
        self.0.line(link).stream(method, payload, options)
    }

    /// Sends a client a one-way message without waiting.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// server.notify(link, "tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify(
        &self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Sent> {
        self.0.line(link).notify(event, payload, options)
    }

    /// As [`Self::notify`], and waits until the message is being written.
    /// [`Code::Full`](crate::Code::Full): its lane has dropped it.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// server.send(link, "tick", b"1", &CallOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// for (link, peer) in server.peers() {
    ///     println!("{link:?} is process {}", peer.pid);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn peers(&self) -> Vec<(LinkId, Peer)> {
        self.0.shared().with(|state| {
            let links = state.dispatcher.groups.links(self.0.group).into_iter();
            links.filter_map(|link| Some((link, state.engine.peer(link)?.clone()))).collect()
        })
    }

    /// Sends some clients, or all [`Self::peers`], a one-way message. Returns those it could not be
    /// sent to, with the reason.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// let all = server.peers().into_iter().map(|(link, _)| link);
    /// let failed = server.notify_each(all, "tick", b"1", &CallOptions::new())?;
    /// assert!(failed.is_empty());
    /// # Ok(())
    /// # }
    /// ```
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
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// server.drain(link, Duration::from_secs(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&self, link: LinkId, timeout: Duration) -> Result<()> {
        self.0.shared().drain(link, timeout).await
    }

    /// The counters of a connection; `None` when it is over.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// let received = server.link_stats(link).map(|stats| stats.received);
    /// # Ok(())
    /// # }
    /// ```
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.0.shared().with(|state| state.engine.link_stats(link))
    }

    /// Closes a connection gracefully and waits until it is over, which is a
    /// [`Change`](crate::Change) too. It ends the client at the other end, which does not connect
    /// again.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// server.disconnect(link).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn disconnect(&self, link: LinkId) -> Result<()> {
        self.0.shared().disconnect(link).await;
        Ok(())
    }

    /// Stops accepting; connections stay.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// server.close_listener();
    /// # Ok(())
    /// # }
    /// ```
    pub fn close_listener(&self) {
        self.0.shared().with(|state| state.close_listener(self.0.group));
    }

    /// Closes all connections gracefully, for all clones: waits until what waited for room is
    /// written, or for a second. Running handlers are dropped. Clients are informed that the server
    /// leaves, and look for the next one.
    ///
    /// ```
    /// # use ringpost::tokio::{Handlers, Request, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result, ServerConfig};
    /// # async fn example(server: &Server, link: LinkId) -> Result<()> {
    /// server.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) {
        self.0.shared().close(self.0.group).await;
    }
}
