//! Requests and streams of ours that have no outcome yet, and ends of streams.

use std::task::Waker;

use ipc_core::{Draft, LinkId, Result, Time};

use super::groups::GroupId;
use crate::api::Reply;

/// A request as its connection knows it.
#[derive(Clone, Copy)]
pub(super) struct Wire {
    pub link: LinkId,
    /// What it is called there.
    pub id: u64,
}

/// A request of ours.
pub(super) struct Call {
    /// Where it was sent; `None`: it waits for a session, or is over.
    pub wire: Option<Wire>,
    pub outcome: Option<Result<Reply>>,
    pub waker: Option<Waker>,
    /// What it takes to send it later.
    pub lasting: Option<Box<Lasting>>,
}

/// One end of a stream, and the tasks that wait there.
#[derive(Default)]
pub(super) struct StreamEnd {
    /// Where it was sent; `None`: it waits for a session.
    pub wire: Option<Wire>,
    pub reader: Option<Waker>,
    pub writer: Option<Waker>,
    /// Items to be read that came on an earlier session.
    pub stale: usize,
    /// This end has sent its last.
    pub is_finished: bool,
}

impl StreamEnd {
    /// The tasks that wait.
    pub fn take(&mut self) -> impl Iterator<Item = Waker> {
        self.reader.take().into_iter().chain(self.writer.take())
    }
}

/// What it takes to send a request for the first time, or again.
pub(super) struct Lasting {
    pub client: GroupId,
    pub draft: Draft,
    pub payload: Vec<u8>,
    pub deadline: Time,
    /// It is sent again when its session is lost.
    pub is_repeated: bool,
    pub was_sent: bool,
    /// Its place among those that wait.
    pub place: u64,
}
