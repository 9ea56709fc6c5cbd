//! The engine behind its lock, and what follows once the lock is released.

use std::future::poll_fn;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::task::Poll;
use std::time::Duration;

use ::tokio::runtime::Handle;
use ::tokio::sync::Notify;
use ipc_core::{Code, Engine, Error, LinkId, Result, Time, WaitPolicy};

use super::dispatcher::Dispatcher;
use super::groups::GroupId;
use super::job::{After, Handler, Job};
use super::sessions::Sessions;
use super::waits::Topic;
use crate::api::{FlowKey, Subscription, Turns};

/// What the handles, the driver and the handlers of all clients and servers of an engine share.
pub(super) struct Shared {
    state: Mutex<State>,
    wait_policy: WaitPolicy,
    pub runtime: Handle,
    /// Wakes the driver when there is work that does not make the engine's descriptor readable.
    pub nudge: Notify,
}

/// What the lock protects.
pub(super) struct State {
    pub engine: Engine,
    pub dispatcher: Dispatcher,
    pub turns: Turns,
    /// The driver sleeps: a caller that makes work for it nudges it.
    pub asleep: bool,
    /// Everything is to be closed: no handle is left.
    pub shut: bool,
    /// The driver has ended: nothing happens any more.
    pub over: bool,
}

impl State {
    /// Whether there is nothing left to drive for.
    pub fn is_done(&self) -> bool {
        self.shut && self.engine.links().is_empty()
    }

    /// The sessions of a client that has a handle.
    pub fn client(&mut self, group: GroupId) -> &mut Sessions {
        self.dispatcher.groups.get(group).client.as_mut().expect("it is a client's")
    }

    pub fn close(&mut self, link: LinkId) {
        self.engine.close(link, &mut self.dispatcher);
        self.dispatcher.hang_up(link);
    }

    /// The same, because the server goes.
    fn leave_now(&mut self, link: LinkId) {
        self.engine.leave_now(link, &mut self.dispatcher);
        self.dispatcher.hang_up(link);
    }

    /// Stops accepting for a server.
    pub fn close_listener(&mut self, group: GroupId) {
        let found = self.dispatcher.groups.get(group);
        found.retires = false;
        if let Some(listener) = found.listener.take() {
            self.engine.close_listener(listener);
        }
    }

    /// The same, but clients that were let in still become connections, and leave.
    pub fn retire_listener(&mut self, group: GroupId) {
        let found = self.dispatcher.groups.get(group);
        if let Some(listener) = found.listener {
            found.retires = true;
            self.engine.retire_listener(listener, &mut self.dispatcher);
        }
    }

    /// A client gets no further session: what waits for one ends.
    pub fn end_client(&mut self, group: GroupId) {
        if let Some(client) = &mut self.dispatcher.groups.get(group).client {
            client.close(None);
            self.dispatcher.fail_waiting(group);
            self.dispatcher.wake(Topic::Group(group));
        }
    }

    /// Closes a client or server. Returns its handlers, to be dropped without the lock.
    pub fn shut_group(&mut self, group: GroupId) -> Vec<Handler> {
        self.close_listener(group);
        self.end_client(group);
        let is_client = self.dispatcher.groups.get(group).client.is_some();
        for link in self.dispatcher.groups.links(group) {
            if is_client { self.close(link) } else { self.leave_now(link) }
        }
        let found = self.dispatcher.groups.get(group);
        found.shut = true;
        found.router.clear()
    }
}

impl Shared {
    pub fn new(engine: Engine, wait_policy: WaitPolicy, runtime: Handle) -> Self {
        let state = State {
            engine,
            dispatcher: Dispatcher::new(),
            turns: Turns::default(),
            asleep: false,
            shut: false,
            over: false,
        };
        Self { state: Mutex::new(state), wait_policy, runtime, nudge: Notify::new() }
    }

