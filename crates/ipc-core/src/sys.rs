//! The one seam where a test makes system calls fail.
//!
//! Every call that can fail for want of a resource asks [`fault`] first. In production that is
//! nothing; with the feature `testing` the n-th ask fails, once or from then on, so that a test can
//! walk through all of them and see that nothing leaks and nothing panics.

#[cfg(not(feature = "testing"))]
#[inline(always)]
#[expect(clippy::unnecessary_wraps, reason = "the twin below fails")]
pub(crate) fn fault() -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(feature = "testing")]
pub(crate) use faults::fault;

/// Choosing which system call fails.
#[cfg(feature = "testing")]
pub mod faults {
    use std::cell::Cell;

    use rustix::io::Errno;

    thread_local! {
        static PLAN: Cell<Option<Plan>> = const { Cell::new(None) };
    }

    #[derive(Clone, Copy)]
    struct Plan {
        calls_left: u32,
        forever: bool,
        errno: Errno,
        failed: bool,
    }

    /// Lets the `n`-th call from now fail in this thread, counted from 0; `forever` all after it too.
    pub fn fail_nth(n: u32, forever: bool, errno: Errno) {
        PLAN.set(Some(Plan { calls_left: n, forever, errno, failed: false }));
    }

    /// Ends the plan. Returns whether a call did fail.
    pub fn stop() -> bool {
        PLAN.take().is_some_and(|plan| plan.failed)
    }

    pub(crate) fn fault() -> rustix::io::Result<()> {
        let Some(plan) = PLAN.get() else { return Ok(()) };
        if plan.calls_left > 0 {
            PLAN.set(Some(Plan { calls_left: plan.calls_left - 1, ..plan }));
            return Ok(());
        }
        if plan.failed && !plan.forever {
            return Ok(());
        }
        PLAN.set(Some(Plan { failed: true, ..plan }));
        Err(plan.errno)
    }
}
