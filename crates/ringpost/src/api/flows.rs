//! Ends of streams: items that have arrived and are not read yet, and how they ended.

use std::collections::{HashMap, VecDeque};

use ipc_core::{Codec, Draft, Kind, LinkId, Result};

use super::{Item, Reply};

/// Which end of which stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(crate) enum FlowKey {
    /// At the caller, by the number that its API has for the request on whatever connection: the
    /// stream may go on over another one.
    Ours(u64),
    /// At the handler.
    Served(LinkId, u64),
}

impl FlowKey {
    /// Whether this side asked.
    pub fn is_ours(self) -> bool {
        matches!(self, Self::Ours(_))
    }

    /// The kind of the items this end sends.
    pub fn sent(self) -> Kind {
        if self.is_ours() { Kind::RequestItem } else { Kind::ReplyItem }
    }

    /// The kind of the items this end takes.
    pub fn taken(self) -> Kind {
        if self.is_ours() { Kind::ReplyItem } else { Kind::RequestItem }
    }
}

/// What one end has, and `W`, what its API keeps with that.
pub(crate) struct Flow<W> {
    items: VecDeque<Item>,
    /// Items that have arrived.
    count: u64,
    end: FlowEnd,
    pub with: W,
}

/// How the other side's items ended.
#[derive(Default)]
enum FlowEnd {
    #[default]
    Open,
    Ended(Result<Reply>),
    /// The same, and the application has received it.
    Received,
}

/// What there is to read.
pub(crate) enum Reading {
    Item(Item),
    /// The last item was read.
    Last,
    /// The stream has failed.
    Failed(ipc_core::Error),
    /// Nothing yet.
    Nothing,
}

impl<W> Flow<W> {
    /// Items that have arrived, and those of them that are not read.
    #[cfg(feature = "tokio")]
    pub fn counts(&self) -> (u64, usize) {
        (self.count, self.items.len())
    }

    /// Whether the other side's items have ended, read or not.
    #[cfg(feature = "tokio")]
    pub fn has_ended(&self) -> bool {
        !matches!(self.end, FlowEnd::Open)
    }

    pub fn read(&mut self) -> Reading {
        if let Some(item) = self.items.pop_front() {
            return Reading::Item(item);
        }
        match std::mem::replace(&mut self.end, FlowEnd::Received) {
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
        match std::mem::replace(&mut self.end, FlowEnd::Received) {
            FlowEnd::Ended(outcome) => Some(outcome),
            _ => None,
        }
    }
}

pub(crate) struct Flows<W>(HashMap<FlowKey, Flow<W>>);

impl<W> Flows<W> {
    pub fn new() -> Self {
        Self(HashMap::new())
    }

    /// Opens this end.
    pub fn open(&mut self, key: FlowKey, with: W) {
        let (items, count, end) = (VecDeque::new(), 0, FlowEnd::Open);
        self.0.insert(key, Flow { items, count, end, with });
    }

    pub fn get(&mut self, key: FlowKey) -> Option<&mut Flow<W>> {
        self.0.get_mut(&key)
    }

    /// Forgets this end. Returns what may have to be dropped elsewhere.
    pub fn forget(&mut self, key: FlowKey) -> Option<Flow<W>> {
        self.0.remove(&key)
    }

    pub fn contains(&self, key: FlowKey) -> bool {
        self.0.contains_key(&key)
    }

    /// An item has arrived. Returns what is kept with the stream; one that is not read any more
    /// grants nothing.
    pub fn push(&mut self, key: FlowKey, codec: Codec, payload: Vec<u8>) -> Option<&mut W> {
        let flow = self.0.get_mut(&key)?;
        flow.items.push_back(Item { codec, payload });
        flow.count += 1;
        Some(&mut flow.with)
    }

    /// The other side's items have ended. Of two ends that cross, the first holds.
    pub fn end(&mut self, key: FlowKey, outcome: Result<Reply>) -> Option<&mut W> {
        let flow = self.0.get_mut(&key)?;
        if matches!(flow.end, FlowEnd::Open) {
            flow.end = FlowEnd::Ended(outcome);
        }
        Some(&mut flow.with)
    }

