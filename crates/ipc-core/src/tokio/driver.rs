//! The task that owns the waiting of one client or server.
//!
//! It drives the engine, looks a little longer after traffic and while an answer is outstanding, as
//! [`crate::Patience`] explains, and then sleeps until the engine's descriptor becomes readable or
//! somebody nudges it. Between two looks it lets the other tasks of its runtime run, and the other
//! end too, which may share the processor with it.

use std::hint;
use std::os::fd::OwnedFd;
use std::sync::Arc;

use ::tokio::io::unix::{AsyncFd, AsyncFdReadyGuard};
use ::tokio::task::yield_now;

use super::desk::{After, Desk};
use super::shared::Shared;
use crate::engine::{Engine, LOOKS_PER_YIELD, PAUSES};
use crate::face::Turns;
use crate::time::Time;

/// Drives until there is nothing left to drive for.
pub(super) async fn run(shared: Arc<Shared>, fd: AsyncFd<OwnedFd>) {
    Driver { shared, after: After::default() }.run(&fd).await;
}

struct Driver {
    shared: Arc<Shared>,
    /// Used again and again.
    after: After,
}

/// What came of going to sleep.
enum Bed {
    /// Nothing is there to be done.
    Asleep,
    /// Something has come meanwhile.
    Awake,
    /// Nothing will ever be there to be done.
    Done,
}

impl Driver {
    async fn run(&mut self, fd: &AsyncFd<OwnedFd>) {
        let mut ready = None;
        loop {
            while self.linger().await {
                self.drive(Turns::drive_hot);
                yield_now().await;
            }
            if self.drive(Turns::drive) {
                // Whoever was woken comes first.
                yield_now().await;
                continue;
            }
            match self.go_to_sleep() {
                Bed::Asleep => {}
                Bed::Awake => continue,
                Bed::Done => return,
            }
            // Nothing was found and the engine is armed: what comes from now on is a new edge.
            if let Some(mut ready) = ready.take() {
                AsyncFdReadyGuard::clear_ready(&mut ready);
            }
            ::tokio::select! {
                () = self.shared.nudge.notified() => {}
                readable = fd.readable() => match readable {
                    Ok(guard) => ready = Some(guard),
                    // The runtime is shutting down.
                    Err(_) => return,
                },
            }
        }
    }

    /// Drives the engine, and does what has come of it. Returns whether there was anything to do.
    fn drive(&mut self, how: impl FnOnce(&mut Turns, &mut Engine, &mut Desk) -> bool) -> bool {
        let worked = self.shared.with_after(&mut self.after, |state| {
            state.asleep = false;
            how(&mut state.turns, &mut state.engine, &mut state.desk)
        });
        self.after.run(&self.shared);
        worked
    }

    /// Looks at hot links until there is something or the budget is used up. Returns whether there
    /// is something.
    async fn linger(&self) -> bool {
        let budget = self.shared.look_budget();
        if budget.is_zero() {
            return false;
        }
        for _ in 0..PAUSES {
            if self.shared.look() {
                return true;
            }
            hint::spin_loop();
        }
        let until = Time::now() + budget;
        loop {
            for _ in 0..LOOKS_PER_YIELD {
                if self.shared.look() {
                    return true;
                }
            }
            if Time::now() >= until {
                return false;
            }
            // To other processes, and to the other tasks of this one.
            if self.shared.give_way() {
                return self.shared.look();
            }
            yield_now().await;
        }
    }

    fn go_to_sleep(&mut self) -> Bed {
        self.shared.with_after(&mut self.after, |state| {
            if state.is_done() {
                return Bed::Done;
            }
            state.asleep = state.engine.arm();
            if state.asleep { Bed::Asleep } else { Bed::Awake }
        })
    }
}

impl Drop for Driver {
    /// All is done, or the runtime is shutting down: whoever still waits has waited long enough.
    fn drop(&mut self) {
        self.shared.shut();
        self.shared.with(|state| {
            state.engine.drive(&mut state.desk);
            state.desk.end();
            state.over = true;
        });
    }
}
