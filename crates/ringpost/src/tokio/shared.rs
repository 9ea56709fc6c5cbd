//! What the handles, the driver and the handlers of one client or server share.

use std::os::fd::{AsFd, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ::tokio::io::Interest;
use ::tokio::io::unix::AsyncFd;
use ::tokio::runtime::Handle;
use ::tokio::sync::Notify;
use ipc_core::{Code, Draft, Engine, Error, LinkId, ListenerId, Result, Sent, Time};

use super::call::Call;
use super::dispatcher::{After, Dispatcher};
use super::driver;
use super::handler::{Handler, Handlers};
use super::stream::Streaming;
use crate::api::{ApiOptions, CallOptions, FlowKey, Subscription, Turns, item_draft};

pub(super) struct Shared {
    state: Mutex<State>,
    pub api: ApiOptions,
    pub runtime: Handle,
    /// Wakes the driver when there is something to do that the engine's descriptor does not tell.
    pub nudge: Notify,
    /// A connection came, went, or was drained, or all is over: whoever waits looks again.
    pub changed: Notify,
}

/// What the lock protects.
pub(super) struct State {
    pub engine: Engine,
    pub dispatcher: Dispatcher,
    pub turns: Turns,
    pub listener: Option<ListenerId>,
    /// The driver sleeps: whoever makes work for it nudges it.
    pub asleep: bool,
    /// Everything is to be closed.
    pub shut: bool,
    /// The driver is gone: nothing happens any more.
    pub over: bool,
}

/// A one-way message somebody waits for to be sent.
struct Waiting<'a> {
    shared: &'a Arc<Shared>,
    id: u64,
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.shared.with(|state| state.dispatcher.sends.remove(self.id));
    }
}

/// The last one to be dropped closes everything.
pub(super) struct Owner(pub Arc<Shared>);

impl Drop for Owner {
    fn drop(&mut self) {
        self.0.shut();
    }
}

impl Owner {
    /// Starts a driver for an engine that `prepare` has given something to do.
    pub fn start<T>(
        api: ApiOptions,
        handlers: Handlers,
        prepare: impl FnOnce(&mut State) -> Result<T>,
    ) -> Result<(Self, T)> {
        let runtime = Handle::try_current()
            .map_err(|_| Error::new(Code::InvalidArgument, "called outside of a tokio runtime"))?;
        let mut state = State {
            engine: Engine::new()?,
            dispatcher: Dispatcher::new(handlers),
            turns: Turns::default(),
            listener: None,
            asleep: false,
            shut: false,
            over: false,
        };
        let prepared = prepare(&mut state)?;
        let watching = |cause: std::io::Error| Error::from_io("watching the engine", &cause);
        // A descriptor of its own, because the engine lives behind the lock.
        let fd = state.engine.as_fd().try_clone_to_owned().map_err(watching)?;
        let fd = watch(fd).map_err(watching)?;
        let shared = Arc::new(Shared {
            state: Mutex::new(state),
            api,
            runtime,
            nudge: Notify::new(),
            changed: Notify::new(),
        });
        shared.runtime.spawn(driver::run(Arc::clone(&shared), fd));
        Ok((Self(shared), prepared))
    }
}

impl Shared {
    /// Lets `act` loose on the state, and then does what it has led to: what it sent is shown to the
    /// peers, and once the lock is released handlers are spawned and tasks woken.
    pub fn with<T>(self: &Arc<Self>, act: impl FnOnce(&mut State) -> T) -> T {
        let mut after = After::default();
        let result = self.with_after(&mut after, act);
        after.run(self);
        result
    }

    /// The same for the driver, which does the rest itself and uses its collection again.
    pub fn with_after<T>(&self, after: &mut After, act: impl FnOnce(&mut State) -> T) -> T {
        let mut state = self.lock();
        let result = act(&mut state);
        let State { engine, dispatcher, asleep, .. } = &mut *state;
        dispatcher.send_refusals(engine);
        engine.flush();
        std::mem::swap(&mut dispatcher.after, after);
        // A link is hot when there is something to look at, and its peer does not ring any more.
        let nudge = *asleep && engine.is_hot();
        *asleep &= !nudge;
        drop(state);
        if nudge {
            self.nudge.notify_one();
        }
        result
    }

    /// Looks whether the peer of a link has cancelled anything. Returns whether there was news.
    pub fn read_cancels(self: &Arc<Self>, link: LinkId) -> bool {
        self.lock().engine.has_controls(link)
            && self.with(|State { engine, dispatcher, .. }| engine.read_cancels(link, dispatcher))
    }

    /// Looks whether a hot link has something.
    pub fn poll(&self) -> bool {
        self.lock().engine.poll()
    }

    /// How long to look before sleeping, as things stand.
    pub fn spin_budget(&self) -> Duration {
        self.lock().engine.spin_budget(&self.api.wait_policy)
    }

    /// Gives the processor away between looks. Returns whether looking is no use for now.
    pub fn yield_now(&self) -> bool {
        let from = Time::now();
        std::thread::yield_now();
        self.lock().engine.yielded(from, Time::now())
    }

    // A panic under the lock is a bug of this crate; the connections of the others go on all the same.
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Sets a handler. The one it replaces, or it itself when it comes too late, is dropped without
    /// the lock, because it may hold handles.
    pub fn handle(self: &Arc<Self>, name: &str, handler: Handler) {
        let useless = self.with(|state| match state.shut {
            true => Some(handler),
            false => state.dispatcher.router.handle(name, handler),
        });
        drop(useless);
    }

