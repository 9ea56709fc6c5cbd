//! What the handles, the leases and the tasks of a pool share.

use std::collections::VecDeque;
use std::pin::pin;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ::tokio::runtime::Handle;
use ::tokio::sync::{Notify, oneshot};
use ::tokio::task::AbortHandle;
use ipc_core::{Code, Error, Result, Time};

use super::PoolConfig;
use super::members::{Limits, Member, Members, Server};
use super::stats::{Histogram, PoolServerStats, PoolStats};
use crate::tokio::client::Client;
use crate::tokio::driver::until;
use crate::tokio::engine::SharedEngine;
use crate::tokio::handler::Handlers;
use crate::tokio::sessions::ClientState;

pub(super) struct Shared {
    config: PoolConfig,
    state: Mutex<State>,
    /// A use has ended after the pool was closed.
    drained: Notify,
    /// Wakes the task that keeps the connections.
    pub keeper: Arc<Notify>,
    runtime: Handle,
}

struct State {
    members: Members<Watched>,
    /// First come, first served.
    wants: VecDeque<Want>,
    reused: u64,
    acquired: Histogram,
    /// Why the last attempt to make a connection failed.
    refusal: Option<Error>,
    is_closed: bool,
}

/// A connection, and the task that knows when it opens and ends.
struct Watched {
    client: Client,
    watcher: AbortHandle,
}

impl Drop for Watched {
    fn drop(&mut self) {
        self.watcher.abort();
    }
}

/// Somebody who waits for a connection.
struct Want {
    is_exclusive: bool,
    grant: oneshot::Sender<Result<Use>>,
}

/// A connection in use, until it is dropped.
pub(super) struct Use {
    shared: Arc<Shared>,
    member: u64,
    pub client: Client,
    is_exclusive: bool,
    /// It had a session when this began.
    pub is_open: bool,
}

impl Use {
    /// Whether it had a session, and has come to its end since.
    pub fn is_over(&self) -> bool {
        self.is_open && self.client.is_closed()
    }

    /// Gives back what has turned out to be over.
    pub fn discard(self, refusal: Option<Error>) {
        self.shared.over(self.member, refusal);
    }
}

impl Drop for Use {
    fn drop(&mut self) {
        self.shared.give_back(self.member, self.is_exclusive);
    }
}

/// A connection, now or later.
pub(super) enum Taken {
    Now(Use),
    Later(Place),
}

/// A place among those who wait, which is given up when this is dropped.
pub(super) struct Place {
    shared: Weak<Shared>,
    granted: oneshot::Receiver<Result<Use>>,
}

impl Drop for Place {
    fn drop(&mut self) {
        self.granted.close();
        // There may be what those behind it wait for.
        if let Some(shared) = self.shared.upgrade() {
            shared.serve();
        }
    }
}

fn closed() -> Error {
    Error::new(Code::Closed, "the pool is closed")
}

impl Taken {
    pub async fn wait(self) -> Result<Use> {
        match self {
            Self::Now(used) => Ok(used),
            Self::Later(mut place) => (&mut place.granted).await.unwrap_or_else(|_| Err(closed())),
        }
    }
}

impl Shared {
    /// Needs the runtime it is called in.
    pub fn new(names: Vec<Box<str>>, config: PoolConfig) -> Result<Self> {
        let runtime = Handle::try_current()
            .map_err(|_| Error::new(Code::InvalidArgument, "called outside of a tokio runtime"))?;
        let PoolConfig { min, max, idle_timeout, .. } = config;
        let state = State {
            members: Members::new(names, Limits { min, max, idle_timeout }),
            wants: VecDeque::new(),
            reused: 0,
            acquired: Histogram::new(),
            refusal: None,
            is_closed: false,
        };
        let (state, drained, keeper) = (Mutex::new(state), Notify::new(), Arc::default());
        Ok(Self { config, runtime, state, drained, keeper })
    }

    // A panic under the lock is a bug of this crate.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    // ---- taking ----

    /// A connection, to be shared with others or not; those who wait for one come first.
    pub fn take(self: &Arc<Self>, is_exclusive: bool) -> Result<Taken> {
        let mut state = self.lock();
        if let Some(used) = self.free(&mut state, is_exclusive)? {
            return Ok(Taken::Now(used));
        }
        let (grant, granted) = oneshot::channel();
        state.wants.push_back(Want { is_exclusive, grant });
        if state.members.has_room() {
            // Serves it when a server may be tried again.
            self.keeper.notify_one();
        }
        Ok(Taken::Later(Place { shared: Arc::downgrade(self), granted }))
    }

