//! The task that waits for an engine.
//!
//! It drives the engine, polls a little longer after traffic and while an answer is outstanding, as
//! [`crate::WaitPolicy`] explains, and then sleeps until the engine's descriptor becomes readable
//! or it is nudged. Between two polls it lets the other tasks of its runtime run, and the peer too,
//! which may share the processor with it.

use std::hint;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ::tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use ::tokio::task::yield_now;
use ipc_core::{Engine, Time, WaitPolicy};

use super::dispatcher::Dispatcher;
use super::job::After;
use super::shared::Shared;
use crate::api::Turns;

/// Drives until no handle and no connection is left.
pub(super) fn run(shared: Arc<Shared>, fd: AsyncFd<OwnedFd>) -> impl Future<Output = ()> {
    // Made here, because a runtime may end before it has begun with this.
    let mut driver = Driver { shared, after: After::default() };
    async move { driver.run(&fd).await }
}

struct Driver {
    shared: Arc<Shared>,
    /// Used again and again.
    after: After,
}

/// What came of going to sleep.
enum ParkResult {
    /// There is nothing to do before this.
    Asleep(Time),
    /// Something has arrived meanwhile.
    Awake,
    /// There will never be anything to do again.
    Done,
}

impl Driver {
    async fn run(&mut self, fd: &AsyncFd<OwnedFd>) {
        let mut ready = None;
        loop {
            while self.spin().await {
                self.drive(Turns::drive_hot);
                yield_now().await;
            }
            if self.drive(Turns::drive) {
                // Tasks that were woken come first.
                yield_now().await;
                continue;
            }
            let due = match self.park() {
                ParkResult::Asleep(due) => due,
                ParkResult::Awake => continue,
                ParkResult::Done => return,
            };
            // Nothing was found and the engine is armed: what comes from now on is a new edge.
            if let Some(mut ready) = ready.take() {
                AsyncFdReadyGuard::clear_ready(&mut ready);
            }
            ::tokio::select! {
                () = self.shared.nudge.notified() => {}
                () = until(due) => {}
                readable = fd.readable() => match readable {
                    Ok(guard) => ready = Some(guard),
                    // The runtime is shutting down.
                    Err(_) => return,
                },
            }
        }
    }

    /// Drives the engine, and does what has come of it. Returns whether there was anything to do.
    fn drive(
        &mut self,
        how: impl FnOnce(&mut Turns, &mut Engine, &mut Dispatcher) -> bool,
    ) -> bool {
        let worked = self.shared.with_after(&mut self.after, |state| {
            state.asleep = false;
            how(&mut state.turns, &mut state.engine, &mut state.dispatcher)
        });
        self.shared.run_after(&mut self.after);
        worked
    }

    /// Polls hot links until one has something or the budget is used up. Returns whether one has.
    async fn spin(&self) -> bool {
        let budget = self.shared.spin_budget();
        if budget.is_zero() {
            return false;
        }
        for _ in 0..WaitPolicy::PAUSES {
            if self.shared.poll() {
                return true;
            }
            hint::spin_loop();
        }
        let until = Time::now() + budget;
        loop {
            for _ in 0..WaitPolicy::POLLS_PER_YIELD {
                if self.shared.poll() {
                    return true;
                }
            }
            if Time::now() >= until {
                return false;
            }
            // To other processes, and to the other tasks of this one.
            if self.shared.yield_now() {
                return self.shared.poll();
            }
            yield_now().await;
        }
    }

    fn park(&mut self) -> ParkResult {
        self.shared.with_after(&mut self.after, |state| {
            if state.is_done() {
                return ParkResult::Done;
            }
            state.asleep = state.engine.arm();
            if state.asleep { ParkResult::Asleep(state.dispatcher.due) } else { ParkResult::Awake }
        })
    }
}

/// Waits until then.
pub(super) async fn until(due: Time) {
    match due.remaining() {
        Some(left) => ::tokio::time::sleep(left).await,
        None => std::future::pending().await,
    }
}

impl Drop for Driver {
    /// All is done, or the runtime is shutting down: every wait ends.
    fn drop(&mut self) {
        self.shared.shut();
        self.shared.with(|state| {
            state.engine.drive(&mut state.dispatcher);
            state.dispatcher.end();
            state.over = true;
        });
    }
}
