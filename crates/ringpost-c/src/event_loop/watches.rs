//! Readers that a loop watches. All of them share one queue of the kernel's, of which a user has
//! few.

use std::collections::{HashMap, VecDeque};
use std::ffi::c_void;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use ipc_core::{Engine, Time, WatchId, Watcher};

use super::{Loop, Shared};
use crate::border::handle;
use crate::callbacks::{Callback, ReadyFn};
use crate::error::Error;
use crate::inbox::Happening;
use crate::status::Status;

/// How much later the last look is: the kernel says that a writer has died a moment before the lock
/// is free by which that is known.
const AT_LAST: Duration = Duration::from_millis(2);

/// Whether a reader has found something since its callback was called. Relaxed, because one thread
/// at a time uses a loop and what is on it.
#[derive(Clone, Default)]
struct News(Arc<AtomicBool>);

impl News {
    /// A read has found something.
    fn found(&self) {
        self.0.store(true, Ordering::Relaxed);
    }

    fn take(&self) -> bool {
        self.0.swap(false, Ordering::Relaxed)
    }
}

#[derive(Default)]
pub struct Watches {
    watcher: Option<Watcher>,
    watched: HashMap<WatchId, One>,
    /// Used again and again.
    changed: Vec<WatchId>,
}

struct One {
    callback: Callback<ReadyFn>,
    news: News,
    is_queued: bool,
    /// When to look again. A writer does not ring for each change, but if it does not, it has rung
    /// less than [`Watcher::LOOK_AGAIN`] before: so who has found something looks once more that
    /// much later, and when there was nothing new by then, a last time for the writer's end.
    due: Time,
    is_last: bool,
}

impl One {
    fn woken(&mut self, now: Time) {
        (self.due, self.is_last) = (now + Watcher::LOOK_AGAIN, false);
    }

    fn queue(&mut self, watch: WatchId, queue: &mut VecDeque<Happening>) {
        if !std::mem::replace(&mut self.is_queued, true) {
            queue.push_back(Happening::Ready { watch });
        }
    }
}

impl Watches {
    /// When something is due although nothing has rung. What waits for its callback is not: a call
    /// that waits meanwhile calls none, and would not sleep.
    pub fn due(&self) -> Time {
        let idle = self.watched.values().filter(|one| !one.is_queued);
        idle.map(|one| one.due).min().unwrap_or(Time::NEVER)
    }

    /// Queues what is to be looked at. Returns whether there is anything.
    pub fn look(&mut self, is_readable: bool, queue: &mut VecDeque<Happening>) -> bool {
        if let Some(watcher) = self.watcher.as_mut().filter(|_| is_readable) {
            // Also what is about readers that are gone: it would be there for ever.
            watcher.take(&mut self.changed);
        }
        if self.watched.is_empty() {
            self.changed.clear();
            return false;
        }
        let (now, before) = (Time::now(), queue.len());
        for watch in self.changed.drain(..) {
            if let Some(one) = self.watched.get_mut(&watch) {
                one.woken(now);
                one.queue(watch, queue);
            }
        }
        for (watch, one) in &mut self.watched {
            if now >= one.due {
                one.queue(*watch, queue);
            }
        }
        queue.len() > before
    }

    /// What to call for a watch that was queued.
    pub fn callback(&mut self, watch: WatchId) -> Option<Callback<ReadyFn>> {
        let one = self.watched.get_mut(&watch)?;
        one.is_queued = false;
        Some(one.callback)
    }

    /// It was called at this time.
    pub fn called(&mut self, watch: WatchId, at: Time) {
        let Some(one) = self.watched.get_mut(&watch) else { return };
        if one.news.take() {
            one.woken(at);
        } else if at >= one.due {
            one.due = if one.is_last { Time::NEVER } else { at + AT_LAST };
            one.is_last = true;
        }
    }

    fn add(
        &mut self,
        engine: &mut Engine,
        callback: Callback<ReadyFn>,
        begin: impl FnOnce(&mut Watcher) -> WatchId,
    ) -> Result<(WatchId, News), Error> {
        if self.watcher.is_none() {
            let watcher = Watcher::new()?;
            engine.attend(&watcher)?;
            self.watcher = Some(watcher);
        }
        let watcher = self.watcher.as_mut().expect("made above");
        let watch = begin(watcher);
        if let Err(failed) = watcher.check(watch) {
            watcher.remove(watch);
            return Err(failed.into());
        }
        let news = News::default();
        // There may be something by now, so that it is due at once.
        let (due, is_last, is_queued) = (Time::default(), false, false);
        let one = One { callback, news: news.clone(), is_queued, due, is_last };
        self.watched.insert(watch, one);
        Ok((watch, news))
    }

    fn remove(&mut self, watch: WatchId) {
        self.watched.remove(&watch);
        if let Some(watcher) = &mut self.watcher {
            watcher.remove(watch);
        }
    }
}

/// What a reader has of the loop that watches it, if one does.
#[derive(Default)]
pub struct Watched(Option<Place>);

/// Where it is on a loop.
struct Place {
    shared: Arc<Shared>,
    watch: WatchId,
    news: News,
}

impl Watched {
    /// Has a loop call back when there may be something to read, and no other one any more.
    pub fn begin(
        &mut self,
        event_loop: Option<&Loop>,
        callback: ReadyFn,
        data: *mut c_void,
        begin: impl FnOnce(&mut Watcher) -> WatchId,
    ) -> Result<Status, Error> {
        let (shared, callback) = (&handle(event_loop)?.0, Callback::of(callback, data)?);
        self.end()?;
        let (watch, news) = shared.with(|state| {
            let engine = &mut state.engine;
            state.watches.add(engine, callback, begin)
        })?;
        self.0 = Some(Place { shared: Arc::clone(shared), watch, news });
        Ok(Status::Ok)
    }

    /// The loop calls no more. An error: another thread is in it, and all is as it was.
    pub fn end(&mut self) -> Result<(), Error> {
        if let Some(Place { shared, watch, .. }) = &self.0 {
            shared.with(|state| {
                state.watches.remove(*watch);
                Ok(())
            })?;
        }
        self.0 = None;
        Ok(())
    }

    /// A read has found something, for which the loop may have called or not.
    pub fn found(&self) {
        if let Some(Place { news, .. }) = &self.0 {
            news.found();
        }
    }
}

#[cfg(test)]
mod tests {
    use ipc_core::{Place, StateFrameReader};

    use super::*;

    unsafe extern "C" fn ignores(_: *mut c_void) {}

    #[test]
    fn what_waits_for_its_callback_wakes_no_one_before_it_was_called() {
        let name = format!("ringpost-watches-{}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        let place = Place { directory: Some(directory.clone()), ..Place::default() };
        let reader = StateFrameReader::open("nothing", &place).unwrap();
        let mut engine = Engine::new().unwrap();
        let (mut watches, mut queue) = (Watches::default(), VecDeque::new());
        let callback = Callback::of(Some(ignores as unsafe extern "C" fn(_)), std::ptr::null_mut());
        let callback = callback.unwrap_or_else(|_| panic!("it is a function"));
        let begun = watches.add(&mut engine, callback, |watcher| reader.watch(watcher));
        let Ok((watch, _)) = begun else { panic!("it is not watched") };
        assert!(watches.due() <= Time::now());
        assert!(watches.look(false, &mut queue));
        assert_eq!(watches.due(), Time::NEVER);
        assert!(watches.callback(watch).is_some());
        watches.called(watch, Time::now());
        assert!(watches.due() != Time::NEVER, "a last look is to come");
        watches.remove(watch);
        drop(std::fs::remove_dir_all(directory));
    }
}