    /// A connection to be shared with others, for what cannot wait.
    pub fn take_now(self: &Arc<Self>) -> Result<Option<Use>> {
        self.free(&mut self.lock(), false)
    }

    /// A connection that may be used now, if nobody waits for one.
    fn free(self: &Arc<Self>, state: &mut State, is_exclusive: bool) -> Result<Option<Use>> {
        if state.is_closed {
            return Err(closed());
        }
        if state.first().is_some() { Ok(None) } else { self.grant(state, is_exclusive) }
    }

    /// A connection that may be used now. The error: there is none, and none can be made.
    fn grant(self: &Arc<Self>, state: &mut State, is_exclusive: bool) -> Result<Option<Use>> {
        let State { members, .. } = state;
        let found = if is_exclusive { members.next_leased() } else { members.next_shared() };
        let id = match found.map(|member| (member.id, member.in_flight)) {
            Some((id, in_flight)) => {
                state.reused += 1;
                if in_flight > 0 {
                    // For those that come next; this one does not wait for it.
                    drop(self.make(state));
                }
                id
            }
            None => match self.make(state)? {
                Some(id) => id,
                None => return Ok(None),
            },
        };
        state.members.begin(id, is_exclusive);
        let Some(Member { client, is_open, .. }) = state.members.get(id) else { return Ok(None) };
        let (client, is_open, shared) = (client.client.clone(), *is_open, Arc::clone(self));
        Ok(Some(Use { shared, member: id, client, is_exclusive, is_open }))
    }

    /// Makes another connection, if there is room for one. The error: it cannot be made, and there
    /// is no other.
    fn make(self: &Arc<Self>, state: &mut State) -> Result<Option<u64>> {
        let now = Time::now();
        while let Some(server) = state.members.next_server(now) {
            match self.connect(state, server, now) {
                Ok(id) => return Ok(Some(id)),
                Err(error) => state.failed(server, error, now),
            }
        }
        match (state.members.is_empty(), &state.refusal) {
            (true, Some(error)) => Err(Error::new(error.code(), error.to_string())),
            _ => Ok(None),
        }
    }

    fn connect(self: &Arc<Self>, state: &mut State, server: usize, now: Time) -> Result<u64> {
        let _runtime = self.runtime.enter();
        let config = &self.config.client;
        let engine = SharedEngine::new(config.wait_policy)?;
        let name = &state.members.servers[server].name;
        let client = Client::start(&engine, name, config, Handlers::new(), true)?;
        let watched = |id| {
            let watcher = self.runtime.spawn(watch(Arc::downgrade(self), id, client.clone()));
            Watched { client, watcher: watcher.abort_handle() }
        };
        let id = state.members.add(server, watched, now);
        self.keeper.notify_one();
        Ok(id)
    }

    // ---- giving back ----

    fn give_back(self: &Arc<Self>, member: u64, is_exclusive: bool) {
        let mut state = self.lock();
        if let Some(member) = state.members.get(member) {
            // Its watcher may not have run since it opened, and another would be made beside it.
            member.is_open = member.client.client.state() == ClientState::Open;
        }
        state.members.end(member, is_exclusive, Time::now());
        let (is_closed, is_wanted) = (state.is_closed, !state.wants.is_empty());
        drop(state);
        if is_closed {
            self.drained.notify_waiters();
        } else if is_wanted {
            self.serve();
        }
    }

    /// Gives those who wait what there is.
    fn serve(self: &Arc<Self>) {
        loop {
            let mut state = self.lock();
            let Some(is_exclusive) = state.first().map(|want| want.is_exclusive) else { return };
            let Some(granted) = self.grant(&mut state, is_exclusive).transpose() else { return };
            let want = state.wants.pop_front();
            drop(state);
            // Without the lock, because one that is not taken is given back at once.
            drop(want.map(|want| want.grant.send(granted)));
        }
    }

    /// A connection has opened, or has no session any more.
    fn stands(self: &Arc<Self>, member: u64, is_open: bool) {
        if let Some(member) = self.lock().members.get(member) {
            member.is_open = is_open;
        }
        if is_open {
            self.serve();
        }
    }

    /// A connection is over. The error: no session of it came about, and the next may wait.
    fn over(self: &Arc<Self>, member: u64, refusal: Option<Error>) {
        let mut state = self.lock();
        let removed = state.members.remove(member);
        if let (Some(member), Some(error)) = (&removed, refusal) {
            state.failed(member.server, error, Time::now());
        }
        drop(state);
        drop(removed);
        self.keeper.notify_one();
        self.serve();
    }

