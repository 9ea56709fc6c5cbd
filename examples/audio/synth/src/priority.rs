//! Real-time priority: the thread that has it runs as soon as it is woken, whatever else there is.

#![allow(unsafe_code, reason = "one call of the C library")]

use std::io;

/// Of the thread that is woken, and of the audio thread, which goes before it.
pub const DESK: i32 = 10;
pub const AUDIO: i32 = 20;

/// Gives it to this thread. That takes `RLIMIT_RTPRIO` (`ulimit -r`) or the capability
/// `CAP_SYS_NICE`.
pub fn raise(priority: i32) -> io::Result<()> {
    let param = libc::sched_param { sched_priority: priority };
    // SAFETY: the thread is this one, and the parameter lives until the call has returned.
    let failed = unsafe {
        libc::pthread_setschedparam(libc::pthread_self(), libc::SCHED_FIFO, &raw const param)
    };
    if failed == 0 { Ok(()) } else { Err(io::Error::from_raw_os_error(failed)) }
}