    /// Listens to a name. Who comes too late is dropped without the lock, and hears nothing.
    pub fn listen(self: &Arc<Self>, name: &str, once: bool, handler: Handler) -> Subscription {
        let (subscription, useless) = self.with(|state| {
            let subscription = state.dispatcher.router.listen(name, once, handler);
            let useless = state.shut.then(|| state.dispatcher.router.stop_listening(subscription));
            (subscription, useless)
        });
        drop(useless);
        subscription
    }

    /// Ends that.
    pub fn stop_listening(self: &Arc<Self>, subscription: Subscription) {
        let useless = self.with(|state| state.dispatcher.router.stop_listening(subscription));
        drop(useless);
    }

    /// Sends a request.
    pub fn request(
        self: &Arc<Self>,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Call {
        let sent = self.with(|state| {
            let code = state.engine.code(method)?;
            let id = state.dispatcher.begin(link);
            let draft = options.request(code, id, &self.api);
            match state.engine.send(link, &draft, payload) {
                Ok(_) => Ok(id),
                Err(error) => {
                    state.dispatcher.forget(id);
                    Err(error)
                }
            }
        });
        Call::new(Arc::clone(self), link, sent)
    }

    /// Sends a request with items.
    pub fn stream(
        self: &Arc<Self>,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming> {
        let (key, draft) = self.with(|state| {
            let code = state.engine.code(method)?;
            let id = state.dispatcher.begin(link);
            let draft = options.stream(code, id);
            match state.engine.send(link, &draft, payload) {
                Ok(_) => {
                    let key = FlowKey { link, ours: true, id };
                    state.dispatcher.flows.open(key);
                    Ok((key, item_draft(&draft, key)))
                }
                Err(error) => {
                    state.dispatcher.forget(id);
                    Err(error)
                }
            }
        })?;
        Ok(Streaming::new(Arc::clone(self), key, draft))
    }

    /// Sends a message nobody answers.
    pub fn notify(
        self: &Arc<Self>,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Sent> {
        self.with(|state| {
            let draft = options.one_way(state.engine.code(event)?);
            state.engine.send(link, &draft, payload)
        })
    }

    /// Sends a message nobody answers, and waits until it is written or its lane has given up.
    pub async fn send(
        self: &Arc<Self>,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<()> {
        let (id, sent) = self.with(|state| {
            let id = state.dispatcher.sends.insert(None);
            let sent = state.engine.code(event).and_then(|code| {
                let draft = Draft { id, ..options.one_way(code) };
                state.engine.send(link, &draft, payload)
            });
            (id, sent)
        });
        let waiting = Waiting { shared: self, id };
        let outcome = match sent? {
            Sent::Queued => self.until(|state| state.sent(id)).await,
            Sent::Dropped => Err(Error::dropped()),
            _ => Ok(()),
        };
        drop(waiting);
        outcome
    }

    /// Waits until nothing of a link waits for room in private memory any more.
    pub async fn drain(self: &Arc<Self>, link: LinkId, timeout: Duration) -> Result<()> {
        let dropped = |state: &State| state.engine.link_stats(link).map(|stats| stats.dropped);
        let before = self.with(|state| dropped(state));
        let drained = self.until(|state| {
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

    /// Waits until `ready` finds something, which it is asked again after every change.
    pub async fn until<T>(self: &Arc<Self>, ready: impl Fn(&mut State) -> Option<T>) -> T {
        loop {
            // Made before the look, so that no change falls between the two.
            let changed = self.changed.notified();
            if let Some(found) = self.with(&ready) {
                return found;
            }
            changed.await;
        }
    }

    /// Closes a connection.
    pub fn disconnect(self: &Arc<Self>, link: LinkId) {
        self.with(|state| state.close(link));
    }

    /// Closes everything. The driver ends when all that waits is written, or a second is over.
    pub fn shut(self: &Arc<Self>) {
        let handlers = self.with(|state| {
            if let Some(listener) = state.listener.take() {
                state.engine.close_listener(listener);
            }
            for link in state.engine.links() {
                state.close(link);
            }
            (state.shut, state.asleep) = (true, false);
            state.dispatcher.router.clear()
        });
        self.nudge.notify_one();
        drop(handlers);
    }

    /// Closes everything and waits until that is done.
    pub async fn close(self: &Arc<Self>) {
        self.shut();
        self.until(|state| state.over.then_some(())).await;
    }
}

// What replaces this is unsafe, for the sake of types that may close their descriptor or change it
// while it is watched. An `OwnedFd` does neither.
#[allow(deprecated)]
fn watch(fd: OwnedFd) -> std::io::Result<AsyncFd<OwnedFd>> {
    AsyncFd::with_interest(fd, Interest::READABLE)
}

impl State {
    fn close(&mut self, link: LinkId) {
        self.engine.close(link, &mut self.dispatcher);
        self.dispatcher.hang_up(link);
    }

    /// What became of a message that waited, once that is known.
    fn sent(&mut self, id: u64) -> Option<Result<()>> {
        let over = || Err(Error::new(Code::Closed, "the connection is over"));
        self.dispatcher.sends.get_mut(id)?.take().or_else(|| self.over.then(over))
    }

    /// Whether there is nothing left to drive for.
    pub fn is_done(&self) -> bool {
        self.listener.is_none() && self.engine.links().is_empty()
    }
}
