//! Locks on single bytes of a file, which say that a process lives: the kernel drops them with the
//! last descriptor of the open file they were taken with, and anyone may ask about them.
//!
//! They belong to the open file, not to the process, so that two of one process are told apart and
//! closing another descriptor of the same file changes nothing. The C library is asked: `rustix`
//! knows such locks for whole files and has no question about them.

#![allow(unsafe_code)]

use std::ffi::{c_int, c_short};
use std::os::fd::{AsFd, AsRawFd};

use rustix::io::Errno;

/// Takes the lock of a byte of a file that is open for writing. Returns whether it was free.
pub(crate) fn take(file: &impl AsFd, byte: u64) -> Result<bool, Errno> {
    match control(file, libc::F_OFD_SETLK, libc::F_WRLCK, byte, 1) {
        Ok(_) => Ok(true),
        Err(Errno::AGAIN | Errno::ACCESS) => Ok(false),
        Err(cause) => Err(cause),
    }
}

/// Whether another open file holds it.
pub(crate) fn is_taken(file: &impl AsFd, byte: u64) -> Result<bool, Errno> {
    let found = control(file, libc::F_OFD_GETLK, libc::F_RDLCK, byte, 1)?;
    Ok(c_int::from(found) != libc::F_UNLCK)
}

/// Whether another open file holds that of any byte.
pub(crate) fn is_any_taken(file: &impl AsFd) -> Result<bool, Errno> {
    // A length of zero is to the end, wherever that is.
    let found = control(file, libc::F_OFD_GETLK, libc::F_RDLCK, 0, 0)?;
    Ok(c_int::from(found) != libc::F_UNLCK)
}

/// Returns the type of the lock as the call has left it.
fn control(
    file: &impl AsFd,
    command: c_int,
    kind: c_int,
    start: u64,
    len: libc::off_t,
) -> Result<c_short, Errno> {
    let small = |number: c_int| c_short::try_from(number).expect("constants of one byte");
    let mut lock = libc::flock {
        l_type: small(kind),
        l_whence: small(libc::SEEK_SET),
        l_start: i64::try_from(start).expect("a small offset"),
        l_len: len,
        l_pid: 0,
    };
    // SAFETY: the descriptor is open as long as it is borrowed, and the lock is a whole one.
    let status = unsafe { libc::fcntl(file.as_fd().as_raw_fd(), command, &raw mut lock) };
    if status == -1 {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or_default();
        return Err(Errno::from_raw_os_error(errno));
    }
    Ok(lock.l_type)
}
