//! The first turn of a connection is JavaScript's.
//!
//! Handlers are registered by whoever is told of a connection, at the earliest in the very turn. What
//! comes before is not read, and what happens before is told after that turn.

use ipc_core::LinkId;

use crate::arena::Head;

#[derive(Default)]
pub struct FirstTurns(Vec<FirstTurn>);

/// A connection JavaScript has not come to the end of its turn with.
struct FirstTurn {
    link: LinkId,
    /// JavaScript is being told of it.
    told: bool,
    /// What else has happened before it was.
    events: Vec<(Head, Box<[u8]>)>,
}

impl FirstTurns {
    /// JavaScript will be told of a connection.
    pub fn begin(&mut self, link: LinkId) {
        self.0.push(FirstTurn { link, told: false, events: Vec::new() });
    }

    #[inline]
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Whether the first turn of a connection is still to end.
    pub fn has(&self, link: LinkId) -> bool {
        self.0.iter().any(|first| first.link == link)
    }

    /// JavaScript is entered, and told of all of them.
    #[inline]
    pub fn tell(&mut self) {
        self.0.iter_mut().for_each(|first| first.told = true);
    }

    /// Puts an event off if JavaScript does not know of its connection. Returns whether it has.
    pub fn defer(&mut self, link: LinkId, head: Head, payload: &[u8]) -> bool {
        let found = self.0.iter_mut().find(|first| first.link == link && !first.told);
        if let Some(first) = found {
            first.events.push((head, payload.into()));
            return true;
        }
        false
    }

    /// JavaScript has come to the end of a turn. Returns what was put off until then.
    pub fn end(&mut self) -> Vec<(LinkId, Head, Box<[u8]>)> {
        let mut events = Vec::new();
        self.0.retain_mut(|FirstTurn { link, told, events: own }| {
            if *told {
                events.extend(own.drain(..).map(|(head, payload)| (*link, head, payload)));
            }
            !*told
        });
        events
    }
}
