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
    ///
    /// ```
    /// # use ringpost::Result;
    /// # fn example() -> Result<()> {
    /// use ringpost::ServerConfig;
    /// use ringpost::blocking::Server;
    ///
    /// let mut server = Server::bind("demo", &ServerConfig::new())?;
    /// server.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn bind(name: &str, config: &ServerConfig) -> Result<Self> {
        let mut endpoint = Endpoint::new(config.timeout, config.wait_policy)?;
        let listener = endpoint.engine.listen(name, &config.options, &config.listen)?;
        endpoint.begin_reading();
        Ok(Self { endpoint, listener })
    }

    /// Calls `handler` for each request or one-way message of that name.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.handle("shout", |request, reply| {
    ///     reply.payload.extend(request.payload.to_ascii_uppercase());
    ///     Ok(Answer::Now)
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn handle<H>(&mut self, name: &str, handler: H)
    where
        H: FnMut(&Request<'_>, &mut Reply) -> Result<Answer, RemoteError> + Send + 'static,
    {
        self.endpoint.handle(name, Box::new(handler));
    }

    /// Calls `listener` for each one-way message of that name, in addition to its handler and to other
    /// listeners.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.on("tick", |event| println!("{} bytes", event.payload.len()));
    /// # Ok(())
    /// # }
    /// ```
    pub fn on<L>(&mut self, event: &str, listener: L) -> Subscription
    where
        L: FnMut(&Request<'_>) + Send + 'static,
    {
        self.endpoint.listen(event, false, listener)
    }

    /// As [`Self::on`], for the next message only.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.once("ready", |event| println!("{:?} is ready", event.link));
    /// # Ok(())
    /// # }
    /// ```
    pub fn once<L>(&mut self, event: &str, listener: L) -> Subscription
    where
        L: FnMut(&Request<'_>) + Send + 'static,
    {
        self.endpoint.listen(event, true, listener)
    }

    /// Removes what [`Self::on`] or [`Self::once`] added; a second call does nothing.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let ticks = server.on("tick", |_| {});
    /// server.off(ticks);
    /// # Ok(())
    /// # }
    /// ```
    pub fn off(&mut self, subscription: Subscription) {
        self.endpoint.dispatcher.router.stop_listening(subscription);
    }

    /// Accepts requests and one-way messages of this name compressed: unpacking them takes up to 64 times
    /// what a client has put in.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.accept_compressed("document");
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept_compressed(&mut self, name: &str) {
        self.endpoint.accept_compressed(name);
    }

    /// Serves until its [`Stopper`] is used.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let stopper = server.stopper();
    /// std::thread::spawn(move || stopper.stop());
    /// server.run()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn run(&mut self) -> Result<()> {
        while !self.endpoint.is_stopped() {
            self.endpoint.turn(Time::NEVER)?;
            self.endpoint.changes().for_each(drop);
        }
        Ok(())
    }

    /// Waits for something to happen and handles it. Returns whether anything did in time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// while server.turn(Duration::from_secs(1))? {}
    /// # Ok(())
    /// # }
    /// ```
    pub fn turn(&mut self, timeout: Duration) -> Result<bool> {
        self.endpoint.turn(Time::now() + timeout)
    }

    /// As [`Self::turn`], but `read` is called with one-way messages that lie in one frame where they lie,
    /// instead of a handler with a copy. Longer ones go to their handlers.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let mut image = vec![0; 1 << 16];
    /// server.turn_in_place(Duration::from_secs(1), |arrival| {
    ///     let len = arrival.body.len();
    ///     arrival.body.copy_to(&mut image[..len])
    /// })?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn turn_in_place(
        &mut self,
        timeout: Duration,
        read: impl FnMut(Arrival<'_>) -> Result<(), Corrupt>,
    ) -> Result<bool> {
        self.endpoint.turn_in_place(Time::now() + timeout, read)
    }

    /// The connections that opened and ended since the last call, and whether the name was lost.
    ///
    /// ```
    /// # use ringpost::Change;
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// for change in server.changes() {
    ///     if let Change::Connected(link, peer) = change {
    ///         println!("{link:?} is process {}", peer.pid);
    ///     }
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn changes(&mut self) -> Vec<Change> {
        self.endpoint.changes().collect()
    }

    /// Answers a request later than its handler; see [`Answer::Later`].
    ///
    /// ```
    /// # use ringpost::blocking::{Server, Ticket};
    /// # use ringpost::{Reply, Result};
    /// # fn example(server: &mut Server, ticket: &Ticket) -> Result<()> {
    /// server.answer(ticket, Ok(&Reply::bytes("done")))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn answer(
        &mut self,
        ticket: &Ticket,
        answer: Result<&Reply, &RemoteError>,
    ) -> Result<Sent> {
        self.endpoint.answer(ticket, answer)
    }

    /// Whether the caller still waits for this answer, as of now: long work sees a cancel without a turn.
    ///
    /// ```
    /// # use ringpost::blocking::{Server, Ticket};
    /// # fn example(server: &mut Server, ticket: &Ticket) {
    /// if !server.is_awaited(ticket) {
    ///     return; // it was cancelled
    /// }
    /// # }
    /// ```
    pub fn is_awaited(&mut self, ticket: &Ticket) -> bool {
        self.endpoint.is_awaited(ticket)
    }

    /// Sends a client a request, and waits for its outcome while serving all clients.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let reply = server.request(link, "name", b"", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// Sends a client a request with items in either direction.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let mut stream = server.stream(link, "count", b"", &CallOptions::new())?;
    /// while let Some(item) = stream.next()? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(
        &mut self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>> {
        Streaming::ask(&mut self.endpoint, link, method, payload, options)
    }

    /// The items of a request that is answered later, if it is a stream.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let (tickets, streams) = std::sync::mpsc::channel();
    /// server.handle("count", move |request, _| {
    ///     tickets.send(request.ticket()).expect("it is received below");
    ///     Ok(Answer::Later)
    /// });
    /// if let Ok(ticket) = streams.try_recv() {
    ///     server.serve_stream(&ticket).send(b"one")?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn serve_stream(&mut self, ticket: &Ticket) -> Streaming<'_> {
        Streaming::serve(&mut self.endpoint, ticket)
    }

    /// Sends a client a one-way message without waiting.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.notify(link, "tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// As [`Self::notify`], and waits until the message is being written. [`Code::Full`](crate::Code::Full):
    /// its lane has dropped it.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.send(link, "tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
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

    /// The peers that are connected.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// for (link, peer) in server.peers() {
    ///     println!("{link:?} is process {}", peer.pid);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn peers(&self) -> Vec<(LinkId, &Peer)> {
        let engine = &self.endpoint.engine;
        let peers = engine.links().into_iter();
        peers.filter_map(|link| engine.peer(link).map(|peer| (link, peer))).collect()
    }

    /// Sends some clients, or all [`Self::peers`], a one-way message. Returns those it could not be
    /// sent to, with the reason.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let all: Vec<_> = server.peers().into_iter().map(|(link, _)| link).collect();
    /// let failed = server.notify_each(all, "tick", b"1", &CallOptions::new())?;
    /// assert!(failed.is_empty());
    /// # Ok(())
    /// # }
    /// ```
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

    /// Reserves space for a one-way message to a client, as [`super::Client::loan`].
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let mut image = server.loan(link, "image", 4096, &CallOptions::new())?;
    /// image.write(0, &[0x7f; 4096]);
    /// image.send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn loan(
        &mut self,
        link: LinkId,
        event: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<Loan<'_>> {
        Loan::new(&mut self.endpoint, link, event, len, options)
    }

    /// As [`Self::loan`], for a request.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let mut image = server.loan_request(link, "resize", 4096, &CallOptions::new())?;
    /// image.write(0, &[0x7f; 4096]);
    /// let reply = image.request()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn loan_request(
        &mut self,
        link: LinkId,
        method: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<RequestLoan<'_>> {
        RequestLoan::new(&mut self.endpoint, link, method, len, options)
    }

    /// What makes this server return from its wait, from another thread.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let stopper = server.stopper();
    /// std::thread::spawn(move || stopper.stop());
    /// # Ok(())
    /// # }
    /// ```
    pub fn stopper(&self) -> Stopper {
        self.endpoint.stopper()
    }

    /// The counters of a connection; `None` when it is over.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let received = server.link_stats(link).map(|stats| stats.received);
    /// # Ok(())
    /// # }
    /// ```
    pub fn link_stats(&self, link: LinkId) -> Option<LinkStats> {
        self.endpoint.engine.link_stats(link)
    }

    /// The counters of the engine.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// assert_eq!(server.engine_stats().lost_wakeups, 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn engine_stats(&self) -> EngineStats {
        self.endpoint.engine.stats()
    }

    /// One-way messages of clients without a handler.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// assert_eq!(server.unhandled(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn unhandled(&self) -> u64 {
        self.endpoint.unhandled()
    }

    /// Closes a connection gracefully and waits until it is over.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.disconnect(link)?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn disconnect(&mut self, link: LinkId) -> Result<()> {
        self.endpoint.close(link)
    }

    /// Stops accepting; connections stay.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.close_listener();
    /// # Ok(())
    /// # }
    /// ```
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
