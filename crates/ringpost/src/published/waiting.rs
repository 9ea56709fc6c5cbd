//! Waiting for changes of what is published, for threads and tasks alike.
//!
//! Any number of readers share a [`Queue`], because there are few of the kernel's per user. Of the
//! threads that wait, one is the *leader*: it sleeps in the kernel, takes what has come and wakes
//! those whom it concerns. When it leaves, it hands that over to the next. A reader that waits
//! alone leads, so that nothing stands between the kernel and it. Tasks have a driver in the
//! leader's place.
//!
//! ```text
//!   writer rings ──> | queue | ──> leader or driver ──┬──> thread, by its condition variable
//!                                                     └──> task, by its waker
//! ```

use std::collections::HashMap;
use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError, Weak};
use std::task::Waker;
use std::time::Duration;

use ipc_core::{Result, Sleeper, Time, WatchId, Watcher};

/// One queue of the kernel's, and who waits for it.
pub(crate) struct Queue {
    state: Mutex<State>,
    sleeper: Sleeper,
}

struct State {
    watcher: Watcher,
    watched: HashMap<WatchId, Watched>,
    /// Whether a thread sleeps in the kernel for all.
    is_led: bool,
    /// No one takes what comes any more.
    is_over: bool,
    /// Used again and again.
    changed: Vec<WatchId>,
}

/// What one reader waits for.
#[derive(Default)]
struct Watched {
    /// It may have changed since this was last asked.
    has_changed: bool,
    sleeps: Sleep,
}

/// How a reader waits.
#[derive(Default)]
enum Sleep {
    /// It does not.
    #[default]
    Awake,
    Thread(Arc<Condvar>),
    Task(Waker),
}

impl Queue {
    pub fn new() -> Result<Self> {
        let watcher = Watcher::new()?;
        let sleeper = watcher.sleeper();
        let state = State {
            watcher,
            watched: HashMap::new(),
            is_led: false,
            is_over: false,
            changed: Vec::new(),
        };
        Ok(Self { state: Mutex::new(state), sleeper })
    }

    /// The queue of all threads of this process that wait. It is there as long as one may wait.
    pub fn of_threads() -> Result<Arc<Self>> {
        static QUEUE: Mutex<Weak<Queue>> = Mutex::new(Weak::new());
        let mut queue = QUEUE.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(queue) = queue.upgrade() {
            return Ok(queue);
        }
        let made = Arc::new(Self::new()?);
        *queue = Arc::downgrade(&made);
        Ok(made)
    }

    /// What can be read when there is something to [take](Self::take).
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "it is for tasks"))]
    pub fn descriptor(&self) -> Sleeper {
        self.sleeper.clone()
    }

    /// Whether there is something to [take](Self::take).
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "threads lead themselves"))]
    pub fn has_more(&self) -> bool {
        self.sleeper.wait(Some(Duration::ZERO))
    }

    /// Takes what has come, as much as may be taken at once, and wakes those whom it concerns.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "threads lead themselves"))]
    pub fn take(&self) {
        let mut wakers = Vec::new();
        self.lock().take(&mut wakers);
        // Wakers may run code of the application, which may come back here.
        wakers.into_iter().for_each(Waker::wake);
    }

    /// No one takes what comes from now on: all who wait wake up, to find another queue.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "threads lead themselves"))]
    pub fn end(&self) {
        let mut wakers = Vec::new();
        let mut state = self.lock();
        state.is_over = true;
        for watched in state.watched.values_mut() {
            watched.wake(&mut wakers);
        }
        drop(state);
        wakers.into_iter().for_each(Waker::wake);
    }

    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "threads lead themselves"))]
    pub fn is_over(&self) -> bool {
        self.lock().is_over
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        // What is guarded is whole between any two of its lines.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Waits until `id` may have changed, but not beyond `until`. Returns whether it may have.
    fn wait(&self, id: WatchId, until: Time, wake: &Arc<Condvar>) -> bool {
        let mut state = self.lock();
        let has_changed = loop {
            if state.of(id).take_changed() {
                break true;
            }
            let left = until.remaining();
            if left.is_some_and(|left| left.is_zero()) {
                break false;
            }
            if !state.is_led {
                state.is_led = true;
                drop(state);
                self.sleeper.wait(left);
                let mut wakers = Vec::new();
                state = self.lock();
                state.take(&mut wakers);
                state.is_led = false;
                debug_assert!(wakers.is_empty(), "tasks have a queue of their own");
                continue;
            }
            state.of(id).sleeps = Sleep::Thread(Arc::clone(wake));
            state = match left {
                Some(left) => {
                    let waited = wake.wait_timeout(state, left);
                    waited.unwrap_or_else(PoisonError::into_inner).0
                }
                None => wake.wait(state).unwrap_or_else(PoisonError::into_inner),
            };
            state.of(id).sleeps = Sleep::Awake;
        };
        state.hand_over();
        has_changed
    }
}

impl State {
    fn of(&mut self, id: WatchId) -> &mut Watched {
        self.watched.get_mut(&id).expect("a waiter is watched until it is dropped")
    }

