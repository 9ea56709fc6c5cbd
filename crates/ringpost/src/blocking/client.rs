//! A client that blocks.

use std::time::Duration;

use ipc_core::{Code, Codec, Error, LinkId, LinkStats, Peer, RemoteError, Result, Sent, Time};

use super::endpoint::Endpoint;
use super::{Answer, Change, Request, Streaming, Ticket};
use crate::api::{CallOptions, ClientConfig, Reply, closed_at_once};

/// A connection to a server, used by one thread at a time. It is one session, and over with it: a
/// program that wants another connects again.
///
/// ```
/// use ringpost::blocking::{Client, Server};
/// use ringpost::{CallOptions, ClientConfig, ServerConfig};
/// # let directory = std::env::temp_dir().join(format!("ringpost-client-{}", std::process::id()));
/// # let server_config = ServerConfig::new().directory(&directory);
/// # let client_config = ClientConfig::new().directory(&directory);
///
/// # let mut server = Server::bind("demo", &server_config)?;
/// # let stopper = server.stopper();
/// # let serving = std::thread::spawn(move || server.run());
/// let mut client = Client::connect("demo", &client_config)?;
/// client.notify("tick", b"1", &CallOptions::new())?;
/// let error = client.request("unknown", b"", &CallOptions::new()).unwrap_err();
/// assert_eq!(error.code(), ringpost::Code::UnknownMethod);
/// client.close()?;
/// # stopper.stop();
/// # serving.join().unwrap()?;
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct Client {
    pub(super) endpoint: Endpoint,
    pub(super) link: LinkId,
    peer: Peer,
}

impl Client {
    /// Connects to the server of that name, and waits until that is done.
    ///
    /// ```
    /// # use ringpost::Result;
    /// # fn example() -> Result<()> {
    /// use ringpost::ClientConfig;
    /// use ringpost::blocking::Client;
    ///
    /// let client = Client::connect("demo", &ClientConfig::new())?;
    /// assert!(!client.is_closed());
    /// # Ok(())
    /// # }
    /// ```
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

    /// The process at the other end, and what was agreed with it.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// assert!(client.peer().pid > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Calls `handler` for each request or one-way message of that name from the server, while this
    /// client waits for something: in [`Self::request`], [`Self::turn`] or [`Self::drain`]. What it
    /// writes for a one-way message is dropped.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// client.handle("name", |_, reply| {
    ///     reply.payload.extend_from_slice(b"a client");
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

    /// Sends a request, and waits for its outcome.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let reply = client.request("shout", b"hello", &CallOptions::new())?;
    /// assert_eq!(reply.payload, b"HELLO");
    /// # Ok(())
    /// # }
    /// ```
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

    /// As [`Self::request`], with the reply in place of what is in `answer`: a buffer that is used
    /// again makes a request that allocates nothing.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut answer = Vec::new();
    /// for _ in 0..3 {
    ///     client.request_into("shout", b"hello", &CallOptions::new(), &mut answer)?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
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

    /// Sends a request with items in either direction.
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
    pub fn stream(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>> {
        Streaming::ask(&mut self.endpoint, self.link, method, payload, options)
    }

    /// The items of a request of the server that is answered later. The error, for a request that
    /// is no stream, is meant for the caller. It may be called again, to go on with a stream after
    /// something else.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Reply, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let (tickets, streams) = std::sync::mpsc::channel();
    /// client.handle("count", move |request, _| {
    ///     tickets.send(request.ticket()).expect("it is received below");
    ///     Ok(Answer::Later)
    /// });
    /// if let Ok(ticket) = streams.try_recv() {
    ///     let served = client.take_stream(&ticket).and_then(|mut items| {
    ///         items.send(b"one")?;
    ///         Ok(Reply::default())
    ///     });
    ///     client.answer(&ticket, served.as_ref())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_stream(&mut self, ticket: &Ticket) -> Result<Streaming<'_>, RemoteError> {
        Streaming::serve(&mut self.endpoint, ticket)
    }

    /// Sends a one-way message without waiting. It is in the ring, or waits in private memory for
    /// room as long as its lane allows, or is dropped or refused with
    /// [`Code::Full`](crate::Code::Full), as the [`Overflow`](crate::Overflow) of its lane says.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// client.notify("tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        let sent = self.endpoint.engine.send(self.link, &draft, payload);
        self.endpoint.engine.flush();
        sent
    }

    /// As [`Self::notify`], and waits until the message is being written.
    /// [`Code::Full`](crate::Code::Full): its lane has dropped it.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// client.send("tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        self.endpoint.send(self.link, &draft, payload)
    }

    /// Waits until nothing waits for room in private memory any more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// client.drain(Duration::from_secs(1))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.endpoint.drain(self.link, Time::now() + timeout)
    }

    /// Waits for messages of the server and handles them. Returns whether any arrived in time.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// while client.turn(Duration::from_secs(1))? {}
    /// # Ok(())
    /// # }
    /// ```
    pub fn turn(&mut self, timeout: Duration) -> Result<bool> {
        self.endpoint.turn(Time::now() + timeout)
    }

    /// Waits until the connection is over, and handles messages of the server meanwhile; the error
    /// says why it is, unless it was closed gracefully, or why this does not wait any longer.
    ///
    /// ```
    /// # use ringpost::blocking::Client;
    /// # fn example(client: &mut Client) {
    /// if let Some(error) = client.closed() {
    ///     println!("lost the server: {error}");
    /// }
    /// # }
    /// ```
    pub fn closed(&mut self) -> Option<Error> {
        loop {
            if let Some(closed) = self.endpoint.dispatcher.changes.closed() {
                return closed;
            }
            if self.endpoint.is_stopped() {
                let message = "stopped while waiting for the end of the connection";
                return Some(Error::new(Code::Cancelled, message));
            }
            if let Err(error) = self.endpoint.turn(Time::NEVER) {
                return Some(error);
            }
        }
    }

    /// Whether the connection is over.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// assert!(!client.is_closed());
    /// # Ok(())
    /// # }
    /// ```
    pub fn is_closed(&self) -> bool {
        self.endpoint.engine.peer(self.link).is_none()
    }

    /// The counters of the connection; `None` when it is over.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let sent = client.link_stats().map(|stats| stats.sent);
    /// # Ok(())
    /// # }
    /// ```
    pub fn link_stats(&self) -> Option<LinkStats> {
        self.endpoint.engine.link_stats(self.link)
    }

    /// Closes the connection gracefully: waits until what waited for room is written, or for a
    /// second.
    ///
    /// ```
    /// # use ringpost::blocking::Client;
    /// # use ringpost::Result;
    /// # fn example(client: Client) -> Result<()> {
    /// client.close()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn close(mut self) -> Result<()> {
        self.endpoint.close(self.link)
    }
}

impl Drop for Client {
    /// Closes the connection without waiting; what still waits for room is lost.
    fn drop(&mut self) {
        self.endpoint.say_goodbye(self.link);
    }
}
