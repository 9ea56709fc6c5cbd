//! Ends of streams: the items that came and wait for whoever reads, and how they ended.

use std::collections::{HashMap, VecDeque};

use super::{Item, Reply};
use crate::engine::LinkId;
use crate::error::Result;
use crate::header::Kind;
use crate::session::{Draft, Message};

/// Which end of which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) struct FlowKey {
    pub link: LinkId,
    /// This side asked.
    pub ours: bool,
    pub id: u64,
}

impl FlowKey {
    /// The end that takes an item.
    fn of_item(link: LinkId, item: &Message) -> Self {
        Self { link, ours: item.kind == Kind::ReplyItem, id: item.id }
    }

    /// The end that sends items of this kind.
    #[cfg(feature = "tokio")]
    pub fn of_sender(link: LinkId, kind: Kind, id: u64) -> Self {
        Self { link, ours: kind == Kind::RequestItem, id }
    }

    /// The end of whoever works on a request of the peer.
    pub fn served(link: LinkId, id: u64) -> Self {
        Self { link, ours: false, id }
    }

    /// The kind of the items this end sends.
    pub fn sent(self) -> Kind {
        if self.ours { Kind::RequestItem } else { Kind::ReplyItem }
    }

    /// The kind of the items this end takes.
    pub fn taken(self) -> Kind {
        if self.ours { Kind::ReplyItem } else { Kind::RequestItem }
    }
}

/// What one end has, and `W`, who waits for it.
#[derive(Default)]
pub(crate) struct Flow<W> {
    items: VecDeque<Item>,
    end: FlowEnd,
    pub waiting: W,
}

/// How the other side's items ended.
#[derive(Default)]
enum FlowEnd {
    #[default]
    Open,
    Ended(Result<Reply>),
    /// The same, and somebody has heard of it.
    Told,
}

/// What there is to read.
pub(crate) enum Reading {
    Item(Item),
    /// The last item was read.
    Last,
    /// The stream has failed.
    Failed(crate::error::Error),
    /// Nothing yet.
    Nothing,
}

impl<W> Flow<W> {
    pub fn read(&mut self) -> Reading {
        if let Some(item) = self.items.pop_front() {
            return Reading::Item(item);
        }
        match std::mem::replace(&mut self.end, FlowEnd::Told) {
            FlowEnd::Open => {
                self.end = FlowEnd::Open;
                Reading::Nothing
            }
            FlowEnd::Ended(Err(error)) => Reading::Failed(error),
            end => {
                self.end = end;
                Reading::Last
            }
        }
    }

    /// What the stream came to, once, when its last item was read.
    pub fn take_reply(&mut self) -> Option<Result<Reply>> {
        match std::mem::replace(&mut self.end, FlowEnd::Told) {
            FlowEnd::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }
}

pub(crate) struct Flows<W>(HashMap<FlowKey, Flow<W>>);

impl<W: Default> Flows<W> {
    pub fn new() -> Self {
        Self(HashMap::new())
    }

    /// From now on this end is waited for.
    pub fn open(&mut self, key: FlowKey) {
        self.0.insert(key, Flow::default());
    }

    pub fn get(&mut self, key: FlowKey) -> Option<&mut Flow<W>> {
        self.0.get_mut(&key)
    }

    /// Nobody waits for it any more. Returns what may have to be dropped elsewhere.
    pub fn forget(&mut self, key: FlowKey) -> Option<Flow<W>> {
        self.0.remove(&key)
    }

    pub fn contains(&self, key: FlowKey) -> bool {
        self.0.contains_key(&key)
    }

    /// An item has come. Returns who waits for it; where nobody reads, nothing is granted for it.
    pub fn push(&mut self, link: LinkId, message: &Message, payload: Vec<u8>) -> Option<&mut W> {
        let flow = self.0.get_mut(&FlowKey::of_item(link, message))?;
        flow.items.push_back(Item { codec: message.codec, payload });
        Some(&mut flow.waiting)
    }

    /// The other side's items have ended. Of two ends that cross, the first holds.
    pub fn end(&mut self, key: FlowKey, outcome: Result<Reply>) -> Option<&mut W> {
        let flow = self.0.get_mut(&key)?;
        if matches!(flow.end, FlowEnd::Open) {
            flow.end = FlowEnd::Ended(outcome);
        }
        Some(&mut flow.waiting)
    }

    /// Everybody who waits on a link.
    #[cfg(feature = "tokio")]
    pub fn of_link(&mut self, link: LinkId) -> impl Iterator<Item = &mut W> {
        let of_link = self.0.iter_mut().filter(move |(key, _)| key.link == link);
        of_link.map(|(_, flow)| &mut flow.waiting)
    }
}

/// What an item's frame says.
pub(crate) fn item_draft(of: &Draft, key: FlowKey) -> Draft {
    let kind = key.sent();
    Draft { kind, code: 0, timeout: None, trace: None, window: None, compress: false, ..*of }
}
