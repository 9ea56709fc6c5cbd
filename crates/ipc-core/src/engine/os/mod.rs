//! What the engine asks of the operating system: everything another system does otherwise is here.
//!
//! [`Poller`](poller::Poller) is the one descriptor behind which everything waits that can wake an
//! engine, a timer among it. [`StopSignal`](stop_signal::StopSignal) ends a wait from another
//! thread, and [`Bell`](bell::Bell) wakes a peer that sleeps, or has a [`Stream`](stream::Stream)
//! send what there is for it. [`watch`] reports when files were touched and when they appear,
//! [`credentials`] the process at the other end of a socket, and [`socket`] is what servers listen
//! at and handshakes travel over. A [`byte_lock`] says that a process lives, and [`file_id`] tells
//! files apart.

pub(super) mod bell;
pub(crate) mod byte_lock;
pub(crate) mod credentials;
pub(crate) mod file_id;
pub(super) mod poller;
pub(super) mod socket;
pub(super) mod stop_signal;
pub(super) mod stream;
pub(crate) mod watch;

/// The number of this thread, as the system shows it to people.
pub(super) fn thread_number() -> u64 {
    u64::try_from(rustix::thread::gettid().as_raw_nonzero().get()).unwrap_or_default()
}

/// Whether it is so before long. A process that another test is about to start has a copy of every
/// descriptor for a moment: until then none of them is closed.
#[cfg(all(test, not(loom)))]
fn soon(mut is_so: impl FnMut() -> bool) -> bool {
    let given_up = std::time::Instant::now() + std::time::Duration::from_secs(20);
    loop {
        if is_so() {
            return true;
        }
        if std::time::Instant::now() >= given_up {
            return false;
        }
        std::thread::yield_now();
    }
}