    /// Calls `act` with the state, and then does what follows from it: what it sent is shown to the
    /// peers, and once the lock is released handlers are spawned and tasks woken.
    pub fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut after = After::default();
        let result = self.with_after(&mut after, act);
        self.run_after(&mut after);
        result
    }

    /// The same for the driver, which calls [`Self::run_after`] itself and reuses its collection.
    pub fn with_after<T>(&self, after: &mut After, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state);
        let State { engine, dispatcher, asleep, .. } = &mut *state;
        dispatcher.send_refusals(engine);
        dispatcher.depart(engine);
        if !dispatcher.changed.is_empty() || dispatcher.due != Time::NEVER {
            dispatcher.go_on(engine);
        }
        engine.flush();
        std::mem::swap(&mut dispatcher.after, after);
        // A hot link has to be polled: its peer does not ring any more.
        let nudge = *asleep && (engine.is_hot() || std::mem::take(&mut dispatcher.hurries));
        *asleep &= !nudge;
        drop(state);
        if nudge {
            self.nudge.notify_one();
        }
        result
    }

    /// Does what was collected under the lock.
    pub fn run_after(self: &Arc<Self>, after: &mut After) {
        for job in after.requests.drain(..) {
            self.runtime.spawn(serve(Arc::clone(self), job));
        }
        for link in after.events.drain(..) {
            self.runtime.spawn(handle_events(Arc::clone(self), link));
        }
        after.cancelled.drain(..).for_each(|cancelled| cancelled.set());
        after.discarded.clear();
        after.wakers.drain(..).for_each(std::task::Waker::wake);
    }

    /// Looks whether the peer of a link has cancelled anything. Returns whether there was news.
    pub fn read_cancels(self: &Arc<Self>, link: LinkId) -> bool {
        self.lock().engine.has_controls(link)
            && self.with(|State { engine, dispatcher, .. }| engine.read_cancels(link, dispatcher))
    }

    /// Whether a hot link has something.
    pub fn poll(&self) -> bool {
        self.lock().engine.poll()
    }

    /// How long to poll before sleeping, as things stand.
    pub fn spin_budget(&self) -> Duration {
        self.lock().engine.spin_budget(&self.wait_policy)
    }

    /// Yields the processor between polls. Returns whether polling is of no use for now.
    pub fn yield_now(&self) -> bool {
        let from = Time::now();
        std::thread::yield_now();
        self.lock().engine.yielded(from, Time::now())
    }

    // A panic under the lock is a bug of this crate; the other connections go on all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a handler. The one it replaces, or it itself when it comes too late, is dropped without
    /// the lock, because it may hold handles.
    pub fn handle(self: &Arc<Self>, group: GroupId, name: &str, handler: Handler) {
        let useless = self.with(|state| {
            let group = state.dispatcher.groups.get(group);
            if group.shut { Some(handler) } else { group.router.handle(name, handler) }
        });
        drop(useless);
    }

    /// Adds a listener. One that comes too late is dropped without the lock, and never called.
    pub fn listen(
        self: &Arc<Self>,
        group: GroupId,
        name: &str,
        once: bool,
        handler: Handler,
    ) -> Subscription {
        let (subscription, useless) = self.with(|state| {
            let group = state.dispatcher.groups.get(group);
            let subscription = group.router.listen(name, once, handler);
            let useless = group.shut.then(|| group.router.stop_listening(subscription));
            (subscription, useless)
        });
        drop(useless);
        subscription
    }

    /// Removes a listener.
    pub fn stop_listening(self: &Arc<Self>, group: GroupId, subscription: Subscription) {
        let useless = self
            .with(|state| state.dispatcher.groups.get(group).router.stop_listening(subscription));
        drop(useless);
    }

    /// Waits until `ready` returns something; it is called again whenever the topic changes.
    pub async fn until<T>(
        self: &Arc<Self>,
        topic: Topic,
        ready: impl Fn(&mut State) -> Option<T>,
    ) -> T {
        let mut wait = Wait { shared: self, topic, ticket: None };
        poll_fn(|context| {
            // Wakers may run code of the application when they are cloned and dropped, which is why
            // both are done without the lock.
            let waker = context.waker().clone();
            let ticket = &mut wait.ticket;
            let (found, displaced) = self.with(|state| match ready(state) {
                None => (None, state.dispatcher.waits.wait(topic, ticket, waker)),
                found => (found, Some(waker)),
            });
            drop(displaced);
            found.map_or(Poll::Pending, Poll::Ready)
        })
        .await
    }

    /// Waits until nothing of a link waits for room in private memory any more.
    pub async fn drain(self: &Arc<Self>, link: LinkId, timeout: Duration) -> Result<()> {
        let dropped = |state: &State| state.engine.link_stats(link).map(|stats| stats.dropped);
        let before = self.with(|state| dropped(state));
        let drained = self.until(Topic::Link(link), |state| {
            if !state.engine.is_open(link) {
                return Some(Err(Error::new(Code::Closed, "the connection is over")));
            }
            let is_drained = !state.engine.want_drain_all(link);
            let outcome = || if dropped(state) == before { Ok(()) } else { Err(Error::dropped()) };
            is_drained.then(outcome)
        });
        let timed_out = |_| Error::new(Code::Timeout, "the peer does not read");
        ::tokio::time::timeout(timeout, drained).await.map_err(timed_out)?
    }

    /// Closes a connection and waits until it is over.
    pub async fn disconnect(self: &Arc<Self>, link: LinkId) {
        self.with(|state| state.close(link));
        let over = |state: &mut State| (state.over || !state.engine.is_open(link)).then_some(());
        self.until(Topic::Link(link), over).await;
    }

    /// Closes a client or server and waits until its connections are over.
    pub async fn close(self: &Arc<Self>, group: GroupId) {
        drop(self.with(|state| state.shut_group(group)));
        let over = |state: &mut State| {
            (state.over || state.dispatcher.groups.get(group).links == 0).then_some(())
        };
        self.until(Topic::Group(group), over).await;
    }

    /// The last handle of a client or server is gone: closes it without waiting.
    pub fn leave(self: &Arc<Self>, group: GroupId) {
        let handlers = self.with(|state| {
            let handlers = state.shut_group(group);
            state.dispatcher.groups.orphan(group);
            handlers
        });
        drop(handlers);
    }

    /// Closes everything. The driver ends when all that waits is written, or after a second.
    pub fn shut(self: &Arc<Self>) {
        let handlers = self.with(|state| {
            let groups = state.dispatcher.groups.ids();
            let handlers: Vec<_> =
                groups.into_iter().map(|group| state.shut_group(group)).collect();
            (state.shut, state.asleep) = (true, false);
            handlers
        });
        self.nudge.notify_one();
        drop(handlers);
    }
}

