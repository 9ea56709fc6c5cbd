//! An asynchronous client.

use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Error, LinkId, LinkStats, Peer, RemoteError, Result, Sent};

use super::asking::Line;
use super::call::Call;
use super::engine::{Owner, SharedEngine};
use super::handler::{Handlers, erase};
use super::request::Request;
use super::stream::Streaming;
use super::waits::Topic;
use crate::api::{CallOptions, Change, ClientConfig, Reply, closed_at_once};

/// A connection to a server, shared by as many tasks and threads as have a clone of it. It is
/// closed when the last clone is dropped; what still waits for room is written all the same.
///
/// ```
/// # use ringpost::tokio::Client;
/// # use ringpost::{CallOptions, ClientConfig, Result};
/// # async fn example() -> Result<()> {
/// let client = Client::connect("demo", &ClientConfig::new()).await?;
/// let task = tokio::spawn({
///     let client = client.clone();
///     async move { client.request("slow", b"", &CallOptions::new()).await }
/// });
/// client.notify("tick", b"1", &CallOptions::new())?;
/// let reply = task.await.expect("it does not panic")?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Client(Arc<Connection>);

struct Connection {
    owner: Owner,
    link: LinkId,
    peer: Peer,
}

impl Client {
    /// Connects to the server of that name.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let client = Client::connect("demo", &ClientConfig::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect(name: &str, config: &ClientConfig) -> Result<Self> {
        Self::connect_with(name, config, Handlers::new()).await
    }

    /// As [`Self::connect`], with handlers that are in place before the server can send anything.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let handlers = Handlers::new().handle("name", |_| async { Ok(Reply::bytes("a client")) });
    /// let client = Client::connect_with("demo", &ClientConfig::new(), handlers).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn connect_with(
        name: &str,
        config: &ClientConfig,
        handlers: Handlers,
    ) -> Result<Self> {
        let engine = SharedEngine::new(config.wait_policy)?;
        Self::connect_on(&engine, name, config, handlers).await
    }

    /// As [`Self::connect_with`], on an engine that other clients and servers use too; see
    /// [`SharedEngine`]. Its wait policy takes the place of the client's.
    ///
    /// ```
    /// # use ringpost::WaitPolicy;
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// use ringpost::tokio::SharedEngine;
    ///
    /// let (engine, config) = (SharedEngine::new(WaitPolicy::DEFAULT)?, ClientConfig::new());
    /// let one = Client::connect_on(&engine, "one", &config, Handlers::new()).await?;
    /// let two = Client::connect_on(&engine, "two", &config, Handlers::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
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

    pub(super) fn owner(&self) -> &Owner {
        &self.0.owner
    }

    pub(super) fn link(&self) -> LinkId {
        self.0.link
    }

    fn line(&self) -> Line<'_> {
        self.0.owner.line(self.0.link)
    }

    /// The process at the other end, and what was agreed with it.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// assert!(client.peer().pid > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer(&self) -> &Peer {
        &self.0.peer
    }

    /// Calls `handler` for each request or one-way message of that name from now on. Messages that
    /// the server may send at once have their handlers in [`Self::connect_with`].
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// client.handle("shout", |request: Request| async move {
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
        self.0.owner.handle(name, erase(handler));
    }

    /// Sends a request. It is on its way when this returns; awaiting the call gives its outcome,
    /// and dropping the call cancels it.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let reply = client.request("shout", b"hello", &CallOptions::new()).await?;
    /// assert_eq!(reply.payload, b"HELLO");
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(&self, method: &str, payload: &[u8], options: &CallOptions) -> Call {
        self.line().request(method, payload, options)
    }

    /// Sends a request with items in either direction.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let stream = client.stream("count", b"", &CallOptions::new())?;
    /// while let Some(item) = stream.next().await? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        self.line().stream(method, payload, options)
    }

    /// Sends a one-way message without waiting. It is in the ring, or waits in private memory for
    /// room as long as its lane allows, or is dropped or refused with
    /// [`Code::Full`](crate::Code::Full), as the [`Overflow`](crate::Overflow) of its lane says.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// client.notify("tick", b"1", &CallOptions::new())?;
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
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// client.send("tick", b"1", &CallOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        self.line().send(event, payload, options).await
    }

    /// Waits until nothing waits for room in private memory any more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// client.drain(Duration::from_secs(1)).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn drain(&self, timeout: Duration) -> Result<()> {
        self.0.owner.shared().drain(self.0.link, timeout).await
    }

    /// Waits until the connection is over; the error says why, unless it was closed gracefully.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// if let Some(error) = client.closed().await {
    ///     println!("lost the server: {error}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn closed(&self) -> Option<Error> {
        let group = self.0.owner.group;
        let closed = self.0.owner.shared().until(Topic::Group(group), |state| {
            let closed = state.dispatcher.groups.get(group).changes.closed();
            closed.or_else(|| state.over.then_some(None))
        });
        closed.await
    }

    /// Whether the connection is over.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// assert!(!client.is_closed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.0.owner.shared().with(|state| state.engine.peer(self.0.link).is_none())
    }

    /// The counters of the connection; `None` when it is over.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let sent = client.link_stats().map(|stats| stats.sent);
    /// # Ok(())
    /// # }
    /// ```
    pub fn link_stats(&self) -> Option<LinkStats> {
        self.0.owner.shared().with(|state| state.engine.link_stats(self.0.link))
    }

    /// Closes the connection gracefully, for all clones: waits until what waited for room is
    /// written, or for a second. Requests in flight end with [`Code::Closed`](crate::Code::Closed).
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// client.close().await;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn close(&self) {
        self.0.owner.shared().close(self.0.owner.group).await;
    }
}
