//! What the engine asks of the operating system: everything another system does otherwise is here.
//!
//! [`Poller`](poller::Poller) is the one descriptor behind which everything waits that can wake an
//! engine, a timer among it. [`StopSignal`](stop_signal::StopSignal) ends a wait from another
//! thread, and [`Bell`](bell::Bell) wakes a peer that sleeps. [`watch`] reports when files were
//! touched and when they appear, [`credentials`] the process at the other end of a socket, and
//! [`socket`] is what servers listen at and handshakes travel over.

pub(super) mod bell;
pub(super) mod credentials;
pub(super) mod poller;
pub(super) mod socket;
pub(super) mod stop_signal;
pub(super) mod watch;
