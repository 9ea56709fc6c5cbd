//! Both ends of a stream, for tasks.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use futures_core::Stream;
use futures_sink::Sink;
use ipc_core::{Code, Draft, Error, Result, Sent, item_cost};

use super::in_flight::Wire;
use super::shared::{Shared, State};
use crate::api::{FlowKey, Item, Reading, Reply};

/// One end of a stream: a request whose caller and handler send each other items.
///
/// As a [`Stream`] it yields the items of the other side; as a [`Sink`] it takes ours, and is ready
/// while the other side keeps up. Unread items are never more than a window and one item: then the
/// other side waits.
///
/// At the caller the items end with the reply, which [`Self::reply`] returns, or with an error, and
/// dropping this cancels the request. A resumable one goes on over the next session when its own is
/// lost, and until then waits. At the handler they end when the caller calls
/// [`Self::finish`]; the items sent there end with the handler's answer.
///
/// ```
/// # use ringpost::tokio::Client;
/// # use ringpost::{CallOptions, Result};
/// # async fn example(client: &Client) -> Result<()> {
/// let lines = client.stream("sort", b"", &CallOptions::new())?;
/// for line in [b"pear", b"plum"] {
///     lines.send(line).await?;
/// }
/// lines.finish();
/// while let Some(line) = lines.next().await? {
///     println!("{} bytes", line.payload.len());
/// }
/// let reply = lines.reply().await?;
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream that is dropped is cancelled"]
pub struct Streaming {
    shared: Arc<Shared>,
    key: FlowKey,
    /// What the frames of our items say.
    draft: Draft,
    /// What is in use as long as this is there.
    held: Option<Box<dyn Send + Sync>>,
}

impl Streaming {
    pub(super) fn new(shared: Arc<Shared>, key: FlowKey, draft: Draft) -> Self {
        Self { shared, key, draft, held: None }
    }

    /// Drops this together with itself.
    pub(super) fn holding(mut self, held: impl Send + Sync + 'static) -> Self {
        self.held = Some(Box::new(held));
        self
    }

    /// Its items are values, whatever the request was encoded as.
    #[cfg(feature = "typed")]
    pub(super) fn typed(mut self) -> Self {
        self.draft.codec = ipc_core::Codec::MessagePack;
        self
    }

