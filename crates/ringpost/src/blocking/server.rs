//! A server that waits.

use std::time::Duration;

use ipc_core::{
    Corrupt, EngineStats, Error, LinkId, LinkStats, ListenerId, Peer, RemoteError, Result, Sent,
    Time,
};

use super::endpoint::Endpoint;
use super::{Answer, Change, Loan, Request, RequestLoan, Stopper, Streaming, Ticket};
use crate::api::{Arrival, CallOptions, Reply, ServerConfig, Subscription};

/// A server, driven by one thread.
pub struct Server {
    endpoint: Endpoint,
    listener: ListenerId,
}

impl Server {
    /// Takes the name and listens.
    pub fn bind(name: &str, config: &ServerConfig) -> Result<Self> {
        let mut endpoint = Endpoint::new(config.timeout, config.wait_policy)?;
        let listener = endpoint.engine.listen(name, &config.options, &config.listen)?;
        endpoint.begin_reading();
        Ok(Self { endpoint, listener })
    }

    /// Calls `handler` for each request or one-way message of that name.
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

    /// Lets clients send requests and one-way messages of this name compressed: what it takes to unpack
    /// them is up to 64 times what a client has put in.
    pub fn accept_compressed(&mut self, name: &str) {
        self.endpoint.accept_compressed(name);
    }

    /// Serves until its [`Stopper`] says stop.
    pub fn run(&mut self) -> Result<()> {
        while !self.endpoint.is_stopped() {
            self.endpoint.turn(Time::NEVER)?;
            self.endpoint.changes().for_each(drop);
        }
        Ok(())
    }

    /// Waits for something to happen and deals with it. Returns whether anything did in time.
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

    /// The connections that came and went since this was asked last, and whether the name was lost.
    pub fn changes(&mut self) -> Vec<Change> {
        self.endpoint.changes().collect()
    }

    /// Answers a request that was put off.
    pub fn answer(
        &mut self,
        ticket: &Ticket,
        answer: Result<&Reply, &RemoteError>,
    ) -> Result<Sent> {
        self.endpoint.answer(ticket, answer)
    }

    /// Whether whoever asked still waits for this answer, as of now: a cancel is seen without a turn,
    /// by work that goes on for long.
    pub fn is_awaited(&mut self, ticket: &Ticket) -> bool {
        self.endpoint.is_awaited(ticket)
    }

    /// Sends a client a request, and waits for its outcome while serving all clients.
    pub fn request(
        &mut self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Reply> {
        let mut reply = Reply::default();
        let code = self.endpoint.engine.code(method)?;
        reply.codec = self.endpoint.request(link, code, payload, options, &mut reply.payload)?;
        Ok(reply)
    }

    /// Asks a client for a stream: a request with items, in either direction.
    pub fn stream(
        &mut self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>> {
        Streaming::ask(&mut self.endpoint, link, method, payload, options)
    }

    /// The items of a request that was put off, if it is a stream.
    pub fn serve_stream(&mut self, ticket: &Ticket) -> Streaming<'_> {
        Streaming::serve(&mut self.endpoint, ticket)
    }

    /// Sends a client a message nobody answers.
    pub fn notify(
        &mut self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Sent> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        let sent = self.endpoint.engine.send(link, &draft, payload);
        self.endpoint.engine.flush();
        sent
    }

    /// The same, and waits until the message is being written. [`Code::Full`](crate::Code::Full): its
    /// lane has dropped it.
    pub fn send(
        &mut self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<()> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        self.endpoint.send(link, &draft, payload)
    }

    /// Who is connected.
    pub fn peers(&self) -> Vec<(LinkId, &Peer)> {
        let engine = &self.endpoint.engine;
        let peers = engine.links().into_iter();
        peers.filter_map(|link| engine.peer(link).map(|peer| (link, peer))).collect()
    }

    /// Sends some clients, or all [`Self::peers`], a message nobody answers. Returns those it could not
    /// be sent to, and why.
    pub fn notify_each(
        &mut self,
        links: impl IntoIterator<Item = LinkId>,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Vec<(LinkId, Error)>> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        let mut left = Vec::new();
        for link in links {
            if let Err(error) = self.endpoint.engine.send(link, &draft, payload) {
                left.push((link, error));
            }
        }
        self.endpoint.engine.flush();
        Ok(left)
    }

    /// Finds room for a one-way message to a client, as [`super::Client::loan`].
    pub fn loan(
        &mut self,
        link: LinkId,
        event: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<Loan<'_>> {
        Loan::new(&mut self.endpoint, link, event, len, options)
    }

    /// The same for a request.
    pub fn loan_request(
        &mut self,
        link: LinkId,
        method: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<RequestLoan<'_>> {
        RequestLoan::new(&mut self.endpoint, link, method, len, options)
    }

    /// Makes this server return from whatever it waits for, from another thread.
    pub fn stopper(&self) -> Stopper {
        self.endpoint.stopper()
    }

    /// What a connection has counted; `None` when it is over.
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.endpoint.engine.link_stats(link)
    }

    /// What the engine has counted.
    pub fn engine_stats(&self) -> EngineStats {
        self.endpoint.engine.stats()
    }

    /// One-way messages of clients nobody handled.
    pub fn unhandled(&self) -> u64 {
        self.endpoint.unhandled()
    }

    /// Closes a connection.
    pub fn disconnect(&mut self, link: LinkId) -> Result<()> {
        self.endpoint.close(link)
    }

    /// Stops accepting; connections stay.
    pub fn close_listener(&mut self) {
        self.endpoint.engine.close_listener(self.listener);
    }
}

impl Drop for Server {
    /// Clients hear that this was on purpose.
    fn drop(&mut self) {
        for link in self.endpoint.links() {
            self.endpoint.say_goodbye(link);
        }
    }
}
