//! The process and user at the other end of a socket, as the kernel reports them.

#![allow(unsafe_code)]

use std::mem::MaybeUninit;
use std::os::fd::{AsRawFd, BorrowedFd};

use rustix::io::Errno;
use rustix::net::sockopt;

use crate::sys;

/// The process that connected, that listened, or that has sent something.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) struct Credentials {
    /// 0 for a process of a namespace this one cannot see into.
    pub pid: i32,
    /// Its effective user at that moment.
    pub uid: u32,
}

/// The effective user of this process.
pub(crate) fn own_uid() -> u32 {
    rustix::process::geteuid().as_raw()
}

/// This process, as the kernel reports it to peers.
pub(in crate::engine) fn own_pid() -> Option<u32> {
    Some(std::process::id())
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
        return Err(last_error());
    }
    if len as usize != size_of::<libc::ucred>() {
        return Err(Errno::INVAL);
    }
    // SAFETY: the call has succeeded and has written all of it; any bits are a valid value.
    let found = unsafe { found.assume_init() };
    Ok(Credentials { pid: found.pid, uid: found.uid })
}

/// Has the kernel say of what is sent to this socket from now on who sends it, or say so no more.
pub(in crate::engine) fn note_senders(socket: BorrowedFd<'_>, on: bool) -> Result<(), Errno> {
    sys::fault()?;
    sockopt::set_socket_passcred(socket, on)
}

/// What the kernel puts beside bytes, where there is room for nothing more.
#[repr(C)]
struct Beside {
    head: libc::cmsghdr,
    sender: libc::ucred,
}

/// Who has sent what is to be read next; `None` at its end, and [`Errno::AGAIN`] if nothing has
/// come yet. Nothing is read, and descriptors that came as well stay where they are: the sender is
/// said first, and there is no room for them.
pub(in crate::engine) fn of_sender(socket: BorrowedFd<'_>) -> Result<Option<Credentials>, Errno> {
    let mut byte = [0_u8; 1];
    let mut into = libc::iovec { iov_base: byte.as_mut_ptr().cast(), iov_len: byte.len() };
    let mut beside = MaybeUninit::<Beside>::zeroed();
    // SAFETY: a message header of zeros is one without any part.
    let mut message: libc::msghdr = unsafe { std::mem::zeroed() };
    message.msg_iov = &raw mut into;
    message.msg_iovlen = 1;
    message.msg_control = beside.as_mut_ptr().cast();
    message.msg_controllen = length(size_of::<Beside>());
    let flags = libc::MSG_PEEK | libc::MSG_DONTWAIT | libc::MSG_CMSG_CLOEXEC;
    sys::fault()?;
    // SAFETY: the socket is open, and the header describes a byte and as much room as `beside` has.
    let came = unsafe { libc::recvmsg(socket.as_raw_fd(), &raw mut message, flags) };
    if came < 0 {
        return match last_error() {
            Errno::CONNRESET => Ok(None),
            errno => Err(errno),
        };
    }
    if came == 0 {
        return Ok(None);
    }
    // SAFETY: it was zeroed, and the kernel has written whole words of it; any bits are valid.
    let Beside { head, sender } = unsafe { beside.assume_init() };
    let is_sender = head.cmsg_level == libc::SOL_SOCKET && head.cmsg_type == libc::SCM_CREDENTIALS;
    if !is_sender {
        return Err(Errno::INVAL);
    }
    Ok(Some(Credentials { pid: sender.pid, uid: sender.uid }))
}

/// A length as this C library has it: in glibc a `usize`, in musl a `u32`.
fn length<T: TryFrom<usize, Error: std::fmt::Debug>>(len: usize) -> T {
    T::try_from(len).expect("a few words")
}

fn last_error() -> Errno {
    let errno = std::io::Error::last_os_error().raw_os_error().unwrap_or_default();
    Errno::from_raw_os_error(errno)
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::super::soon;
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
    fn the_sender_is_known_before_anything_is_read_and_descriptors_stay() {
        let (here, there) = UnixStream::pair().unwrap();
        let pid = i32::try_from(std::process::id()).unwrap();
        assert_eq!(of_sender(here.as_fd()), Err(Errno::AGAIN), "nothing has come");
        note_senders(here.as_fd(), true).unwrap();
        let space = &mut [MaybeUninit::uninit(); rustix::cmsg_space!(ScmRights(1))];
        let mut ancillary = rustix::net::SendAncillaryBuffer::new(space);
        let (descriptors, flags) = ([there.as_fd()], rustix::net::SendFlags::empty());
        ancillary.push(rustix::net::SendAncillaryMessage::ScmRights(&descriptors));
        let bytes = [std::io::IoSlice::new(b"bytes")];
        rustix::net::sendmsg(&there, &bytes, &mut ancillary, flags).unwrap();
        for _ in 0..2 {
            assert_eq!(of_sender(here.as_fd()), Ok(Some(Credentials { pid, uid: own_uid() })));
        }
        let mut bytes = [0; 8];
        assert_eq!(std::io::Read::read(&mut &here, &mut bytes).unwrap(), 5);
        drop(there);
        assert!(soon(|| of_sender(here.as_fd()) == Ok(None)), "the end has no sender");
    }

    #[test]
    fn a_file_that_is_no_socket_has_no_peer() {
        let file = std::fs::File::open("/dev/null").unwrap();
        assert_eq!(of_peer(file.as_fd()), Err(Errno::NOTSOCK));
    }
}