/// A task that waits for a topic, which may stop doing so at any time.
struct Wait<'a> {
    shared: &'a Arc<Shared>,
    topic: Topic,
    ticket: Option<u64>,
}

impl Drop for Wait<'_> {
    fn drop(&mut self) {
        if let Some(ticket) = self.ticket {
            let topic = self.topic;
            drop(self.shared.with(|state| state.dispatcher.waits.forget(topic, ticket)));
        }
    }
}

/// Runs the handler of a request and answers it.
async fn serve(shared: Arc<Shared>, job: Job) {
    let (link, message) = (job.link, job.message);
    if job.cancelled.is_set() {
        let key = FlowKey::Served(link, message.id);
        return drop(shared.with(|state| state.dispatcher.flows.forget(key)));
    }
    if let Some(outcome) = job.run().await {
        shared.with(|state| state.dispatcher.answer(&mut state.engine, link, &message, outcome));
    }
}

/// Handles the one-way messages of a connection, one after the other, while there are any.
async fn handle_events(shared: Arc<Shared>, link: LinkId) {
    let mut batch = Vec::new();
    while shared.with(|state| state.dispatcher.next_events(&mut state.engine, link, &mut batch)) {
        for job in batch.drain(..) {
            // A one-way message has no answer.
            if !job.cancelled.is_set() {
                drop(job.run().await);
            }
            // Handlers that never wait have to let other tasks run all the same.
            ::tokio::task::consume_budget().await;
        }
    }
}
