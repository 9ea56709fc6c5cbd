//! A client that waits.

use std::time::Duration;

use ipc_core::{
    Codec, Corrupt, Draft, EngineStats, LinkId, LinkStats, Peer, RemoteError, Result, Sent, Time,
};

use super::endpoint::Endpoint;
use super::{Answer, Change, Loan, Request, RequestLoan, Stopper, Streaming, Ticket};
use crate::api::{Arrival, CallOptions, ClientConfig, Reply, Subscription, closed_at_once};

/// Messages of a batch after which the peer is shown them.
const BATCH_MESSAGES: u32 = 64;

/// A connection to a server, used by one thread at a time.
pub struct Client {
    endpoint: Endpoint,
    link: LinkId,
    peer: Peer,
}

impl Client {
    /// Connects to the server of that name.
    pub fn connect(name: &str, config: &ClientConfig) -> Result<Self> {
        let mut endpoint = Endpoint::new(config.timeout, config.wait_policy)?;
        let link = endpoint.engine.connect(name, &config.options, config.connect_timeout)?;
        loop {
            endpoint.turn(Time::NEVER)?;
            let change = endpoint.changes().next();
            let error = match change {
                Some(Change::Connected(_, peer)) => {
                    endpoint.begin_reading();
                    return Ok(Self { endpoint, link, peer });
                }
                Some(Change::Closed(_, error)) => error,
                _ if endpoint.engine.is_open(link) => continue,
                _ => None,
            };
            return Err(error.unwrap_or_else(closed_at_once));
        }
    }

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Calls `handler` for each request or one-way message of that name the server sends, while this
    /// client waits for something: in [`Self::request`], [`Self::turn`] or [`Self::drain`].
    pub fn handle<H>(&mut self, name: &str, handler: H)
    where
        H: FnMut(&Request<'_>, &mut Reply) -> Result<Answer, RemoteError> + Send + 'static,
    {
        self.endpoint.handle(name, Box::new(handler));
    }

    /// Calls `listener` for each one-way message of that name, beside whatever else is called for it.
    pub fn on<L>(&mut self, event: &str, listener: L) -> Subscription
    where
        L: FnMut(&Request<'_>) + Send + 'static,
    {
        self.endpoint.listen(event, false, listener)
    }

    /// The same for the next one only.
    pub fn once<L>(&mut self, event: &str, listener: L) -> Subscription
    where
        L: FnMut(&Request<'_>) + Send + 'static,
    {
        self.endpoint.listen(event, true, listener)
    }

    /// Ends what [`Self::on`] or [`Self::once`] began; twice does nothing.
    pub fn off(&mut self, subscription: Subscription) {
        self.endpoint.dispatcher.router.stop_listening(subscription);
    }

    /// Lets the server send requests and one-way messages of this name compressed: what it takes to
    /// unpack them is up to 64 times what the server has put in.
    pub fn accept_compressed(&mut self, name: &str) {
        self.endpoint.accept_compressed(name);
    }

    /// Asks, and waits for the answer.
    pub fn request(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Reply> {
        let mut reply = Reply::default();
        reply.codec = self.request_into(method, payload, options, &mut reply.payload)?;
        Ok(reply)
    }

    /// Asks, and waits for the answer, which replaces what is in `answer`: a buffer that is used
    /// again makes a request without any allocation.
    pub fn request_into(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
        answer: &mut Vec<u8>,
    ) -> Result<Codec> {
        let code = self.endpoint.engine.code(method)?;
        self.endpoint.request(self.link, code, payload, options, answer)
    }

    /// Asks for a stream: a request with items, in either direction.
    pub fn stream(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>> {
        Streaming::ask(&mut self.endpoint, self.link, method, payload, options)
    }

    /// The items of a request of the server that was put off, if it is a stream.
    pub fn serve_stream(&mut self, ticket: &Ticket) -> Streaming<'_> {
        Streaming::serve(&mut self.endpoint, ticket)
    }

    /// Sends a message nobody answers. It is in the ring, or waits in private memory for room as long as
    /// its lane allows, or is dropped or refused with [`Code::Full`](crate::Code::Full), by the lane's
    /// [`Overflow`](crate::Overflow).
    pub fn notify(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        let mut batch = self.batch(event, options)?;
        batch.notify(payload)
    }

    /// The same, and waits until the message is being written. [`Code::Full`](crate::Code::Full): its
    /// lane has dropped it.
    pub fn send(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        self.endpoint.send(self.link, &draft, payload)
    }

    /// For many one-way messages in a row: the peer is shown them some at a time.
    pub fn batch(&mut self, event: &str, options: &CallOptions) -> Result<Batch<'_>> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        Ok(Batch { client: self, draft, unseen: 0 })
    }

    /// Finds room for a one-way message of `len` bytes in the memory shared with the server, to be
    /// filled there instead of being copied there. It has to fit into one frame, a quarter of its
    /// lane's ring less a few bytes, or it is refused with [`Code::TooLarge`](crate::Code::TooLarge); while the ring is full
    /// it is refused with [`Code::Full`](crate::Code::Full).
    ///
    /// ```
    /// # use ringpost::blocking::{Client, Server};
    /// # use ringpost::{CallOptions, ClientConfig, ServerConfig};
    /// # let directory = std::env::temp_dir().join(format!("ringpost-loan-{}", std::process::id()));
    /// # let mut server = Server::bind("demo", &ServerConfig::new().directory(&directory))?;
    /// # let stopper = server.stopper();
    /// # let serving = std::thread::spawn(move || server.run());
    /// # let mut client = Client::connect("demo", &ClientConfig::new().directory(&directory))?;
    /// let mut image = client.loan("image", 64 << 10, &CallOptions::default())?;
    /// for row in 0..64 {
    ///     image.write(row << 10, &[0x7f; 1 << 10]);
    /// }
    /// image.send()?;
    /// # stopper.stop();
    /// # serving.join().unwrap()?;
    /// # std::fs::remove_dir_all(directory).unwrap();
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn loan(&mut self, event: &str, len: usize, options: &CallOptions) -> Result<Loan<'_>> {
        Loan::new(&mut self.endpoint, self.link, event, len, options)
    }

    /// The same for a request.
    pub fn loan_request(
        &mut self,
        method: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<RequestLoan<'_>> {
        RequestLoan::new(&mut self.endpoint, self.link, method, len, options)
    }

    /// Waits until nothing waits for room in private memory any more.
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.endpoint.drain(self.link, Time::now() + timeout)
    }

    /// Waits for messages of the server and handles them. Returns whether any came in time.
    pub fn turn(&mut self, timeout: Duration) -> Result<bool> {
        self.endpoint.turn(Time::now() + timeout)
    }

    /// As [`Self::turn`], but one-way messages that lie in one frame are shown to `read` where they
    /// lie, instead of being copied out for a handler. Longer ones have their handlers as ever.
    pub fn turn_in_place(
        &mut self,
        timeout: Duration,
        read: impl FnMut(Arrival<'_>) -> Result<(), Corrupt>,
    ) -> Result<bool> {
        self.endpoint.turn_in_place(Time::now() + timeout, read)
    }

    /// Answers a request of the server that was put off.
    pub fn answer(
        &mut self,
        ticket: &Ticket,
        answer: Result<&Reply, &RemoteError>,
    ) -> Result<Sent> {
        self.endpoint.answer(ticket, answer)
    }

    /// Whether the server still waits for this answer, as of now.
    pub fn is_awaited(&mut self, ticket: &Ticket) -> bool {
        self.endpoint.is_awaited(ticket)
    }

    /// Makes this client return from whatever it waits for, from another thread.
    pub fn stopper(&self) -> Stopper {
        self.endpoint.stopper()
    }

    /// Whether the connection is over.
    pub fn is_closed(&self) -> bool {
        self.endpoint.engine.peer(self.link).is_none()
    }

    /// What the connection has counted; `None` when it is over.
    pub fn link_stats(&self) -> Option<LinkStats> {
        self.endpoint.engine.link_stats(self.link)
    }

    /// What the engine has counted.
    pub fn engine_stats(&self) -> EngineStats {
        self.endpoint.engine.stats()
    }

    /// One-way messages of the server nobody handled.
    pub fn unhandled(&self) -> u64 {
        self.endpoint.unhandled()
    }

    /// Closes in good order and waits until what waited for room is written, or a second is over.
    pub fn close(mut self) -> Result<()> {
        self.endpoint.close(self.link)
    }
}

impl Drop for Client {
    /// The server hears that this was on purpose; what still waits for room is lost.
    fn drop(&mut self) {
        self.endpoint.say_goodbye(self.link);
    }
}

/// One-way messages of one name, from [`Client::batch`]. The rest is shown when it is dropped.
pub struct Batch<'a> {
    client: &'a mut Client,
    draft: Draft,
    unseen: u32,
}

impl Batch<'_> {
    /// Sends one more.
    #[inline]
    pub fn notify(&mut self, payload: &[u8]) -> Result<Sent> {
        let Client { endpoint, link, .. } = &mut *self.client;
        let sent = endpoint.engine.send(*link, &self.draft, payload)?;
        self.unseen += 1;
        if self.unseen == BATCH_MESSAGES || sent == Sent::Queued {
            self.unseen = 0;
            endpoint.engine.flush();
        }
        Ok(sent)
    }

    /// Waits until nothing waits for room in private memory any more.
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.client.drain(timeout)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.client.endpoint.engine.flush();
    }
}
