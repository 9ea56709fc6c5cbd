//! The hosts that the engine of a real-time link is driven with.

use ipc_core::{
    Body, BufferId, Code, Corrupt, Error, Event, Host, Kind, LinkId, Message, Peer, Readiness,
    RemoteError, route,
};

use crate::api::{Arrival, unknown_method};

/// The host of everything but whole one-way messages: those stay in their rings for
/// [`Link::try_recv`].
#[derive(Default)]
pub(super) struct Dispatcher {
    pub opened: Option<(LinkId, Peer)>,
    /// The peer's names, by the routes of messages.
    pub names: Vec<Option<Box<str>>>,
    /// Requests, which have no handlers here.
    pub requests: Vec<(Message, RemoteError)>,
    pub skipped: u64,
    pub is_over: bool,
    pub error: Option<Error>,
}

impl Dispatcher {
    fn unwanted(&mut self, message: &Message) {
        match message.kind {
            Kind::Request => {
                let name = self.names.get(usize::from(message.code)).and_then(Option::as_deref);
                self.requests.push((*message, unknown_method(name)));
            }
            _ => self.skipped += 1,
        }
    }
}

impl Host for Dispatcher {
    fn readiness(&mut self, _: LinkId) -> Readiness {
        Readiness::Nothing
    }

    fn message(&mut self, _: LinkId, message: &Message, _: Body<'_>) -> Result<(), Corrupt> {
        self.unwanted(message);
        Ok(())
    }

    fn open(&mut self, _: LinkId, _: &Message) -> BufferId {
        BufferId(0)
    }

    fn fill(&mut self, _: BufferId, _: usize, _: Body<'_>) -> Result<(), Corrupt> {
        Ok(())
    }

    fn finish(&mut self, _: LinkId, message: &Message, _: BufferId) {
        self.unwanted(message);
    }

    fn discard(&mut self, _: BufferId) {}

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Accepted { link, peer, .. } | Event::Connected { link, peer } => {
                self.opened = Some((link, peer.clone()));
            }
            Event::Named { lane, code, name, .. } => {
                let place = route(lane, code);
                if place >= self.names.len() {
                    self.names.resize(place + 1, None);
                }
                self.names[place] = Some(name.into());
            }
            Event::Closed { error, .. } => {
                self.is_over = true;
                self.error = error;
            }
            // Before a client has come, nothing else will come of it.
            Event::ListenerLost { error, .. } if self.opened.is_none() => {
                self.is_over = true;
                self.error = Some(error);
            }
            Event::TakenOver { .. } if self.opened.is_none() => {
                let message = "a new server has taken the name over";
                self.is_over = true;
                self.error = Some(Error::new(Code::NameInUse, message));
            }
            Event::Readable
            | Event::Listening { .. }
            | Event::Retired { .. }
            | Event::TakenOver { .. }
            | Event::ListenerLost { .. }
            | Event::Ended { .. }
            | Event::Abandoned { .. }
            | Event::Granted { .. }
            | Event::ItemsEnd { .. }
            | Event::Sent { .. }
            | Event::Dropped { .. }
            | Event::Unreadable { .. }
            | Event::Unread { .. }
            | Event::Drained { .. }
            | Event::Pong { .. }
            | Event::Unresponsive { .. }
            | Event::Responsive { .. }
            | Event::Leaving { .. }
            | Event::Idle { .. } => {}
        }
    }
}

/// The host of one whole one-way message, or of the last piece of one that is skipped.
pub(super) struct Reader<'a, F> {
    pub names: &'a [Option<Box<str>>],
    pub read: &'a mut F,
}

impl<F: FnMut(Arrival<'_>) -> Result<(), Corrupt>> Host for Reader<'_, F> {
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let name = self.names.get(message.route()).and_then(Option::as_deref);
        // A session lets no code through that was not defined before.
        (self.read)(Arrival { name: name.unwrap_or_default(), link, message, body })
    }

    fn open(&mut self, _: LinkId, _: &Message) -> BufferId {
        BufferId(0)
    }

    fn fill(&mut self, _: BufferId, _: usize, _: Body<'_>) -> Result<(), Corrupt> {
        Ok(())
    }

    fn finish(&mut self, _: LinkId, _: &Message, _: BufferId) {}

    fn discard(&mut self, _: BufferId) {}

    fn event(&mut self, _: Event<'_>) {}
}
