//! A pool of connections to one or several servers.
//!
//! ```text
//!   request, notify ---> the connection with the least in flight
//!   acquire -----------> one that nobody uses, or the place behind those who wait for one
//! ```

mod members;
mod shared;
mod stats;

use std::future::Future;
use std::ops::Deref;
use std::sync::Arc;
use std::time::{Duration, Instant};

use ipc_core::{Code, Error, Result, Sent};

use self::shared::{Shared, Taken, Use, keep};
pub use self::stats::{PoolServerStats, PoolStats};
use super::call::Call;
use super::client::Client;
use super::requester::Requester;
use super::sessions::ClientState;
use super::stream::Streaming;
use crate::api::{CallOptions, ClientConfig, Reply};

const MAX_DEFAULT: usize = 8;
const IDLE_TIMEOUT_DEFAULT: Duration = Duration::from_secs(30);

/// How many connections a pool has, and of what kind.
///
/// ```
/// use std::time::Duration;
/// use ringpost::ClientConfig;
/// use ringpost::tokio::PoolConfig;
///
/// let config = PoolConfig::new()
///     .client(ClientConfig::new().token("secret"))
///     .min(1)
///     .max(4)
///     .idle_timeout(Duration::from_secs(10));
/// assert_eq!((config.min, config.max), (1, 4));
/// ```
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct PoolConfig {
    /// How each connection is made and behaves.
    pub client: ClientConfig,
    /// Connections to each server that are always there.
    pub min: usize,
    /// Connections to each server at most.
    pub max: usize,
    /// How long a connection above `min` may be idle before it is closed.
    pub idle_timeout: Duration,
}

impl Default for PoolConfig {
    fn default() -> Self {
        let (min, max, idle_timeout) = (0, MAX_DEFAULT, IDLE_TIMEOUT_DEFAULT);
        Self { client: ClientConfig::default(), min, max, idle_timeout }
    }
}

impl PoolConfig {
    /// The defaults: up to 8 connections to each server, closed when they are idle for 30 seconds.
    pub fn new() -> Self {
        Self::default()
    }

    /// Sets how each connection is made and behaves.
    #[must_use]
    pub fn client(mut self, client: ClientConfig) -> Self {
        self.client = client;
        self
    }

    /// Sets how many connections to each server are always there.
    #[must_use]
    pub fn min(mut self, min: usize) -> Self {
        self.min = min;
        self
    }

    /// Sets how many connections to each server there are at most.
    #[must_use]
    pub fn max(mut self, max: usize) -> Self {
        self.max = max;
        self
    }

    /// Sets how long a connection above the minimum may be idle.
    #[must_use]
    pub fn idle_timeout(mut self, span: Duration) -> Self {
        self.idle_timeout = span;
        self
    }
}

/// Connections to one or several servers that do the same, shared by as many tasks and threads as
/// have a clone of it. It is closed when the last clone and the last [`Lease`] are dropped.
///
/// As a [`Requester`] it sends each message over the connection with the least in flight, of
/// several servers the least busy one. Each connection is a [`Client`] with an engine of its own.
/// It is made when all others are busy, closed when it was idle for long, and replaced when it is
/// closed. A server that cannot be connected to is left alone for a second, and then tried again
/// if somebody waits for a connection.
///
/// ```
/// use ringpost::tokio::{Handlers, Pool, PoolConfig, Request, Requester, Server};
/// use ringpost::{CallOptions, ClientConfig, Reply, ServerConfig};
/// # let directory = std::env::temp_dir().join(format!("ringpost-pool-{}", std::process::id()));
/// # let server = ServerConfig::new().directory(&directory);
/// # let client = ClientConfig::new().directory(&directory);
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
///
/// let handlers = || {
///     Handlers::new()
///         .handle("echo", |request: Request| async { Ok(Reply::bytes(request.payload)) })
/// };
/// let _one = Server::bind_with("one", &server, handlers()).await?;
/// let _two = Server::bind_with("two", &server, handlers()).await?;
///
/// let pool = Pool::new(["one", "two"], PoolConfig::new().client(client))?;
/// let reply = pool.request("echo", b"hello", &CallOptions::new()).await?;
/// assert_eq!(reply.payload, b"hello");
///
/// let lease = pool.acquire().await?; // nobody else uses this connection until it is dropped
/// lease.request("echo", b"hello", &CallOptions::new()).await?;
/// drop(lease);
/// pool.close().await;
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct Pool(Arc<Shared>);

impl Pool {
    /// A pool of connections to the servers of these names, in the tokio runtime it is called in.
    /// [`Code::InvalidArgument`]: there is no name, or there may be no connection.
    ///
    /// ```
    /// # use ringpost::Result;
    /// # async fn example() -> Result<()> {
    /// use ringpost::tokio::{Pool, PoolConfig};
    ///
    /// let pool = Pool::new(["worker-1", "worker-2"], PoolConfig::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn new<N>(names: impl IntoIterator<Item = N>, config: PoolConfig) -> Result<Self>
    where
        N: Into<Box<str>>,
    {
        let names: Vec<Box<str>> = names.into_iter().map(Into::into).collect();
        if names.is_empty() || config.max == 0 || config.min > config.max {
            let PoolConfig { min, max, .. } = config;
            let message = format!("{} servers, at least {min} and at most {max}", names.len());
            return Err(Error::new(Code::InvalidArgument, message));
        }
        let shared = Arc::new(Shared::new(names, config)?);
        ::tokio::spawn(keep(Arc::downgrade(&shared), Arc::clone(&shared.keeper)));
        Ok(Self(shared))
    }

