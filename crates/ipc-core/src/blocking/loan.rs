//! Messages that are written where they will lie.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use super::endpoint::Endpoint;
use crate::engine::{LinkId, Room};
use crate::error::Result;
use crate::face::{CallOptions, Reply};
use crate::session::Draft;

/// Room for a one-way message, on loan in the memory shared with the peer, which sees nothing of it
/// before [`Loan::send`]. Dropping it sends nothing.
pub struct Loan<'a> {
    endpoint: &'a mut Endpoint,
    link: LinkId,
    draft: Draft,
    room: Room,
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
        let room = endpoint.engine.reserve(link, &draft, len)?;
        Ok(Self { endpoint, link, draft, room })
    }

    /// Bytes of the message.
    #[expect(clippy::len_without_is_empty, reason = "it is as long as was asked for")]
    pub fn len(&self) -> usize {
        self.room.len
    }

    /// Copies `bytes` to `offset` of the message. Panics where they would not fit.
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.endpoint.engine.fill(self.link, &self.room, offset, bytes);
    }

    /// Where the message lies, for those who make it in place: [`Self::len`] bytes, valid while
    /// this loan is, with anything in them until they are written. The peer can write there too, so
    /// they are reached through this pointer and never through a reference.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.endpoint.engine.room_pointer(self.link, &self.room)
    }

    /// Sends the message as it lies there now.
    pub fn send(self) -> Result<()> {
        self.endpoint.engine.send_room(self.link, &self.draft, &self.room)
    }
}

/// Room for a request, as [`Loan`].
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
        let draft = options.request(code, 0, &endpoint.face);
        let room = endpoint.engine.reserve(link, &draft, len)?;
        Ok(Self { loan: Loan { endpoint, link, draft, room } })
    }

    /// Sends the request as it lies there now, and waits for the answer.
    pub fn request(self) -> Result<Reply> {
        let Loan { endpoint, link, mut draft, room } = self.loan;
        let mut reply = Reply::default();
        draft.id = endpoint.begin(&mut reply.payload);
        let sent = endpoint.engine.send_room(link, &draft, &room);
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
