//! The one seam where a test makes system calls fail, and what limits they can fail at.
//!
//! Every call that can fail for want of a resource asks [`fault`] first. In production that is
//! nothing; with the feature `testing` the n-th ask fails, once or from then on, so that a test can
//! walk through all of them and see that nothing leaks and nothing panics.
//!
//! Between any two steps by which a frame reaches the peer stands a [`kill_point`]: in production
//! nothing, in a test the place where the process dies, if the test has chosen it.

use std::os::fd::AsFd;
pub(crate) use std::os::fd::{BorrowedFd, OwnedFd};

use rustix::fs::{FallocateFlags, fallocate};
pub(crate) use rustix::io::Errno;
use rustix::process::{Resource, getrlimit};
pub(crate) use rustix::time::{ClockId, clock_gettime};

/// Bytes of a file for which room is taken by one call.
const ALLOCATED_AT_ONCE: usize = 1 << 20;

/// Bytes of the largest file this process may make. To make one larger is not an error but a
/// signal, so that it has to be known beforehand.
pub(crate) fn file_len_max() -> u64 {
    getrlimit(Resource::Fsize).current.unwrap_or(u64::MAX)
}

/// Takes the room for the first `len` bytes of a file, whose length is no less afterwards.
///
/// Some kernels give up, and give back what was taken, when a signal comes meanwhile: a part that
/// is small is done before the next one comes.
pub(crate) fn allocate(file: impl AsFd, len: usize) -> rustix::io::Result<()> {
    let mut taken = 0;
    while taken < len {
        let (start, part) = (taken as u64, ALLOCATED_AT_ONCE.min(len - taken));
        let room = FallocateFlags::empty();
        match fault().and_then(|()| fallocate(&file, room, start, part as u64)) {
            Ok(()) => taken += part,
            Err(Errno::INTR) => {}
            failed => return failed,
        }
    }
    Ok(())
}

/// The limit that a call has failed at, with its value, if that can be known.
pub(crate) fn limit_behind(cause: Errno) -> Option<String> {
    let (resource, what) = match cause {
        Errno::MFILE => {
            (Resource::Nofile, "descriptors a process may have (RLIMIT_NOFILE, ulimit -n)")
        }
        Errno::FBIG => (Resource::Fsize, "bytes a file may have (RLIMIT_FSIZE, ulimit -f)"),
        Errno::NOMEM => (Resource::As, "bytes a process may map (RLIMIT_AS, ulimit -v)"),
        _ => return None,
    };
    let value = getrlimit(resource).current?;
    Some(format!("the limit is {value} {what}"))
}

#[cfg(not(feature = "testing"))]
#[inline(always)]
#[expect(clippy::unnecessary_wraps, reason = "the twin below fails")]
pub(crate) fn fault() -> rustix::io::Result<()> {
    Ok(())
}

