//! A server that blocks.

use std::time::Duration;

use ipc_core::{
    Corrupt, EngineStats, LinkId, LinkStats, ListenerId, Peer, RemoteError, Result, Sent, Time,
};

use super::endpoint::Endpoint;
use super::{Answer, Change, Request, Stopper, Ticket};
use crate::api::{Arrival, Reply, ServerConfig, Subscription};

/// A server, driven by one thread.
pub struct Server {
    pub(super) endpoint: Endpoint,
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

    /// Calls `listener` for each one-way message of that name, in addition to its handler and to
    /// other listeners.
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

    /// Accepts requests and one-way messages of this name compressed: unpacking them takes up to 64
    /// times what a client has put in.
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

    /// As [`Self::turn`], but `read` is called with one-way messages that lie in one frame where
    /// they lie, instead of a handler with a copy. Longer ones go to their handlers.
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

    /// Whether the caller still waits for this answer, as of now: long work sees a cancel without a
    /// turn.
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
    /// Closes all connections without waiting.
    fn drop(&mut self) {
        for link in self.endpoint.links() {
            self.endpoint.say_goodbye(link);
        }
    }
}
