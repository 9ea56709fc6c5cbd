//! An asynchronous client.

use std::future::Future;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipc_core::{Code, Error, LinkStats, Peer, RemoteError, Result, Sent};

use super::asking::Line;
use super::call::Call;
use super::engine::{Owner, SharedEngine};
use super::handler::{Handlers, erase};
use super::request::Request;
use super::sessions::{ClientChange, ClientState, ClientStats, Sessions};
use super::stream::Streaming;
use super::waits::Topic;
use crate::api::{CallOptions, ClientConfig, Reply, closed_at_once};

/// What a program makes once and keeps, shared by as many tasks and threads as have a clone of it:
/// it has one session with its server after the other. It is closed when the last clone is dropped;
/// what still waits for room is written all the same.
///
/// When a session is lost, requests in flight end with [`Code::PeerLost`], except those that are
/// [idempotent](CallOptions::idempotent), and streams end with it, except those that are
/// [resumable](CallOptions::resumable). What is requested or sent while there is no session waits
/// for the next one, in order, as [`WhileAway`](crate::WhileAway) says; dropping the future of a
/// request gives it up. Handlers and listeners stay. When a server is about to leave, what is in
/// flight has its outcome there, and all else goes to the next session. A server that closes this
/// one connection, by [`Server::disconnect`](super::Server::disconnect) or its likes, and stays,
/// ends the client.
///
/// A server that comes is found at once. A refusal that will not change closes the client, such as
/// [`Code::Token`] or [`Code::Version`]. With [`ClientConfig::reconnect`] off there is one session,
/// and the client ends with it.
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
pub struct Client(Arc<Owner>);

impl Client {
    /// Connects to the server of that name. One that is not there is [`Code::NoServer`], unless
    /// [`ClientConfig::wait_for_server`] says how long to wait for it.
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
        let client = Self::start(engine, name, config, handlers, false)?;
        match client.state_changed(ClientState::Connecting).await {
            ClientState::Closed => {
                let reason = client.with(|client| client.reason());
                Err(reason.unwrap_or_else(closed_at_once))
            }
            _ => Ok(client),
        }
    }

    /// A client that is connecting. One that insists asks a server that refuses again, where that
    /// may pass.
    pub(super) fn start(
        engine: &SharedEngine,
        name: &str,
        config: &ClientConfig,
        handlers: Handlers,
        insists: bool,
    ) -> Result<Self> {
        let (owner, ()) = Owner::start(engine, config.timeout, handlers, |state, group| {
            let sessions = Sessions::new(name, config, insists);
            state.dispatcher.groups.get(group).client = Some(Box::new(sessions));
            state.dispatcher.dial_first(&mut state.engine, group)
        })?;
        Ok(Self(Arc::new(owner)))
    }

    /// Why it is closed, if no session came about.
    pub(super) fn refusal(&self) -> Option<Error> {
        self.with(|client| client.refusal())
    }

    pub(super) fn owner(&self) -> &Owner {
        &self.0
    }

    fn line(&self) -> Line<'_> {
        self.0.client_line()
    }

    pub(super) fn with<T>(&self, act: impl FnOnce(&mut Sessions) -> T) -> T {
        self.0.shared().with(|state| act(state.client(self.0.group)))
    }

    /// Waits until there is something to be said of the sessions.
    async fn until<T>(&self, ready: impl Fn(&mut Sessions) -> Option<T>) -> T {
        let group = self.0.group;
        self.0.shared().until(Topic::Group(group), |state| ready(state.client(group))).await
    }

    // ---- sessions ----

    /// How it stands.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # use ringpost::Result;
    /// # async fn example(client: &Client) -> Result<()> {
    /// use ringpost::tokio::ClientState;
    ///
    /// assert_eq!(client.state(), ClientState::Open);
    /// # Ok(())
    /// # }
    /// ```
    pub fn state(&self) -> ClientState {
        self.with(|client| client.state())
    }

    /// Waits until it stands otherwise than `from`, and returns how. What has passed again by then
    /// is not seen: [`Self::next_change`] leaves nothing out.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # async fn example(client: &Client) {
    /// let mut state = client.state();
    /// loop {
    ///     println!("{state:?}");
    ///     state = client.state_changed(state).await;
    /// }
    /// # }
    /// ```
    pub async fn state_changed(&self, from: ClientState) -> ClientState {
        let changed = self.until(|client| (client.state() != from).then_some(client.state()));
        changed.await
    }

    /// Waits for the loss of a session, or for the next one; `None` when the client is closed. Each
    /// change is returned once, to one caller, and of those that wait for it the last 64 are kept.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # use ringpost::Result;
    /// # async fn example(client: &Client) -> Result<()> {
    /// use ringpost::tokio::ClientChange;
    ///
    /// while let Some(change) = client.next_change().await {
    ///     if let ClientChange::Disconnected { undelivered, .. } = change {
    ///         println!("{} bytes were not read", undelivered.iter().sum::<u64>());
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next_change(&self) -> Option<ClientChange> {
        let change = self.until(|client| match client.next_change() {
            None => (client.state() == ClientState::Closed).then_some(None),
            change => Some(change),
        });
        change.await
    }

    /// What it has counted of its sessions.
    ///
    /// ```
    /// # use ringpost::tokio::Client;
    /// # use ringpost::Result;
    /// # async fn example(client: &Client) -> Result<()> {
    /// println!("{} sessions were lost", client.session_stats().reconnects);
    /// # Ok(())
    /// # }
    /// ```
    pub fn session_stats(&self) -> ClientStats {
        self.with(|client| client.stats())
    }

    /// The process at the other end, and what was agreed with it; while there is no session, those
    /// of the last.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// assert!(client.peer().pid > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer(&self) -> Arc<Peer> {
        let peer = self.with(|client| client.peer().map(Arc::clone));
        peer.expect("it was connected, or nobody has it")
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
        self.0.handle(name, erase(handler));
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
    /// [`Code::Full`], as the [`Overflow`](crate::Overflow) of its lane says.
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
    /// [`Code::Full`]: its lane has dropped it.
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

    /// Waits until nothing waits any more, neither for a session nor for room in private memory.
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
        let start = Instant::now();
        let session = self.until(|client| match client.session() {
            None => client.check_waits().err().map(Err),
            Some(link) => Some(Ok(link)),
        });
        let timed_out = |_| Error::new(Code::Timeout, "no session came in time");
        let link = ::tokio::time::timeout(timeout, session).await.map_err(timed_out)??;
        self.0.shared().drain(link, timeout.saturating_sub(start.elapsed())).await
    }

    /// Waits until it is closed; the error says why, unless that was graceful.
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
        let group = self.0.group;
        let closed = self.0.shared().until(Topic::Group(group), |state| {
            let has_links = state.dispatcher.groups.get(group).links > 0 && !state.over;
            let client = state.client(group);
            (client.state() == ClientState::Closed && !has_links).then(|| client.reason())
        });
        closed.await
    }

    /// Whether it is closed.
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
        self.state() == ClientState::Closed
    }

    /// The counters of the session; `None` while there is none.
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
        self.0.shared().with(|state| {
            let session = state.client(self.0.group).session()?;
            state.engine.link_stats(session)
        })
    }

    /// Closes it gracefully, for all clones: waits until what waited for room is written, or for a
    /// second. Requests in flight, and those that wait for a session, end with [`Code::Closed`].
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
        self.0.shared().close(self.0.group).await;
    }
}