    // ---- keeping ----

    /// Closes what is idle too long, makes what is missing, and serves those who wait if there is
    /// room by now. Returns when to do so again; `None`: the pool is closed.
    pub fn keep(self: &Arc<Self>) -> Option<Time> {
        let now = Time::now();
        let mut state = self.lock();
        if state.is_closed {
            return None;
        }
        let old = state.members.take_old(now);
        while let Some(server) = state.members.lacking(now) {
            if let Err(error) = self.connect(&mut state, server, now) {
                state.failed(server, error, now);
            }
        }
        drop(state);
        drop(old);
        self.serve();
        let state = self.lock();
        Some(state.members.due(now, !state.wants.is_empty()))
    }

    // ---- the end, and what is known ----

    /// Waits until nothing is in use any more, and closes all connections.
    pub async fn close(&self) {
        let wants = {
            let mut state = self.lock();
            state.is_closed = true;
            std::mem::take(&mut state.wants)
        };
        drop(wants);
        self.keeper.notify_one();
        loop {
            let mut drained = pin!(self.drained.notified());
            // Before looking, so that none is missed.
            drained.as_mut().enable();
            if self.lock().members.iter().all(Member::is_idle) {
                break;
            }
            drained.await;
        }
        let members = self.lock().members.take_all();
        for member in members {
            member.client.client.close().await;
        }
    }

    /// A lease was waited for so long.
    pub fn acquired(&self, span: Duration) {
        self.lock().acquired.record(span);
    }

    /// When a request is given up unless it says otherwise.
    pub fn timeout(&self) -> Duration {
        self.config.client.timeout
    }

    /// Whether any connection has a session, so that it may be waited for.
    pub fn has_open(&self) -> bool {
        self.lock().members.iter().any(|member| member.is_open)
    }

    /// How many servers there are.
    pub fn servers(&self) -> usize {
        self.lock().members.servers.len()
    }

    pub fn stats(&self) -> PoolStats {
        let state = self.lock();
        let count = |counts: fn(&Member<Watched>) -> bool| {
            state.members.iter().filter(|member| counts(member)).count()
        };
        let server = |(number, server): (usize, &Server)| {
            let is_open = |member: &&Member<_>| member.server == number && member.is_open;
            PoolServerStats {
                name: server.name.to_string(),
                size: server.size,
                open: state.members.iter().filter(is_open).count(),
                in_flight: server.in_flight,
                made: server.made,
            }
        };
        PoolStats {
            size: state.members.iter().count(),
            idle: count(Member::is_idle),
            leased: count(|member| member.is_leased),
            waiting: state.wants.iter().filter(|want| !want.grant.is_closed()).count(),
            made: state.members.servers.iter().map(|server| server.made).sum(),
            reused: state.reused,
            acquire_p50: state.acquired.percentile(50),
            acquire_p99: state.acquired.percentile(99),
            servers: state.members.servers.iter().enumerate().map(server).collect(),
        }
    }
}

impl Drop for Shared {
    fn drop(&mut self) {
        self.keeper.notify_one();
    }
}

impl State {
    /// Who comes next.
    fn first(&mut self) -> Option<&Want> {
        // Who has stopped waiting has given the place up.
        while self.wants.front().is_some_and(|want| want.grant.is_closed()) {
            self.wants.pop_front();
        }
        self.wants.front()
    }

    fn failed(&mut self, server: usize, error: Error, now: Time) {
        self.members.failed(server, now);
        self.refusal = Some(error);
    }
}

/// Knows when a connection opens and ends.
async fn watch(shared: Weak<Shared>, member: u64, client: Client) {
    let mut state = ClientState::Connecting;
    loop {
        let had_session = state == ClientState::Open;
        state = client.state_changed(state).await;
        let Some(shared) = shared.upgrade() else { return };
        if state == ClientState::Closed {
            let refusal = client.refusal().filter(|_| !had_session);
            return shared.over(member, refusal);
        }
        shared.stands(member, state == ClientState::Open);
    }
}

/// Keeps as many connections as there are to be, until the pool is gone.
pub(super) async fn keep(shared: Weak<Shared>, keeper: Arc<Notify>) {
    loop {
        let Some(due) = shared.upgrade().and_then(|shared| shared.keep()) else { return };
        ::tokio::select! {
            () = keeper.notified() => {}
            () = until(due) => {}
        }
    }
}