    /// Waits for the next item of the other side; `None`: it has sent its last.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let stream = client.stream("count", b"", &CallOptions::new())?;
    /// while let Some(item) = stream.next().await? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&self) -> Result<Option<Item>> {
        poll_fn(|context| self.poll_item(context)).await.transpose()
    }

    /// Sends an item, and waits while the other side does not keep up.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let stream = client.stream("upload", b"", &CallOptions::new())?;
    /// for part in [b"one", b"two"] {
    ///     stream.send(part).await?;
    /// }
    /// let reply = stream.reply().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn send(&self, payload: &[u8]) -> Result<()> {
        poll_fn(|context| self.poll_room(context)).await?;
        self.send_now(payload)
    }

    /// Ends the items that go with this request; its reply is still to come. At the handler, where
    /// the answer ends them, this does nothing.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let stream = client.stream("upload", b"", &CallOptions::new())?;
    /// stream.send(b"all").await?;
    /// stream.finish();
    /// while let Some(item) = stream.next().await? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(&self) {
        if !self.key.is_ours() {
            return;
        }
        self.shared.with(|State { engine, dispatcher, .. }| {
            let Some(flow) = dispatcher.flows.get(self.key) else { return };
            flow.with.is_finished = true;
            if let Some(Wire { link, id }) = flow.with.wire {
                engine.end_items(link, self.draft.lane, id);
            }
        });
    }

    /// Waits for the reply, and drops the items that still come before it. At the handler, waits
    /// until the caller has sent its last.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let stream = client.stream("count", b"", &CallOptions::new())?;
    /// let reply = stream.reply().await?;
    /// # Ok(())
    /// # }
    /// ```
    pub async fn reply(self) -> Result<Reply> {
        self.finish();
        while self.next().await?.is_some() {}
        let reply = self.shared.with(|state| state.dispatcher.flows.get(self.key)?.take_reply());
        reply.unwrap_or_else(|| Err(over()))
    }

    /// Whether the other side still wants our items.
    ///
    /// ```
    /// # use ringpost::tokio::{Client, Handlers, Request};
    /// # use ringpost::{CallOptions, ClientConfig, Reply, Result};
    /// # async fn example(client: &Client) -> Result<()> {
    /// let stream = client.stream("upload", b"", &CallOptions::new())?;
    /// while stream.is_open() {
    ///     stream.send(b"more").await?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_open(&self) -> bool {
        self.shared.with(|State { engine, dispatcher, .. }| {
            let Some(flow) = dispatcher.flows.get(self.key) else { return false };
            match flow.with.wire {
                Some(Wire { link, id }) => engine.credit(link, self.key.sent(), id).is_some(),
                // One that waits for a session is open, unless it has ended while it did.
                None => !flow.has_ended(),
            }
        })
    }

    fn poll_item(&self, context: &Context<'_>) -> Poll<Option<Result<Item>>> {
        // Cloned and dropped without the lock, because wakers may run code of the application.
        let waker = context.waker().clone();
        let (found, displaced) = self.shared.with(|State { engine, dispatcher, .. }| {
            let Some(flow) = dispatcher.flows.get(self.key) else {
                return (Poll::Ready(None), Some(waker));
            };
            let found = match flow.read() {
                Reading::Nothing => return (Poll::Pending, flow.with.reader.replace(waker)),
                Reading::Item(item) => {
                    if flow.with.stale > 0 {
                        flow.with.stale -= 1;
                    } else if let Some(Wire { link, id }) = flow.with.wire {
                        let cost = item_cost(item.payload.len());
                        engine.consumed(link, self.key.taken(), id, cost);
                    }
                    Some(Ok(item))
                }
                Reading::Failed(error) => Some(Err(error)),
                Reading::Last => None,
            };
            (Poll::Ready(found), Some(waker))
        });
        drop(displaced);
        found
    }

    fn poll_room(&self, context: &Context<'_>) -> Poll<Result<()>> {
        let waker = context.waker().clone();
        let (found, displaced) = self.shared.with(|State { engine, dispatcher, .. }| {
            let Some(flow) = dispatcher.flows.get(self.key) else {
                return (Poll::Ready(Err(over())), Some(waker));
            };
            let credit = flow.with.wire.map(|Wire { link, id }| {
                let credit = engine.credit(link, self.key.sent(), id);
                // What the ring has no room for is not put on top of what waits for it already.
                credit.map(|credit| credit > 0 && !engine.want_drain(link, self.draft.lane))
            });
            match credit {
                Some(None) => (Poll::Ready(Err(over())), Some(waker)),
                Some(Some(true)) => (Poll::Ready(Ok(())), Some(waker)),
                // No session comes for it any more.
                None if flow.has_ended() => (Poll::Ready(Err(over())), Some(waker)),
                Some(Some(false)) | None => (Poll::Pending, flow.with.writer.replace(waker)),
            }
        });
        drop(displaced);
        found
    }

    fn send_now(&self, payload: &[u8]) -> Result<()> {
        let sent = self.shared.with(|State { engine, dispatcher, .. }| {
            let flow = dispatcher.flows.get(self.key).ok_or_else(over)?;
            match flow.with.wire {
                Some(Wire { link, id }) => engine.send(link, &Draft { id, ..self.draft }, payload),
                None if flow.has_ended() => Ok(Sent::Unwanted),
                // It shares the fate of those before it: items are not sent again.
                None => Ok(Sent::Queued),
            }
        })?;
        if sent == Sent::Unwanted { Err(over()) } else { Ok(()) }
    }
}

fn over() -> Error {
    Error::new(Code::Cancelled, "the stream is over")
}

impl Stream for Streaming {
    type Item = Result<Item>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Item>>> {
        self.poll_item(context)
    }
}

impl Sink<Vec<u8>> for Streaming {
    type Error = Error;

    fn poll_ready(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Result<()>> {
        self.poll_room(context)
    }

    fn start_send(self: Pin<&mut Self>, item: Vec<u8>) -> Result<()> {
        self.send_now(&item)
    }

    /// What was sent is on its way already.
    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_close(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<Result<()>> {
        self.finish();
        Poll::Ready(Ok(()))
    }
}

impl Drop for Streaming {
    fn drop(&mut self) {
        let forgotten = self.shared.with(|State { engine, dispatcher, .. }| {
            let given_up = match self.key {
                FlowKey::Ours(id) => dispatcher.give_up(engine, id),
                FlowKey::Served(..) => None,
            };
            (given_up, dispatcher.flows.forget(self.key))
        });
        drop(forgotten);
    }
}

impl std::fmt::Debug for Streaming {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("Streaming").field(&self.key).finish()
    }
}