    /// Waits for a connection that nobody else uses until the lease is dropped. Those who wait are
    /// served in the order in which they came; dropping the future gives the place up.
    ///
    /// ```
    /// # use ringpost::tokio::Pool;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(pool: &Pool) -> Result<()> {
    /// let lease = pool.acquire().await?;
    /// lease.request("begin", b"", &CallOptions::new()).await?;
    /// lease.request("commit", b"", &CallOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn acquire(&self) -> Result<Lease> {
        let start = Instant::now();
        let mut attempts = self.0.servers();
        loop {
            let used = self.take(true)?.wait().await?;
            if !used.is_open
                && used.client.state_changed(ClientState::Connecting).await == ClientState::Closed
            {
                let refusal = used.client.refusal();
                attempts = attempts.saturating_sub(1);
                if attempts == 0 && !self.0.has_open() {
                    return Err(refusal.unwrap_or_else(crate::api::closed_at_once));
                }
                used.discard(refusal);
                continue;
            }
            self.0.acquired(start.elapsed());
            return Ok(Lease(used));
        }
    }

    /// What it holds and has counted.
    pub fn stats(&self) -> PoolStats {
        self.0.stats()
    }

    /// Takes no more, for all clones, and waits until what is in flight has its outcome and leases
    /// are given back. Then all connections are closed gracefully. Those who wait for a connection
    /// get [`Code::Closed`].
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::tokio::Pool;
    /// # async fn example(pool: &Pool) {
    /// // Not longer than that.
    /// let drained = tokio::time::timeout(Duration::from_secs(5), pool.close()).await.is_ok();
    /// # }
    /// ```
    pub async fn close(&self) {
        self.0.close().await;
    }

    /// A connection, to be shared with others or not. One that its server has closed is replaced,
    /// whether the pool was told already or not.
    fn take(&self, is_exclusive: bool) -> Result<Taken> {
        loop {
            match self.0.take(is_exclusive)? {
                Taken::Now(used) if used.is_over() => used.discard(None),
                taken => return Ok(taken),
            }
        }
    }

    /// A connection that is shared, for what cannot wait.
    fn shared_now(&self) -> Result<Use> {
        loop {
            match self.0.take_now()? {
                Some(used) if used.is_over() => used.discard(None),
                Some(used) => return Ok(used),
                None => return Err(Error::new(Code::Full, "all connections are leased")),
            }
        }
    }
}

impl std::fmt::Debug for Pool {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Pool").field(&self.stats()).finish()
    }
}

/// What became of a request as far as it does not take waiting.
enum Begun {
    Sent(Call, Use),
    Waits { taken: Taken, method: Box<str>, payload: Vec<u8>, options: CallOptions },
    Failed(Error),
}

/// Where all connections are leased, or somebody waits for one, requests wait for a connection too;
/// what does not wait fails with [`Code::Full`].
impl Requester for Pool {
    fn request(
        &self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> impl Future<Output = Result<Reply>> + Send + use<> {
        let begun = match self.take(false) {
            Ok(Taken::Now(used)) => {
                Begun::Sent(used.client.request(method, payload, options), used)
            }
            Ok(taken) => {
                let timeout = Some(options.timeout.unwrap_or(self.0.timeout()));
                let options = CallOptions { timeout, ..*options };
                Begun::Waits { taken, method: method.into(), payload: payload.to_vec(), options }
            }
            Err(error) => Begun::Failed(error),
        };
        async move {
            match begun {
                Begun::Sent(call, _used) => call.await,
                Begun::Waits { taken, method, payload, options } => {
                    let (start, timeout) = (Instant::now(), options.timeout.unwrap_or_default());
                    let timed_out = |_| Error::new(Code::Timeout, "all connections are leased");
                    let taken = ::tokio::time::timeout(timeout, taken.wait());
                    let used = taken.await.map_err(timed_out)??;
                    let options = options.timeout(timeout.saturating_sub(start.elapsed()));
                    used.client.request(&method, &payload, &options).await
                }
                Begun::Failed(error) => Err(error),
            }
        }
    }

    fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        let used = self.shared_now()?;
        let streaming = used.client.stream(method, payload, options)?;
        Ok(streaming.holding(used))
    }

    fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.shared_now()?.client.notify(event, payload, options)
    }

    async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        let used = self.take(false)?.wait().await?;
        used.client.send(event, payload, options).await
    }
}

/// A connection of a pool that nobody else uses. It is given back when this is dropped.
///
/// ```
/// # use ringpost::tokio::Pool;
/// # use ringpost::{CallOptions, Result};
/// # async fn example(pool: &Pool) -> Result<()> {
/// let lease = pool.acquire().await?;
/// println!("process {} serves", lease.peer().pid);
/// # Ok(())
/// # }
/// ```
#[must_use = "a lease that is dropped is given back"]
pub struct Lease(Use);

impl Deref for Lease {
    type Target = Client;

    fn deref(&self) -> &Client {
        &self.0.client
    }
}

impl Requester for Lease {
    fn request(
        &self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> impl Future<Output = Result<Reply>> + Send + use<> {
        let call: Call = self.0.client.request(method, payload, options);
        call
    }

    fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        self.0.client.stream(method, payload, options)
    }

    fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.0.client.notify(event, payload, options)
    }

    async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        self.0.client.send(event, payload, options).await
    }
}

impl std::fmt::Debug for Lease {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Lease").field(&self.peer().pid).finish()
    }
}
