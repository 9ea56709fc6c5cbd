//! What is yet to be carried out, in the order of its frames.

use crate::command::Action;

/// How many commands may wait. More stay in the ring of their connection.
const CAPACITY: usize = 512;

/// A command that waits for its frame.
#[derive(Clone, Copy)]
pub struct Event {
    /// The frame that it is meant for.
    pub due: u64,
    pub action: Action,
    /// Of the command, if a report on it is wanted.
    pub number: Option<u64>,
    pub read_at: u64,
}

/// Room for so many events, which is taken once and never grows.
pub struct Schedule {
    /// The next one is the last.
    events: Vec<Event>,
}

impl Schedule {
    pub fn new() -> Self {
        // One more: for what the audio thread decides itself.
        Self { events: Vec::with_capacity(CAPACITY + 1) }
    }

    /// Whether there is room for one more command.
    pub fn has_room(&self) -> bool {
        self.events.len() < CAPACITY
    }

    /// Adds one behind those of the same frame.
    pub fn add(&mut self, event: Event) {
        let place = self.events.partition_point(|other| other.due > event.due);
        self.events.insert(place, event);
    }

    pub fn clear(&mut self) {
        self.events.clear();
    }

    /// The frame of the last one.
    pub fn end(&self) -> Option<u64> {
        self.events.first().map(|event| event.due)
    }

    /// Takes one that is due at that frame, or was before.
    pub fn take_due(&mut self, frame: u64) -> Option<Event> {
        self.events.pop_if(|event| event.due <= frame)
    }
}
