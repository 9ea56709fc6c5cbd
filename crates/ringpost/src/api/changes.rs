//! Connections that opened and ended, until the application asks for them.

use std::collections::VecDeque;

use ipc_core::{Code, Error, LinkId, Peer};

/// A connection that opened or ended, or what became of a server's name.
///
/// ```
/// use ringpost::Change;
///
/// fn describe(change: &Change) -> String {
///     match change {
///         Change::Connected(_, peer) => format!("process {} is connected", peer.pid),
///         Change::Closed(_, None) => "a client has closed its connection".into(),
///         Change::Closed(_, Some(error)) => format!("a connection ended: {error}"),
///         Change::TakenOver => "a new server has taken the name over".into(),
///         Change::NameLost(error) => format!("clients do not find this server: {error}"),
///         _ => "something else".into(),
///     }
/// }
/// ```
#[derive(Debug)]
#[non_exhaustive]
pub enum Change {
    /// It is open.
    Connected(LinkId, Peer),
    /// It is over, with the reason unless it was closed gracefully.
    Closed(LinkId, Option<Error>),
    /// Clients do not find this server any more: its files were removed, and another server has
    /// taken its name or they could not be restored. Existing connections stay.
    NameLost(Error),
    /// A new server has taken the name over; see
    /// [`ServerConfig::take_over`](crate::ServerConfig::take_over). All clients that had come
    /// before are connected, and those connections stay: it is up to this process when to end
    /// them.
    TakenOver,
    /// What was sent lies unread at this peer for longer than
    /// [`Bounds::unresponsive_after`](crate::Bounds::unresponsive_after).
    Unresponsive(LinkId),
    /// It has read again.
    Responsive(LinkId),
    /// This peer is about to leave, and its connection is closed once nothing is in flight.
    Leaving(LinkId),
}

impl Change {
    /// The connection that goes on, of a change that does not begin or end it.
    fn is_about(&self) -> Option<LinkId> {
        match self {
            Self::Unresponsive(link) | Self::Responsive(link) | Self::Leaving(link) => Some(*link),
            Self::Connected(..) | Self::Closed(..) | Self::NameLost(_) | Self::TakenOver => None,
        }
    }
}

/// Changes in order, each returned once. A connection that ended before its opening was returned is
/// left out, and so is a peer that was unresponsive for a while; so this holds no more than a few
/// changes of each connection.
#[derive(Default)]
pub(crate) struct Changes(VecDeque<Change>);

impl Changes {
    pub fn came(&mut self, link: LinkId, peer: Peer) {
        self.0.push_back(Change::Connected(link, peer));
    }

    pub fn went(&mut self, link: LinkId, error: Option<Error>) {
        self.0.retain(|change| change.is_about() != Some(link));
        let came = |change: &Change| matches!(change, Change::Connected(of, _) if *of == link);
        match self.0.iter().position(came) {
            Some(untold) => drop(self.0.remove(untold)),
            None => self.0.push_back(Change::Closed(link, error)),
        }
    }

    /// A peer does not read, or does again.
    pub fn turned(&mut self, link: LinkId, is_unresponsive: bool) {
        let change = if is_unresponsive { Change::Unresponsive } else { Change::Responsive };
        let before = |change: &Change| {
            change.is_about() == Some(link) && !matches!(change, Change::Leaving(_))
        };
        // What came before is always the opposite, so that both together are no change.
        match self.0.iter().position(before) {
            Some(unseen) => drop(self.0.remove(unseen)),
            None => self.0.push_back(change(link)),
        }
    }

    pub fn leaving(&mut self, link: LinkId) {
        self.0.push_back(Change::Leaving(link));
    }

    pub fn lost_name(&mut self, error: Error) {
        self.0.push_back(Change::NameLost(error));
    }

    pub fn taken_over(&mut self) {
        self.0.push_back(Change::TakenOver);
    }

    pub fn next(&mut self) -> Option<Change> {
        self.0.pop_front()
    }

    /// Of a client: whether its connection is over, and why. The change stays.
    pub fn closed(&self) -> Option<Option<Error>> {
        let again = |error: &Error| Error::new(error.code(), error.to_string());
        match self.0.back()? {
            Change::Closed(_, error) => Some(error.as_ref().map(again)),
            _ => None,
        }
    }
}

/// The error of a client whose connection ended as soon as it was open.
pub(crate) fn closed_at_once() -> Error {
    Error::new(Code::Handshake, "the server closed the connection at once")
}

#[cfg(test)]
mod tests {
    use super::*;
    use ipc_core::{Agreement, Geometry, Limits, Transport};

    fn peer() -> Peer {
        Peer {
            pid: 1,
            uid: 1,
            is_self: false,
            session: [0; 16],
            engine: [0; 16],
            transport: Transport::Sealed,
            agreement: Agreement {
                geometry: Geometry::SPARSE,
                crc: ipc_core::CrcMode::Off,
                limits: Limits::DEFAULT,
                streams: true,
                compression: true,
                liveness: true,
            },
        }
    }

    #[test]
    fn a_connection_that_ends_unseen_is_left_out() {
        let mut changes = Changes::default();
        changes.came(LinkId(1), peer());
        changes.came(LinkId(2), peer());
        changes.went(LinkId(1), None);
        assert!(matches!(changes.next(), Some(Change::Connected(LinkId(2), _))));
        changes.went(LinkId(2), None);
        assert!(matches!(changes.next(), Some(Change::Closed(LinkId(2), None))));
        assert!(changes.next().is_none());
    }

    #[test]
    fn what_changed_back_or_ended_unseen_is_left_out() {
        let mut changes = Changes::default();
        changes.turned(LinkId(1), true);
        changes.turned(LinkId(2), true);
        changes.turned(LinkId(1), false);
        assert!(matches!(changes.next(), Some(Change::Unresponsive(LinkId(2)))));
        for _ in 0..1000 {
            changes.turned(LinkId(2), false);
            changes.turned(LinkId(2), true);
        }
        assert!(changes.next().is_none());
        changes.turned(LinkId(2), false);
        changes.leaving(LinkId(2));
        changes.went(LinkId(2), None);
        assert!(changes.closed().is_some());
        assert!(matches!(changes.next(), Some(Change::Closed(LinkId(2), None))));
        assert!(changes.next().is_none());
    }
}
