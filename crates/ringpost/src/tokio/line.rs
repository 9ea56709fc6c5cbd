//! An open connection, as the dispatcher knows it.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Draft, Engine, LinkId, Message, Peer, Result};

use super::events::Events;
use super::in_flight::Wire;
use super::job::{After, Cancelled, Handler, Job};
use super::spans::Name;
use crate::api::Calls;

/// An open connection.
pub(super) struct Line {
    pub link: LinkId,
    pub peer: Arc<Peer>,
    /// Requests of ours, by the ids that they have on this connection. How many there may be was
    /// agreed for this connection alone, so what is asked over others takes none of these.
    pub asked: Calls<u64>,
    /// Requests of the peer that are being handled.
    pub serving: HashMap<u64, Cancelled>,
    pub events: Events,
    /// This side has closed the connection.
    pub hung_up: Cancelled,
    /// The last answer to a ping.
    pub pong: Option<(u64, Duration)>,
    /// It is closed once nothing is in flight.
    pub closes_when_idle: bool,
}

impl Line {
    pub fn new(link: LinkId, peer: &Peer) -> Self {
        Self {
            link,
            peer: Arc::new(peer.clone()),
            asked: Calls::new(),
            serving: HashMap::new(),
            events: Events::default(),
            hung_up: Cancelled::default(),
            pong: None,
            closes_when_idle: false,
        }
    }

    /// Sends the request of ours that is known as `id`, by whatever it is called here.
    #[inline]
    pub fn ask(
        &mut self,
        engine: &mut Engine,
        id: u64,
        draft: Draft,
        payload: &[u8],
    ) -> Result<Wire> {
        let wire = Wire { link: self.link, id: self.asked.insert(id) };
        match engine.send(self.link, &Draft { id: wire.id, ..draft }, payload) {
            Ok(_) => Ok(wire),
            Err(error) => {
                self.asked.remove(wire.id);
                Err(error)
            }
        }
    }

    pub fn job(
        &self,
        handler: Handler,
        name: Name,
        message: &Message,
        payload: Vec<u8>,
        cancelled: Cancelled,
    ) -> Job {
        let (link, peer) = (self.link, Arc::clone(&self.peer));
        Job { handler, name, payload, message: *message, link, peer, cancelled }
    }

    /// Puts a one-way message behind the others.
    pub fn queue(
        &mut self,
        handler: Handler,
        name: Name,
        message: &Message,
        payload: Vec<u8>,
        after: &mut After,
    ) {
        let job = self.job(handler, name, message, payload, self.hung_up.clone());
        if self.events.push(job) {
            after.events.push(self.link);
        }
    }
}

/// The one of a connection.
pub(super) fn line_of(lines: &mut [Option<Line>], link: LinkId) -> Option<&mut Line> {
    lines.get_mut(link.place())?.as_mut().filter(|line| line.link == link)
}
