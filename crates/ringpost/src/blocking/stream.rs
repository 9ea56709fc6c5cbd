//! Both ends of a stream, for threads that wait.

use ipc_core::{Code, Draft, Error, LinkId, RemoteError, Result, Sent, Time, item_cost};

use super::Ticket;
use super::dispatcher::Ids;
use super::endpoint::Endpoint;
use crate::api::{CallOptions, FlowKey, Item, Reading, Reply, item_draft, not_a_stream};

/// One end of a stream: a request whose caller and handler send each other items.
///
/// At the caller the items end with the reply, which [`Self::reply`] returns, or with an error, and
/// dropping this cancels the request. At the handler they end when the caller calls
/// [`Self::finish`]; the items sent there end with the answer.
///
/// ```
/// # use ringpost::blocking::Client;
/// # use ringpost::{CallOptions, Result};
/// # fn example(client: &mut Client) -> Result<()> {
/// let mut lines = client.stream("sort", b"", &CallOptions::new())?;
/// for line in [b"pear", b"plum"] {
///     lines.send(line)?;
/// }
/// lines.finish();
/// while let Some(line) = lines.next()? {
///     println!("{} bytes", line.payload.len());
/// }
/// let reply = lines.reply()?;
/// # Ok(())
/// # }
/// ```
pub struct Streaming<'a> {
    endpoint: &'a mut Endpoint,
    key: FlowKey,
    link: LinkId,
    /// What the frames of our items say, and the id that the request has on its connection.
    draft: Draft,
}

impl<'a> Streaming<'a> {
    pub(super) fn ask(
        endpoint: &'a mut Endpoint,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Self> {
        let code = endpoint.engine.code(method)?;
        let ids = endpoint.begin(link, &mut Vec::new());
        let (request, key) = (options.stream(code, ids.wire), FlowKey::Ours(ids.ours));
        if let Err(error) = endpoint.engine.send(link, &request, payload) {
            endpoint.dispatcher.conclude(link, ids);
            return Err(error);
        }
        endpoint.engine.flush();
        endpoint.dispatcher.flows.open(key, ());
        Ok(Self { endpoint, key, link, draft: item_draft(&request, key) })
    }

    pub(super) fn serve(endpoint: &'a mut Endpoint, ticket: &Ticket) -> Result<Self, RemoteError> {
        let Some(_) = ticket.message.window else { return Err(not_a_stream()) };
        let key = FlowKey::Served(ticket.link, ticket.message.id);
        let draft = item_draft(&Draft::reply(&ticket.message, ticket.message.codec), key);
        Ok(Self { endpoint, key, link: ticket.link, draft })
    }

    /// Waits for the next item of the other side; `None`: it has sent its last.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut stream = client.stream("count", b"", &CallOptions::new())?;
    /// while let Some(item) = stream.next()? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results goes on after an error"
    )]
    pub fn next(&mut self) -> Result<Option<Item>> {
        loop {
            let (link, id) = (self.link, self.draft.id);
            let Some(flow) = self.endpoint.dispatcher.flows.get(self.key) else {
                return Err(over());
            };
            match flow.read() {
                Reading::Item(item) => {
                    let cost = item_cost(item.payload.len());
                    self.endpoint.engine.consumed(link, self.key.taken(), id, cost);
                    self.endpoint.engine.flush();
                    return Ok(Some(item));
                }
                Reading::Last => return Ok(None),
                Reading::Failed(error) => return Err(error),
                Reading::Nothing => self.wait()?,
            }
        }
    }

    /// As [`Self::next`], into an item that is used again, so that reading many allocates nothing.
    /// False: the other side has sent its last.
    ///
    /// ```
    /// # use ringpost::Item;
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut stream = client.stream("count", b"", &CallOptions::new())?;
    /// let mut item = Item::default();
    /// while stream.next_into(&mut item)? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn next_into(&mut self, item: &mut Item) -> Result<bool> {
        let next = self.next()?;
        let any = next.is_some();
        if let Some(next) = next {
            let Item { payload, .. } = std::mem::replace(item, next);
            self.endpoint.dispatcher.recycle(payload);
        }
        Ok(any)
    }

    /// Sends an item, and waits while the other side does not keep up.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut stream = client.stream("upload", b"", &CallOptions::new())?;
    /// for part in [b"one", b"two"] {
    ///     stream.send(part)?;
    /// }
    /// let reply = stream.reply()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&mut self, payload: &[u8]) -> Result<()> {
        let (link, id, lane) = (self.link, self.draft.id, self.draft.lane);
        loop {
            match self.endpoint.engine.credit(link, self.key.sent(), id) {
                None => return Err(over()),
                // What the ring has no room for is not put on top of what waits for it already.
                Some(credit) if credit > 0 && !self.endpoint.engine.want_drain(link, lane) => break,
                Some(_) => self.wait()?,
            }
        }
        let sent = self.endpoint.engine.send(link, &self.draft, payload)?;
        self.endpoint.engine.flush();
        if sent == Sent::Unwanted { Err(over()) } else { Ok(()) }
    }

    /// Whether the other side still wants our items.
    ///
    /// ```
    /// # use ringpost::blocking::Client;
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut stream = client.stream("upload", b"", &CallOptions::new())?;
    /// while stream.is_open() {
    ///     stream.send(b"more")?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_open(&mut self) -> bool {
        let (link, id) = (self.link, self.draft.id);
        self.endpoint.engine.credit(link, self.key.sent(), id).is_some()
    }

    /// Ends the items that go with this request; its reply is still to come. At the handler, where
    /// the answer ends them, this does nothing.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut stream = client.stream("upload", b"", &CallOptions::new())?;
    /// stream.send(b"all")?;
    /// stream.finish();
    /// while let Some(item) = stream.next()? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn finish(&mut self) {
        if self.key.is_ours() {
            self.endpoint.engine.end_items(self.link, self.draft.lane, self.draft.id);
            self.endpoint.engine.flush();
        }
    }

    /// Waits for the reply, and drops the items that still come before it. At the handler, waits
    /// until the caller has sent its last.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let stream = client.stream("count", b"", &CallOptions::new())?;
    /// let reply = stream.reply()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn reply(mut self) -> Result<Reply> {
        self.finish();
        while self.next()?.is_some() {}
        let flow = self.endpoint.dispatcher.flows.get(self.key);
        flow.and_then(|flow| flow.take_reply()).unwrap_or_else(|| Err(over()))
    }

    fn wait(&mut self) -> Result<()> {
        if self.endpoint.is_stopped() {
            return Err(Error::new(Code::Cancelled, "stopped while waiting for a stream"));
        }
        self.endpoint.turn(Time::NEVER).map(drop)
    }
}

impl Drop for Streaming<'_> {
    fn drop(&mut self) {
        if let FlowKey::Ours(ours) = self.key {
            let ids = Ids { ours, wire: self.draft.id };
            self.endpoint.engine.cancel(self.link, ids.wire);
            self.endpoint.dispatcher.conclude(self.link, ids);
            self.endpoint.dispatcher.flows.forget(self.key);
        }
    }
}

fn over() -> Error {
    Error::new(Code::Cancelled, "the stream is over")
}
