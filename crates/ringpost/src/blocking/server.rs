//! A server that blocks.

use std::time::Duration;

use ipc_core::{LinkId, LinkStats, ListenerId, Peer, RemoteError, Result, Time};

use super::endpoint::Endpoint;
use super::{Answer, Change, Request};
use crate::api::{Reply, ServerConfig};

/// A server, driven by one thread.
///
/// ```
/// use std::time::Duration;
/// use ringpost::ServerConfig;
/// use ringpost::blocking::{Answer, Server};
/// # let directory = std::env::temp_dir().join(format!("ringpost-server-{}", std::process::id()));
/// # let config = ServerConfig::new().directory(&directory);
///
/// let mut server = Server::bind("demo", &config)?;
/// server.handle("ping", |_, _| Ok(Answer::Now));
/// // A loop of one's own in place of `run`: no client is there, so nothing happens in time.
/// assert!(!server.turn(Duration::from_millis(1))?);
/// assert!(server.peers().is_empty());
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// ```
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
        let listener = if config.takes_over()? {
            let link = endpoint.engine.take_over(name, &config.options, &config.listen)?;
            endpoint.listening(link)?
        } else {
            config.listen_on(&mut endpoint.engine, name)?
        };
        endpoint.begin_reading();
        Ok(Self { endpoint, listener })
    }

    /// Calls `handler` for each request or one-way message of that name. It reads the request,
    /// writes the reply, and says whether that was the answer; for a one-way message what it writes
    /// is dropped.
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
        self.endpoint.handle(name, handler);
    }

    /// Serves until its [`Stopper`](crate::blocking::Stopper) is used.
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

    /// The connections that opened and ended since the last call, and whether the name was lost or
    /// taken over.
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
    pub fn peers(&self) -> Vec<(LinkId, Peer)> {
        let engine = &self.endpoint.engine;
        let peers = engine.links().into_iter();
        peers.filter_map(|link| Some((link, engine.peer(link)?.clone()))).collect()
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

    /// Waits until nothing waits for room towards a client any more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::blocking::Server;
    /// # use ringpost::{LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.drain(link, Duration::from_secs(1))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&mut self, link: LinkId, timeout: Duration) -> Result<()> {
        self.endpoint.drain(link, Time::now() + timeout)
    }

    /// Closes a connection gracefully and waits until it is over. It ends the client at the other
    /// end, which does not connect again.
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

    /// Closes all connections gracefully: waits until what waited for room is written, or for a
    /// second. Clients are informed that the server leaves, and look for the next one.
    ///
    /// ```
    /// # use ringpost::blocking::Server;
    /// # use ringpost::Result;
    /// # fn example(server: Server) -> Result<()> {
    /// server.close()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(mut self) -> Result<()> {
        self.close_listener();
        self.endpoint.close_all()
    }

    /// Releases the name and informs all clients, which send no new requests then and close their
    /// connections once theirs are answered. Serves until the last connection is closed, and closes
    /// after `drain` what is left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::Result;
    /// # use ringpost::blocking::Server;
    /// # fn example(server: Server) -> Result<()> {
    /// server.close_gracefully(Duration::from_secs(5))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn close_gracefully(mut self, drain: Duration) -> Result<()> {
        self.endpoint.leave_all(self.listener, Time::now() + drain)?;
        self.endpoint.close_all()
    }
}

impl Drop for Server {
    /// Closes all connections as [`Self::close`] does, without waiting.
    fn drop(&mut self) {
        self.endpoint.leave_now();
    }
}
