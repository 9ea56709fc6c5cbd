//! Engines with their drivers, and the clients and servers that own a part of one.

use std::os::fd::{AsFd, AsRawFd};
use std::sync::Arc;
use std::time::Duration;

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use ::tokio::runtime::Handle;
use ipc_core::{Code, Engine, EngineStats, Error, Histogram, LinkId, Result, WaitPolicy};

use super::asking::Line;
use super::driver;
use super::groups::{GroupId, To};
use super::handler::{Binding, Erased, Handlers};
use super::shared::{Shared, State};
use crate::api::{Stats, Subscription};

/// An engine with the task that drives it, for any number of clients and servers of one tokio
/// runtime. Each gets one of its own unless it is given one of these.
///
/// A process with many connections sleeps and wakes once for all of them this way, and has one
/// descriptor and one task instead of one for each. Connections that must not share a lock, because
/// each carries much, are better off with an engine each.
///
/// ```
/// use ringpost::tokio::{Client, Handlers, Server, SharedEngine};
/// use ringpost::{CallOptions, ClientConfig, Reply, ServerConfig, WaitPolicy};
/// # let directory = std::env::temp_dir().join(format!("ringpost-share-{}", std::process::id()));
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// # let server = ServerConfig::new().directory(&directory);
/// # let client = ClientConfig::new().directory(&directory);
///
/// let engine = SharedEngine::new(WaitPolicy::DEFAULT)?;
/// let handlers = |name: &'static str| {
///     Handlers::new().handle("name", move |_| async move { Ok(Reply::bytes(name)) })
/// };
/// let _first = Server::bind_on(&engine, "first", &server, handlers("one")).await?;
/// let _second = Server::bind_on(&engine, "second", &server, handlers("two")).await?;
///
/// let client = Client::connect_on(&engine, "second", &client, Handlers::new()).await?;
/// let reply = client.request("name", b"", &CallOptions::new()).await?;
/// assert_eq!(reply.payload, b"two");
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// # }).unwrap();
/// ```
#[derive(Clone)]
pub struct SharedEngine(Arc<Keeper>);

/// Closes everything when the last handle is gone.
struct Keeper(Arc<Shared>);

impl Drop for Keeper {
    fn drop(&mut self) {
        self.0.shut();
    }
}

impl SharedEngine {
    /// Starts an engine and its driver in the tokio runtime it is called in. It ends when the last
    /// handle of it, and of its clients and servers, is dropped, or with that runtime: what comes
    /// to it then gets [`Code::Closed`].
    ///
    /// ```
    /// use ringpost::tokio::SharedEngine;
    /// use ringpost::{Code, WaitPolicy};
    ///
    /// let error = SharedEngine::new(WaitPolicy::DEFAULT).unwrap_err();
    /// assert_eq!(error.code(), Code::InvalidArgument, "this is no tokio runtime");
    /// ```
    pub fn new(wait_policy: WaitPolicy) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|_| Error::new(Code::InvalidArgument, "called outside of a tokio runtime"))?;
        let engine = Engine::new()?;
        let watching = |cause: std::io::Error| Error::from_io("watching the engine", &cause);
        // A descriptor of its own, because the engine lives behind the lock.
        let fd = engine.as_fd().try_clone_to_owned().map_err(watching)?;
        let fd = watch(fd).map_err(watching)?;
        let shared = Arc::new(Shared::new(engine, wait_policy, runtime));
        shared.runtime.spawn(driver::run(Arc::clone(&shared), fd));
        Ok(Self(Arc::new(Keeper(shared))))
    }

    /// What the engine has counted, for all its clients and servers.
    pub fn stats(&self) -> EngineStats {
        self.0.0.with(|state| state.engine.stats())
    }
}

impl std::fmt::Debug for SharedEngine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("SharedEngine").finish_non_exhaustive()
    }
}

// The method that replaces this is unsafe, for the sake of types that may close their descriptor or
// change it while it is watched. Neither an `OwnedFd` does, nor a `Sleeper`.
#[allow(deprecated)]
pub(super) fn watch<T: AsRawFd>(fd: T) -> std::io::Result<AsyncFd<T>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

/// The part of an engine that belongs to one client or server. Dropping it closes that.
pub(super) struct Owner {
    engine: SharedEngine,
    pub group: GroupId,
    /// When a request is given up unless it says otherwise.
    timeout: Duration,
}

impl Drop for Owner {
    fn drop(&mut self) {
        self.shared().leave(self.group);
    }
}

impl Owner {
    /// A client or server, which `prepare` gives something to do.
    pub fn start<T>(
        engine: &SharedEngine,
        timeout: Duration,
        handlers: Handlers,
        prepare: impl FnOnce(&mut State, GroupId) -> Result<T>,
    ) -> Result<(Self, T)> {
        let shared = &engine.0.0;
        let group = shared.with(|state| state.dispatcher.groups.add());
        let owner = Self { engine: engine.clone(), group, timeout };
        let binding = owner.binding();
        let prepared = shared.with(|state| {
            if state.shut {
                return Err(Error::new(Code::Closed, "the runtime of the engine is gone"));
            }
            handlers.install(&mut state.dispatcher.groups.get(group).router, &binding);
            prepare(state, group)
        })?;
        Ok((owner, prepared))
    }

    pub fn shared(&self) -> &Arc<Shared> {
        &self.engine.0.0
    }

    /// One of its connections, to send over.
    pub fn line(&self, link: LinkId) -> Line<'_> {
        Line { shared: self.shared(), to: To::Link(link), timeout: self.timeout }
    }

    /// The session it has as a client, to send over.
    pub fn client_line(&self) -> Line<'_> {
        Line { shared: self.shared(), to: To::Client(self.group), timeout: self.timeout }
    }

    fn binding(&self) -> Binding {
        Binding { shared: Arc::downgrade(self.shared()), timeout: self.timeout }
    }

    pub fn handle(&self, name: &str, handler: Erased) {
        self.shared().handle(self.group, name, self.binding().bind(handler));
    }

    pub fn listen(&self, name: &str, once: bool, handler: Erased) -> Subscription {
        self.shared().listen(self.group, name, once, self.binding().bind(handler))
    }

    pub fn stop_listening(&self, subscription: Subscription) {
        self.shared().stop_listening(self.group, subscription);
    }

    pub fn accept_compressed(&self, name: &str) {
        let group = self.group;
        self.shared().with(|state| state.dispatcher.groups.get(group).router.accept_packed(name));
    }

    /// What it has counted, over all of its connections.
    pub fn stats(&self) -> Stats {
        self.counted().0
    }

    /// The same with how long requests took.
    pub fn counted(&self) -> (Stats, Histogram) {
        self.shared().with(|state| {
            let links = state.dispatcher.groups.links(self.group);
            let group = state.dispatcher.groups.get(self.group);
            let mut totals = group.ended.clone();
            totals.extend(links.iter().filter_map(|link| state.engine.totals(*link)));
            let stats = Stats {
                links: totals.stats(),
                connections: links.len(),
                connections_total: group.opened,
                unhandled: group.unhandled,
                errors: group.errors,
            };
            (stats, totals.latencies())
        })
    }

    /// One-way messages without a handler.
    pub fn unhandled(&self) -> u64 {
        self.shared().with(|state| state.dispatcher.groups.get(self.group).unhandled)
    }
}