    /// What is kept with all of them.
    #[cfg(feature = "tokio")]
    pub fn all(&mut self) -> impl Iterator<Item = &mut W> {
        self.0.values_mut().map(|flow| &mut flow.with)
    }
}

/// What an item's frame says.
pub(crate) fn item_draft(of: &Draft, key: FlowKey) -> Draft {
    let kind = key.sent();
    Draft {
        kind,
        code: 0,
        timeout: None,
        trace: None,
        replayed: None,
        window: None,
        compress: false,
        ..*of
    }
}

#[cfg(all(test, not(loom)))]
mod tests {
    use super::*;
    use ipc_core::testing::each_seed;
    use ipc_core::{Code, Error};

    const LINK: LinkId = LinkId(7);

    /// What there is to read, by name.
    fn name_of(reading: &Reading) -> &'static str {
        match reading {
            Reading::Item(_) => "item",
            Reading::Last => "last",
            Reading::Failed(_) => "failed",
            Reading::Nothing => "nothing",
        }
    }

    #[test]
    fn items_arrive_in_order_and_before_the_end_which_is_returned_once() {
        each_seed(200, |random| {
            let mut flows = Flows::<u32>::new();
            let key = FlowKey::Ours(3);
            flows.open(key, 0);
            // The slow and obvious twin: what came and was not read, and how it ended.
            let (mut came, mut twin, mut end) = (0u8, VecDeque::new(), None);
            let (mut failures, mut replies) = (0, 0);
            for _ in 0..60 {
                match random.below(8) {
                    0..3 if end.is_none() => {
                        let waiting = flows.push(key, Codec::Bytes, vec![came]);
                        assert!(waiting.is_some());
                        twin.push_back(came);
                        came += 1;
                    }
                    3 if random.percent(20) => {
                        let is_error = random.percent(50);
                        let error = Err(Error::new(Code::Timeout, "first"));
                        let outcome = if is_error { error } else { Ok(Reply::default()) };
                        assert!(flows.end(key, outcome).is_some());
                        end.get_or_insert(is_error);
                    }
                    4 if twin.is_empty() && end.is_some() && random.percent(20) => {
                        let flow = flows.get(key).unwrap();
                        let reply = flow.take_reply();
                        let expected = replies == 0 && failures == 0;
                        assert_eq!(reply.is_some(), expected, "an outcome is returned once");
                        assert!(reply.is_none_or(|reply| reply.is_err() == (end == Some(true))));
                        replies += 1;
                    }
                    _ => {
                        let reading = flows.get(key).unwrap().read();
                        let expected = match (twin.front(), end) {
                            (Some(_), _) => "item",
                            (None, None) => "nothing",
                            (None, Some(true)) if failures + replies == 0 => "failed",
                            (None, Some(_)) => "last",
                        };
                        assert_eq!(name_of(&reading), expected);
                        failures += u32::from(expected == "failed");
                        if let Reading::Item(item) = reading {
                            assert_eq!(item.payload, [twin.pop_front().unwrap()]);
                        }
                    }
                }
            }
        });
    }

    #[test]
    fn an_item_goes_to_its_own_end_of_its_own_stream_and_to_no_other() {
        let mut flows = Flows::<u32>::new();
        let ends = [
            FlowKey::Ours(1),
            FlowKey::Served(LINK, 1),
            FlowKey::Ours(2),
            FlowKey::Served(LinkId(8), 1),
        ];
        for (number, key) in (0..).zip(ends) {
            flows.open(key, number);
        }
        for (number, key) in (0..).zip(ends) {
            assert_eq!(flows.push(key, Codec::Bytes, vec![]), Some(&mut number.clone()));
            assert!(key.taken() != key.sent());
        }
        let nowhere = FlowKey::Ours(9);
        assert!(flows.push(nowhere, Codec::Bytes, vec![]).is_none(), "there is no such");
        for key in ends {
            assert!(flows.contains(key) && flows.forget(key).is_some());
            assert!(!flows.contains(key) && flows.get(key).is_none(), "something is left of it");
        }
    }
}