    fn take(&mut self, wakers: &mut Vec<Waker>) {
        let Self { watcher, watched, changed, .. } = self;
        watcher.take(changed);
        for id in changed.drain(..) {
            if let Some(watched) = watched.get_mut(&id) {
                watched.has_changed = true;
                watched.wake(wakers);
            }
        }
    }

    /// Has another thread lead, if there is one that sleeps. One that was woken already leads
    /// itself, or hands over in turn.
    fn hand_over(&self) {
        if self.is_led {
            return;
        }
        let next = self.watched.values().find_map(|watched| match &watched.sleeps {
            Sleep::Thread(wake) if !watched.has_changed => Some(wake),
            _ => None,
        });
        if let Some(wake) = next {
            wake.notify_one();
        }
    }
}

impl Watched {
    fn take_changed(&mut self) -> bool {
        std::mem::take(&mut self.has_changed)
    }

    fn wake(&mut self, wakers: &mut Vec<Waker>) {
        match &self.sleeps {
            Sleep::Awake => {}
            Sleep::Thread(wake) => wake.notify_one(),
            Sleep::Task(_) => {
                if let Sleep::Task(waker) = std::mem::take(&mut self.sleeps) {
                    wakers.push(waker);
                }
            }
        }
    }
}

/// One reader that waits for changes of what it reads.
pub(crate) struct Waiter {
    queue: Arc<Queue>,
    id: WatchId,
    wake: Arc<Condvar>,
    looks: Looks,
}

impl Waiter {
    /// Watches from now on what `watch` adds.
    pub fn new(queue: Arc<Queue>, watch: impl FnOnce(&mut Watcher) -> WatchId) -> Self {
        let mut state = queue.lock();
        let id = watch(&mut state.watcher);
        state.watched.insert(id, Watched::default());
        drop(state);
        Self { queue, id, wake: Arc::default(), looks: Looks::begun(Time::now()) }
    }

    /// The one a thread has waited with before, or its first.
    pub fn of_thread(
        before: Option<Self>,
        watch: impl FnOnce(&mut Watcher) -> WatchId,
    ) -> Result<Self> {
        before.map_or_else(|| Ok(Self::new(Queue::of_threads()?, watch)), Ok)
    }

    /// Looks, and then waits and looks again, until `look` has found something, but not beyond
    /// `until`. What was found may be only the newest of what has changed.
    pub fn wait_until<T>(
        &mut self,
        until: Time,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Result<Option<T>> {
        loop {
            let now = self.start_look(None)?;
            let found = look()?;
            let due = self.looks.done(now, found.is_some());
            if found.is_some() || now >= until {
                return Ok(found);
            }
            if self.queue.wait(self.id, due.min(until), &self.wake) {
                self.looks.woken(Time::now());
            }
        }
    }

    /// Before each look: from now on `waker`, if there is one, is woken by what changes. Returns
    /// the time of the look. An error: nothing wakes it, because not all of it can be watched.
    pub fn start_look(&mut self, waker: Option<Waker>) -> Result<Time> {
        let now = Time::now();
        let mut state = self.queue.lock();
        state.watcher.check(self.id)?;
        let watched = state.of(self.id);
        if watched.take_changed() {
            self.looks.woken(now);
        }
        let sleeps = waker.map_or(Sleep::Awake, Sleep::Task);
        let before = std::mem::replace(&mut watched.sleeps, sleeps);
        drop(state);
        // It may run code of the application.
        drop(before);
        Ok(now)
    }

    /// After each look: returns when to look again if nothing wakes this before.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "threads wait here"))]
    pub fn looked(&mut self, at: Time, has_found: bool) -> Time {
        self.looks.done(at, has_found)
    }
}

impl Drop for Waiter {
    fn drop(&mut self) {
        let mut state = self.queue.lock();
        state.watcher.remove(self.id);
        let forgotten = state.watched.remove(&self.id);
        drop(state);
        drop(forgotten);
    }
}

/// When to look. A writer does not ring for each change, but if it does not, then it has rung less
/// than [`Watcher::LOOK_AGAIN`] before. So who was woken, or has begun to watch, or has found
/// something, looks once more that much later. When there was nothing new by then it looks a last
/// time, for the end of the writer, and sleeps.
struct Looks {
    /// When that is; [`Time::NEVER`]: it was done.
    due: Time,
    /// The next one is the last one.
    is_last: bool,
}

/// How much later the last look is: the kernel says that a writer has died a moment before the lock
/// is free by which that is known.
const AT_LAST: Duration = Duration::from_millis(2);

impl Looks {
    fn begun(now: Time) -> Self {
        Self { due: now + Watcher::LOOK_AGAIN, is_last: false }
    }

    fn woken(&mut self, now: Time) {
        *self = Self::begun(now);
    }

    /// A look that was begun `at` this time is over. Returns when the next one is due.
    fn done(&mut self, at: Time, has_found: bool) -> Time {
        if has_found {
            self.woken(at);
        } else if at >= self.due {
            self.due = if self.is_last { Time::NEVER } else { at + AT_LAST };
            self.is_last = true;
        }
        self.due
    }
}

#[cfg(test)]
mod tests;
