//! Messages that are written where they will lie.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use ipc_core::{Draft, LinkId, Reservation, Result};

use super::endpoint::Endpoint;
use crate::api::{CallOptions, Reply};

/// Reservation for a one-way message, on loan in the memory shared with the peer, which sees nothing of it
/// before [`Loan::send`]. Dropping it sends nothing.
pub struct Loan<'a> {
    endpoint: &'a mut Endpoint,
    link: LinkId,
    draft: Draft,
    reservation: Reservation,
}

impl<'a> Loan<'a> {
    pub(super) fn new(
        endpoint: &'a mut Endpoint,
        link: LinkId,
        event: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<Self> {
        let draft = options.one_way(endpoint.engine.code(event)?);
        let reservation = endpoint.engine.reserve(link, &draft, len)?;
        Ok(Self { endpoint, link, draft, reservation })
    }

    /// Bytes of the message.
    #[expect(clippy::len_without_is_empty, reason = "it is as long as was asked for")]
    pub fn len(&self) -> usize {
        self.reservation.len
    }

    /// Copies `bytes` to `offset` of the message. Panics where they would not fit.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.endpoint.engine.fill(self.link, &self.reservation, offset, bytes);
    }

    /// Where the message lies, for those who make it in place: [`Self::len`] bytes, valid while
    /// this loan is, with anything in them until they are written. The peer can write there too, so
    /// they are reached through this pointer and never through a reference.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.endpoint.engine.reserved_pointer(self.link, &self.reservation)
    }

    /// Sends the message as it lies there now.
    pub fn send(self) -> Result<()> {
        self.endpoint.engine.send_reserved(self.link, &self.draft, &self.reservation)
    }
}

/// Reservation for a request, as [`Loan`].
pub struct RequestLoan<'a> {
    loan: Loan<'a>,
}

impl<'a> RequestLoan<'a> {
    pub(super) fn new(
        endpoint: &'a mut Endpoint,
        link: LinkId,
        method: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<Self> {
        let code = endpoint.engine.code(method)?;
        // The option block, which lies in front of the payload, is as long for every id.
        let draft = options.request(code, 0, endpoint.timeout);
        let reservation = endpoint.engine.reserve(link, &draft, len)?;
        Ok(Self { loan: Loan { endpoint, link, draft, reservation } })
    }

    /// Sends the request as it lies there now, and waits for the answer.
    pub fn request(self) -> Result<Reply> {
        let Loan { endpoint, link, mut draft, reservation } = self.loan;
        let mut reply = Reply::default();
        draft.id = endpoint.begin(&mut reply.payload);
        let sent = endpoint.engine.send_reserved(link, &draft, &reservation);
        reply.codec = endpoint.conclude(link, draft.id, sent, &mut reply.payload)?;
        Ok(reply)
    }
}

impl<'a> Deref for RequestLoan<'a> {
    type Target = Loan<'a>;

    fn deref(&self) -> &Loan<'a> {
        &self.loan
    }
}

impl DerefMut for RequestLoan<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.loan
    }
}
