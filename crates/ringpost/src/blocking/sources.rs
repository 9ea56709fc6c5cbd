//! Streams that are served from iterators: their items are sent as their readers grant credit, and
//! between them the thread serves everything else.

use std::panic::{AssertUnwindSafe, catch_unwind};

use ipc_core::{Codec, Draft, Engine, LinkId, Message, RemoteError, Sent};

use crate::api::{FlowKey, Reply, answer_draft, item_draft, panicked, send_answer};

/// Items of one stream that are sent before the thread looks at what else there is: an iterator
/// that takes its time delays the others by so many of its items.
const ITEMS_IN_A_ROW: usize = 16;

/// What comes next in a stream, encoded.
pub(super) enum Next {
    #[cfg_attr(not(feature = "typed"), expect(dead_code, reason = "only typed streams have them"))]
    Item(Vec<u8>),
    End(Result<Reply, RemoteError>),
}

/// A stream's items and its end, one by one.
pub(super) type Items = Box<dyn FnMut() -> Next + Send>;

/// All streams that are being served.
#[derive(Default)]
pub(super) struct Sources {
    open: Vec<Source>,
    /// One of them may have something to send.
    is_due: bool,
}

impl Sources {
    /// Serves a request from now on.
    pub fn open(&mut self, link: LinkId, request: &Message, items: Items) {
        let key = FlowKey::Served(link, request.id);
        let draft = item_draft(&Draft::reply(request, Codec::MessagePack), key);
        self.open.push(Source { key, link, request: *request, draft, items });
        self.is_due = true;
    }

    /// Credit was granted, a lane has room again, or a reader is gone.
    pub fn wake(&mut self) {
        self.is_due = !self.open.is_empty();
    }

    /// Whether there may be something to send without anything having arrived.
    #[inline]
    pub fn is_due(&self) -> bool {
        self.is_due
    }

    /// Sends a few items of each stream. Returns whether there may be more to send.
    pub fn send_some(&mut self, engine: &mut Engine) -> bool {
        let mut is_due = false;
        self.open.retain_mut(|source| {
            let progress = source.send_some(engine);
            is_due |= matches!(progress, Progress::Sent);
            !matches!(progress, Progress::Over)
        });
        self.is_due = is_due;
        is_due
    }
}

struct Source {
    key: FlowKey,
    link: LinkId,
    request: Message,
    /// What the frames of its items say.
    draft: Draft,
    items: Items,
}

enum Progress {
    /// Some items were sent, and there may be more.
    Sent,
    /// There is no credit, or the lane is full.
    Waiting,
    /// It has ended.
    Over,
}

impl Source {
    fn send_some(&mut self, engine: &mut Engine) -> Progress {
        let (link, id) = (self.link, self.request.id);
        for _ in 0..ITEMS_IN_A_ROW {
            match engine.credit(link, self.key.sent(), id) {
                None => return Progress::Over,
                Some(0) => return Progress::Waiting,
                // What the ring has no room for is not put on top of what waits for it already.
                Some(_) if engine.want_drain(link, self.draft.lane) => return Progress::Waiting,
                Some(_) => {}
            }
            let end = match self.next() {
                Next::Item(payload) => match engine.send(link, &self.draft, &payload) {
                    Ok(Sent::Unwanted) => return Progress::Over,
                    Ok(_) => continue,
                    Err(error) => Err(error.into()),
                },
                Next::End(end) => end,
            };
            self.answer(engine, &end);
            return Progress::Over;
        }
        Progress::Sent
    }

    /// An iterator that panics fails its stream and nothing else.
    fn next(&mut self) -> Next {
        let next = catch_unwind(AssertUnwindSafe(&mut self.items));
        next.unwrap_or_else(|_| Next::End(Err(panicked())))
    }

    fn answer(&self, engine: &mut Engine, end: &Result<Reply, RemoteError>) {
        let link = self.link;
        // A caller that is gone by now needs no answer.
        drop(match end {
            Ok(reply) => {
                send_answer(engine, link, &answer_draft(&self.request, reply), &reply.payload)
            }
            Err(error) => send_answer(engine, link, &Draft::error(&self.request), &error.encode()),
        });
    }
}