#[cfg(not(feature = "testing"))]
#[inline(always)]
pub(crate) fn kill_point(_: &'static str) {}

#[cfg(feature = "testing")]
pub(crate) use {faults::fault, kills::kill_point};

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

    /// Lets the `n`-th call from now fail in this thread, counted from 0; `forever` all after it
    /// too.
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

/// Choosing where the process dies, or a thread of it is held up.
#[cfg(feature = "testing")]
pub mod kills {
    use std::sync::atomic::{AtomicBool, Ordering};
    use std::sync::mpsc::{Receiver, Sender, channel};
    use std::sync::{Mutex, PoisonError};

    use rustix::process::{Signal, getpid, kill_process};

    /// Looked at first, so that a thread that may not wait for a lock never does.
    static PLANNED: AtomicBool = AtomicBool::new(false);
    static PLAN: Mutex<Option<Plan>> = Mutex::new(None);

    struct Plan {
        point: String,
        passages: u32,
        /// Whom to tell, and what to wait for; `None`: to die.
        hold: Option<(Sender<()>, Receiver<()>)>,
    }

    /// What has just been done at each of the places, in the order in which a frame passes them.
    pub const POINTS: [&str; 7] =
        ["payload", "header", "position", "count", "before the bell", "bell", "release"];

    /// The same in a handover: the new server has asked, the old one has sent its name, the new one
    /// has checked it, and confirmed, and the old one has read that.
    pub const HANDOVER_POINTS: [&str; 5] = ["asked", "lent", "adopted", "taken", "confirmed"];

    /// The same in the write of a state frame: what has just been stored.
    pub const FRAME_POINTS: [&str; 6] =
        ["stamp", "times", "value", "checksum", "stamped", "newest"];

    /// The same while a published file is made: it is whole; it has taken the place of the one
    /// before; that says so; its maker knows that it has its name.
    pub const FILE_POINTS: [&str; 4] = ["made", "exchanged", "superseded", "named"];

    /// The same in a change of a map, around that of the value itself: the entry is whole, is in
    /// the index or out of it, is emptied, and the change is counted.
    pub const MAP_POINTS: [&str; 4] = ["entry", "index", "emptied", "changes"];

    /// The same in a publish to a topic: what has just been stored, and that subscribers are rung.
    pub const TOPIC_POINTS: [&str; 6] = ["intent", "contents", "record", "tail", "shown", "ring"];

    /// Lets the process be killed at the `n`-th passage of `point` from now, counted from 0.
    pub fn die_at(point: &str, n: u32) {
        plan(point, n, None);
    }

    /// Lets the thread that makes that passage be held up there: it sends when it is, and goes on
    /// when the other end is dropped.
    pub fn hold_at(point: &str, n: u32) -> (Receiver<()>, Sender<()>) {
        let ((held, is_held), (go_on, is_over)) = (channel(), channel());
        plan(point, n, Some((held, is_over)));
        (is_held, go_on)
    }

    fn plan(point: &str, passages: u32, hold: Option<(Sender<()>, Receiver<()>)>) {
        let known: [&[&str]; 6] =
            [&POINTS, &HANDOVER_POINTS, &FRAME_POINTS, &FILE_POINTS, &MAP_POINTS, &TOPIC_POINTS];
        let is_known = known.iter().any(|points| points.contains(&point));
        assert!(is_known, "there is no point \"{point}\"");
        *PLAN.lock().unwrap_or_else(PoisonError::into_inner) =
            Some(Plan { point: point.into(), passages, hold });
        PLANNED.store(true, Ordering::Release);
    }

    pub(crate) fn kill_point(point: &'static str) {
        if !PLANNED.load(Ordering::Acquire) {
            return;
        }
        let mut plan = PLAN.lock().unwrap_or_else(PoisonError::into_inner);
        let Some(chosen) = plan.as_mut().filter(|plan| plan.point == point) else { return };
        if chosen.passages > 0 {
            chosen.passages -= 1;
            return;
        }
        let hold = plan.take().and_then(|plan| plan.hold);
        drop(plan);
        match hold {
            None => {
                let _ = kill_process(getpid(), Signal::KILL);
            }
            Some((held, is_over)) => {
                let _ = held.send(());
                let _ = is_over.recv();
            }
        }
    }
}

#[cfg(all(test, not(loom), feature = "testing"))]
mod tests {
    use rustix::fs::{MemfdFlags, fstat, memfd_create};

    use super::*;

    #[test]
    fn a_signal_does_not_keep_a_file_from_its_room() {
        let len = 5 << 19;
        for interrupted in 0..3 {
            let file = memfd_create("allocated", MemfdFlags::CLOEXEC).unwrap();
            faults::fail_nth(interrupted, false, Errno::INTR);
            let allocated = allocate(&file, len);
            assert!(faults::stop(), "there is no call {interrupted}");
            assert_eq!(allocated, Ok(()));
            let stat = fstat(&file).unwrap();
            assert_eq!(usize::try_from(stat.st_size), Ok(len));
            assert!(usize::try_from(stat.st_blocks).unwrap() >= len / 512);
        }
        let file = memfd_create("full", MemfdFlags::CLOEXEC).unwrap();
        faults::fail_nth(1, false, Errno::NOSPC);
        assert_eq!(allocate(&file, len), Err(Errno::NOSPC));
        faults::stop();
    }
}
