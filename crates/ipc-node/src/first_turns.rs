//! The first turn of a connection is JavaScript's.
//!
//! Code that gets a connection registers handlers in that turn at the earliest. Messages that
//! arrive before are not read, and events that happen before are reported after that turn.

use ipc_core::LinkId;

use crate::arena::Head;

#[derive(Default)]
pub struct FirstTurns(Vec<FirstTurn>);

/// A connection JavaScript has not come to the end of its turn with.
struct FirstTurn {
    link: LinkId,
    /// JavaScript has been given it.
    given: bool,
    /// What else has happened before it was.
    events: Vec<(Head, Box<[u8]>)>,
}

impl FirstTurns {
    /// JavaScript will be given a connection.
    pub fn begin(&mut self, link: LinkId) {
        self.0.push(FirstTurn { link, given: false, events: Vec::new() });
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the first turn of a connection is still to end.
    pub fn has(&self, link: LinkId) -> bool {
        self.0.iter().any(|first| first.link == link)
    }

    /// JavaScript is entered, and given all of them.
    #[inline]
    pub fn give(&mut self) {
        self.0.iter_mut().for_each(|first| first.given = true);
    }

    /// Puts an event off if JavaScript does not know of its connection. Returns whether it has.
    pub fn defer(&mut self, link: LinkId, head: Head, payload: &[u8]) -> bool {
        let found = self.0.iter_mut().find(|first| first.link == link && !first.given);
        if let Some(first) = found {
            first.events.push((head, payload.into()));
            return true;
        }
        false
    }

    /// JavaScript has come to the end of a turn. Returns what was put off until then.
    pub fn end(&mut self) -> Vec<(LinkId, Head, Box<[u8]>)> {
        let mut events = Vec::new();
        self.0.retain_mut(|FirstTurn { link, given, events: own }| {
            if *given {
                events.extend(own.drain(..).map(|(head, payload)| (*link, head, payload)));
            }
            !*given
        });
        events
    }
}
