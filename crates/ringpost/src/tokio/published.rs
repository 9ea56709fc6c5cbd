//! Waiting for changes of what is published, in tasks.

use std::collections::HashMap;
use std::future::Future;
use std::pin::Pin;
use std::sync::{Arc, Mutex, PoisonError, Weak};
use std::task::{Context, Poll};

use ::tokio::io::unix::AsyncFd;
use ::tokio::runtime::{Handle, Id};
use ::tokio::task::{AbortHandle, yield_now};
use ::tokio::time::{Instant, Sleep, sleep_until};
use ipc_core::{Code, Error, Result, Sleeper, WatchId, Watcher};

use super::engine::watch;
use crate::published::waiting::{Queue, Waiter};

/// The queue of one runtime, with the task that takes what comes.
struct Driven {
    queue: Arc<Queue>,
    driver: AbortHandle,
}

impl Drop for Driven {
    fn drop(&mut self) {
        self.driver.abort();
    }
}

impl Driven {
    /// That of the runtime this is called in. It is there as long as one of its tasks may wait.
    fn of_this_runtime() -> Result<Arc<Self>> {
        static ALL: Mutex<Option<HashMap<Id, Weak<Driven>>>> = Mutex::new(None);
        let runtime = Handle::try_current()
            .map_err(|_| Error::new(Code::InvalidArgument, "called outside of a tokio runtime"))?;
        let mut all = ALL.lock().unwrap_or_else(PoisonError::into_inner);
        let all = all.get_or_insert_default();
        all.retain(|_, driven| driven.strong_count() > 0);
        // Another runtime may have had this number before.
        let known = all.get(&runtime.id()).and_then(Weak::upgrade);
        if let Some(driven) = known.filter(|driven| !driven.queue.is_over()) {
            return Ok(driven);
        }
        let queue = Arc::new(Queue::new()?);
        let watching = |cause: std::io::Error| Error::from_io("watching what is published", &cause);
        let fd = watch(queue.descriptor()).map_err(watching)?;
        let driver = runtime.spawn(drive(Driver(Arc::clone(&queue)), fd)).abort_handle();
        let driven = Arc::new(Self { queue, driver });
        all.insert(runtime.id(), Arc::downgrade(&driven));
        Ok(driven)
    }
}

/// Ends the queue with the task, so that those who wait look for that of their own runtime.
struct Driver(Arc<Queue>);

impl Drop for Driver {
    fn drop(&mut self) {
        self.0.end();
    }
}

async fn drive(driver: Driver, fd: AsyncFd<Sleeper>) {
    // It fails when the runtime shuts down.
    while let Ok(mut readable) = fd.readable().await {
        // What comes after this is a new edge, and what came before is taken.
        readable.clear_ready();
        driver.0.take();
        // No more than some is taken at once, and what is left makes no edge.
        while driver.0.has_more() {
            yield_now().await;
            driver.0.take();
        }
    }
}

/// What waits for one reader, in whatever task that is.
#[derive(Default)]
pub(super) struct Waiting(Option<Started>);

struct Started {
    /// Declared first: it leaves the queue before the queue goes.
    waiter: Waiter,
    driven: Arc<Driven>,
    again: Pin<Box<Sleep>>,
}

impl Waiting {
    /// Looks. If `look` finds nothing, the task is woken when it is to be polled again; what is
    /// watched is added by `watch`, once for each runtime.
    pub fn poll<R, T>(
        &mut self,
        context: &mut Context<'_>,
        reader: &mut R,
        watch: impl FnOnce(&mut R, &mut Watcher) -> WatchId,
        mut look: impl FnMut(&mut R) -> Result<Option<T>>,
    ) -> Poll<Result<T>> {
        let started = match self.0.take().filter(|started| !started.is_over()) {
            Some(started) => self.0.insert(started),
            None => self.0.insert(Started::start(|watcher| watch(reader, watcher))?),
        };
        started.poll(context, || look(reader))
    }
}

impl Started {
    fn start(watch: impl FnOnce(&mut Watcher) -> WatchId) -> Result<Self> {
        let driven = Driven::of_this_runtime()?;
        let waiter = Waiter::new(Arc::clone(&driven.queue), watch);
        let started = Self { waiter, driven, again: Box::pin(sleep_until(Instant::now())) };
        if started.is_over() {
            return Err(Error::new(Code::Closed, "the tokio runtime is shutting down"));
        }
        Ok(started)
    }

    /// Whether its runtime is gone.
    fn is_over(&self) -> bool {
        self.driven.queue.is_over()
    }

    fn poll<T>(
        &mut self,
        context: &mut Context<'_>,
        mut look: impl FnMut() -> Result<Option<T>>,
    ) -> Poll<Result<T>> {
        loop {
            let now = self.waiter.start_look(Some(context.waker().clone()))?;
            let found = look()?;
            let due = self.waiter.looked(now, found.is_some());
            if let Some(found) = found {
                return Poll::Ready(Ok(found));
            }
            // It may have ended before it knew of this waker.
            if self.is_over() {
                context.waker().wake_by_ref();
                return Poll::Pending;
            }
            let Some(left) = due.remaining() else { return Poll::Pending };
            self.again.as_mut().reset(Instant::now() + left);
            if self.again.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
        }
    }
}
