//! The clients and servers that share an engine, and which connection belongs to which.

use ipc_core::{LinkId, ListenerId, Totals};

use super::job::Handler;
use super::sessions::Sessions;
use crate::api::{Changes, ErrorCounts, Router};

/// A client or server of an engine.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct GroupId(usize);

/// Where messages go.
#[derive(Clone, Copy, Debug)]
pub(super) enum To {
    /// Over this connection and no other.
    Link(LinkId),
    /// Over the session that a client has.
    Client(GroupId),
}

/// What belongs to one client or server.
pub(super) struct Group {
    pub router: Router<Handler>,
    pub changes: Changes,
    /// One-way messages without a handler.
    pub unhandled: u64,
    /// Connections that were ever opened.
    pub opened: u64,
    /// What those have counted that are over.
    pub ended: Totals,
    /// Requests that have failed.
    pub errors: ErrorCounts,
    pub listener: Option<ListenerId>,
    /// The listener is retired: who comes through it is to leave.
    pub retires: bool,
    /// Of a client.
    pub client: Option<Box<Sessions>>,
    /// It was closed: it takes no handlers any more.
    pub shut: bool,
    /// Connections, open, opening or closing.
    pub links: usize,
    /// Its last handle is gone; it goes with its last connection.
    orphaned: bool,
}

#[derive(Default)]
pub(super) struct Groups {
    groups: Vec<Option<Group>>,
    /// By the place of a connection in the engine.
    owners: Vec<Option<(LinkId, GroupId)>>,
}

impl Groups {
    /// A client or server without connections.
    pub fn add(&mut self) -> GroupId {
        let free = self.groups.iter().position(Option::is_none).unwrap_or(self.groups.len());
        if free == self.groups.len() {
            self.groups.push(None);
        }
        self.groups[free] = Some(Group {
            router: Router::new(),
            changes: Changes::default(),
            unhandled: 0,
            opened: 0,
            ended: Totals::default(),
            errors: ErrorCounts::default(),
            listener: None,
            retires: false,
            client: None,
            shut: false,
            links: 0,
            orphaned: false,
        });
        GroupId(free)
    }

    /// Panics when it is gone: only the owner of a group may ask.
    pub fn get(&mut self, id: GroupId) -> &mut Group {
        self.groups[id.0].as_mut().expect("its owner has it still")
    }

    /// The same where it may be gone.
    pub fn find(&mut self, id: GroupId) -> Option<&mut Group> {
        self.groups.get_mut(id.0)?.as_mut()
    }

    /// All clients.
    pub fn clients(&mut self) -> impl Iterator<Item = &mut Sessions> {
        self.groups.iter_mut().flatten().filter_map(|group| group.client.as_deref_mut())
    }

    /// The one of a connection.
    #[inline]
    pub fn of(&mut self, link: LinkId) -> Option<(GroupId, &mut Group)> {
        match self.owners.get(link.place())? {
            Some((owned, id)) if *owned == link => {
                self.groups[id.0].as_mut().map(|group| (*id, group))
            }
            _ => None,
        }
    }

    /// The one of a listener.
    pub fn listening(&mut self, listener: ListenerId) -> Option<(GroupId, &mut Group)> {
        let groups = self.groups.iter_mut().enumerate();
        let mut groups =
            groups.filter_map(|(index, group)| Some((GroupId(index), group.as_mut()?)));
        groups.find(|(_, group)| group.listener == Some(listener))
    }

    /// A connection belongs to a group from now on.
    pub fn adopt(&mut self, link: LinkId, id: GroupId) {
        let place = link.place();
        if place >= self.owners.len() {
            self.owners.resize(place + 1, None);
        }
        self.owners[place] = Some((link, id));
        self.get(id).links += 1;
    }

    /// A connection is over.
    pub fn release(&mut self, link: LinkId) {
        let Some((id, group)) = self.of(link) else { return };
        group.links -= 1;
        self.owners[link.place()] = None;
        self.collect(id);
    }

    /// The last handle of a group is gone.
    pub fn orphan(&mut self, id: GroupId) {
        self.get(id).orphaned = true;
        self.collect(id);
    }

    fn collect(&mut self, id: GroupId) {
        let group = &mut self.groups[id.0];
        group.take_if(|group| group.orphaned && group.links == 0);
    }

    /// The connections of a group.
    pub fn links(&self, id: GroupId) -> Vec<LinkId> {
        let owned = self.owners.iter().flatten().filter(|(_, owner)| *owner == id);
        owned.map(|(link, _)| *link).collect()
    }

    /// All groups.
    pub fn ids(&self) -> Vec<GroupId> {
        let there = self.groups.iter().enumerate().filter(|(_, group)| group.is_some());
        there.map(|(index, _)| GroupId(index)).collect()
    }
}
