//! Tasks that wait for something of the engine, by what they wait for, so that a change wakes those
//! it concerns and no others.

use std::collections::{BTreeMap, HashMap};
use std::task::Waker;

use ipc_core::LinkId;

use super::groups::GroupId;

/// What can be waited for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Topic {
    /// A connection is drained, or over.
    Link(LinkId),
    /// A one-way message is written, or dropped.
    Sent(u64),
    /// A connection of a client or server opens or ends, or its name is lost.
    Group(GroupId),
}

/// Wakers by topic and by ticket, which each waiting task has one of.
#[derive(Default)]
pub(super) struct Waits {
    by_topic: HashMap<Topic, BTreeMap<u64, Waker>>,
    tickets: u64,
}

impl Waits {
    /// Registers the waker of a task, which keeps its ticket between polls. Returns the waker it
    /// replaces, to be dropped without the lock.
    pub fn wait(&mut self, topic: Topic, ticket: &mut Option<u64>, waker: Waker) -> Option<Waker> {
        let ticket = *ticket.get_or_insert_with(|| {
            self.tickets += 1;
            self.tickets
        });
        self.by_topic.entry(topic).or_default().insert(ticket, waker)
    }

    /// A task waits no more.
    pub fn forget(&mut self, topic: Topic, ticket: u64) -> Option<Waker> {
        let waiting = self.by_topic.get_mut(&topic)?;
        let waker = waiting.remove(&ticket);
        if waiting.is_empty() {
            self.by_topic.remove(&topic);
        }
        waker
    }

    /// Moves the wakers of a topic to `woken`.
    pub fn wake(&mut self, topic: Topic, woken: &mut Vec<Waker>) {
        woken.extend(self.by_topic.remove(&topic).into_iter().flat_map(BTreeMap::into_values));
    }

    /// The same for all topics.
    pub fn wake_all(&mut self, woken: &mut Vec<Waker>) {
        woken.extend(self.by_topic.drain().flat_map(|(_, waiting)| waiting.into_values()));
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;

    #[test]
    fn a_change_wakes_only_the_tasks_it_concerns() {
        let (mut waits, mut woken) = (Waits::default(), Vec::new());
        let (here, there) = (Topic::Link(LinkId(1)), Topic::Link(LinkId(2)));
        let mut tickets = [None; 3];
        for (ticket, topic) in tickets.iter_mut().zip([here, here, there]) {
            assert!(waits.wait(topic, ticket, Waker::noop().clone()).is_none());
        }
        assert!(waits.wait(here, &mut tickets[0], Waker::noop().clone()).is_some(), "replaced");
        assert!(waits.forget(here, tickets[1].unwrap()).is_some());
        waits.wake(here, &mut woken);
        assert_eq!(woken.len(), 1);
        waits.wake(here, &mut woken);
        assert_eq!(woken.len(), 1, "a task is woken once");
        waits.wake_all(&mut woken);
        assert_eq!(woken.len(), 2);
        assert!(waits.forget(there, tickets[2].unwrap()).is_none());
    }
}
