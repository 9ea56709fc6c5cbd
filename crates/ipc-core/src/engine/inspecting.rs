//! What an engine says of its connections.

use super::host::{LinkId, Peer};
use super::link::{Link, LinkStats, Totals};
use super::{Engine, EngineStats};

impl Engine {
    /// What the engine has counted.
    pub fn stats(&self) -> EngineStats {
        self.stats
    }

    /// All connections, open, opening or closing.
    pub fn links(&self) -> Vec<LinkId> {
        self.entries.keys().into_iter().map(LinkId).collect()
    }

    /// What a link has counted.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.link(link.0).map(|link| link.stats())
    }

    /// The same, to be added to what others have counted.
    pub fn totals(&self, link: LinkId) -> Option<Totals> {
        self.link(link.0).map(Link::totals)
    }

    /// Who is at the other end of a link.
    pub fn peer(&self, link: LinkId) -> Option<&Peer> {
        self.link(link.0).map(|link| &link.peer)
    }

    /// Whether there is such a connection, open, opening or closing.
    pub fn is_open(&self, link: LinkId) -> bool {
        self.entries.get(link.0).is_some()
    }

    /// Whether the peer still waits for an answer to its request.
    #[inline]
    pub fn is_serving(&self, link: LinkId, id: u64) -> bool {
        self.link(link.0).is_some_and(|link| link.session().is_serving(id))
    }
}
