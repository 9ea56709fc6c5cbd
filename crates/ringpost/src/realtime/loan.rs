//! Messages that are written in place, in shared memory.

use std::ptr::NonNull;

use ipc_core::Reservation;

use super::{Link, Method, Wake};

/// Space for one message in the ring. Dropping it sends nothing.
///
/// ```
/// # use ringpost::realtime::{Link, Method, TrySendError};
/// # fn example(link: &mut Link, block: &Method, left: &[u8; 256]) -> Result<(), TrySendError> {
/// let mut both = link.loan(block, 512)?;
/// both.write(0, left);
/// both.write(256, &[0; 256]);
/// both.send();
/// # Ok(())
/// # }
/// ```
pub struct Loan<'a> {
    pub(super) link: &'a mut Link,
    pub(super) method: Method,
    pub(super) reservation: Reservation,
}

impl Loan<'_> {
    /// Bytes of the message.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// if let Ok(samples) = link.loan(block, 512) {
    ///     assert_eq!(samples.len(), 512);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::len_without_is_empty, reason = "it is as long as was asked for")]
    pub fn len(&self) -> usize {
        self.reservation.len
    }

    /// Copies `bytes` to `offset` of the message. Panics where they do not fit.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// if let Ok(mut samples) = link.loan(block, 512) {
    ///     samples.write(256, &[0; 256]);
    ///     samples.send();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.link.engine.fill(self.link.link, &self.reservation, offset, bytes);
    }

    /// Where the message lies, as [`crate::blocking::Loan::as_ptr`].
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.link.engine.reserved_pointer(self.link.link, &self.reservation)
    }

    /// Shows the message to the peer as it lies there now.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// if let Ok(mut samples) = link.loan(block, 512) {
    ///     samples.write(0, &[0; 512]);
    ///     assert!(matches!(samples.send(), Wake::Needed | Wake::NotNeeded));
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(self) -> Wake {
        let Self { link, method, reservation } = self;
        // Lengths and the state of the connection were looked at when the room was found.
        let sent = link.engine.send_reserved(link.link, &method.0, &reservation);
        debug_assert!(sent.is_ok(), "{sent:?}");
        if link.waker.is_needed() { Wake::Needed } else { Wake::NotNeeded }
    }
}
