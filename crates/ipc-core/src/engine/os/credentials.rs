//! The process and user at the other end of a socket, as the kernel reports them.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;

/// The process that connected, or that listened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Credentials {
    /// 0 for a process of a namespace this one cannot see into.
    pub pid: i32,
    /// Its effective user at that moment.
    pub uid: u32,
}

/// The effective user of this process.
pub(in crate::engine) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// Asked of the C library: the types of `rustix` have no room for a process without a number.
pub(in crate::engine) fn of_peer(socket: BorrowedFd<'_>) -> Result<Credentials, Errno> {
    let mut found = MaybeUninit::<libc::ucred>::uninit();
    let mut len = libc::socklen_t::try_from(size_of::<libc::ucred>()).expect("three words");
    // SAFETY: the socket is open, and `found` has room for the `len` bytes that are asked for.
    let status = unsafe {
        libc::getsockopt(
            socket.as_raw_fd(),
            libc::SOL_SOCKET,
            libc::SO_PEERCRED,
            found.as_mut_ptr().cast(),
            &raw mut len,
        )
    };
    if status != 0 {
        let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or_default();
        return Err(Errno::from_raw_os_error(errno));
    }
    if len as usize != size_of::<libc::ucred>() {
        return Err(Errno::INVAL);
    }
    // SAFETY: the call has succeeded and has written all of it; any bits are a valid value.
    let found = unsafe { found.assume_init() };
    Ok(Credentials { pid: found.pid, uid: found.uid })
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use std::os::fd::AsFd;
    use std::os::unix::net::UnixStream;

    #[test]
    fn the_other_end_of_a_pair_is_this_process() {
        let (here, _there) = UnixStream::pair().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(of_peer(here.as_fd()), Ok(Credentials { pid, uid: own_uid() }));
    }

    #[test]
    fn a_file_that_is_no_socket_has_no_peer() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(of_peer(file.as_fd()), Err(Errno::NOTSOCK));
    }
}
