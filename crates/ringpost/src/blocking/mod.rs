//! The API for threads that wait: each call returns when it is done.
//!
//! ```
//! use ringpost::blocking::{Answer, Client, Server};
//! use ringpost::{CallOptions, ClientConfig, ServerConfig};
//! # let directory = std::env::temp_dir().join(format!("ringpost-doc-{}", std::process::id()));
//! # let server_config = ServerConfig::new().directory(&directory);
//! # let client_config = ClientConfig::new().directory(&directory);
//!
//! let mut server = Server::bind("demo", &server_config)?;
//! server.handle("shout", |request, reply| {
//!     reply.payload.extend(request.payload.to_ascii_uppercase());
//!     Ok(Answer::Now)
//! });
//! let stopper = server.stopper();
//! let serving = std::thread::spawn(move || server.run());
//!
//! let mut client = Client::connect("demo", &client_config)?;
//! let reply = client.request("shout", b"hello", &CallOptions::new())?;
//! assert_eq!(reply.payload, b"HELLO");
//!
//! stopper.stop();
//! serving.join().unwrap()?;
//! # std::fs::remove_dir_all(directory).unwrap();
//! # Ok::<(), ringpost::Error>(())
//! ```

mod asking;
mod batch;
mod client;
mod common;
mod dispatcher;
mod endpoint;
mod in_place;
mod loan;
mod requester;
mod server;
#[cfg(feature = "typed")]
mod serving;
mod sources;
mod stream;

use std::sync::Arc;
use std::time::Duration;

use ipc_core::{LinkId, Message, StopSignal};

use crate::api::CallOptions;

pub use crate::api::Change;
pub use batch::Batch;
pub use client::Client;
pub use loan::{Loan, RequestLoan};
#[cfg(feature = "typed")]
pub use requester::Items;
pub use requester::{Connection, Requester};
pub use server::Server;
pub use stream::Streaming;

/// A request or one-way message a handler is called with.
///
/// ```
/// # use ringpost::blocking::{Answer, Server};
/// # fn example(server: &mut Server) {
/// server.handle("upload", |request, _| {
///     println!("{} bytes from {:?}", request.payload.len(), request.link);
///     Ok(Answer::Now)
/// });
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
#[non_exhaustive]
pub struct Request<'a> {
    /// What was sent.
    pub payload: &'a [u8],
    /// Everything else about it.
    pub message: &'a Message,
    /// The connection it came on.
    pub link: LinkId,
}

impl Request<'_> {
    /// What it takes to answer later; see [`Answer::Later`].
    ///
    /// ```
    /// # use ringpost::blocking::Request;
    /// # fn example(request: &Request<'_>) {
    /// let ticket = request.ticket();
    /// # }
    /// ```
    pub fn ticket(&self) -> Ticket {
        Ticket { link: self.link, message: *self.message }
    }

    /// How long the caller will go on waiting; `None`: without end.
    ///
    /// ```
    /// # use ringpost::blocking::Request;
    /// # fn example(request: &Request<'_>) {
    /// if request.remaining().is_some_and(|left| left.is_zero()) {
    ///     return; // too late to begin
    /// }
    /// # }
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.ticket().remaining()
    }

    /// Whether the caller has sent this request before, on a session that was lost: a handler of
    /// this or another process may have worked on it.
    ///
    /// ```
    /// # use ringpost::blocking::Request;
    /// # fn example(request: &Request<'_>) {
    /// if request.replayed() {
    ///     println!("looks up whether it was done already");
    /// }
    /// # }
    /// ```
    pub fn replayed(&self) -> bool {
        self.message.replayed.is_some()
    }

    /// Of a stream that was sent before, how many items the caller has received on sessions that
    /// were lost: they are not sent again. 0 of any other.
    ///
    /// ```
    /// # use ringpost::blocking::Request;
    /// # fn example(request: &Request<'_>, lines: &[String]) {
    /// for line in lines.iter().skip(request.items_taken() as usize) {
    ///     println!("sends {line}");
    /// }
    /// # }
    /// ```
    pub fn items_taken(&self) -> u64 {
        self.message.replayed.unwrap_or(0)
    }

    /// The options of a request that is made to answer this one: it has no more time than this has
    /// left, and carries the same trace context.
    ///
    /// ```
    /// # use ringpost::blocking::Request;
    /// # use ringpost::CallOptions;
    /// # fn example(request: &Request<'_>) {
    /// let options = request.within(&CallOptions::new());
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, options: &CallOptions) -> CallOptions {
        self.ticket().within(options)
    }
}

/// A request to be answered later, with `answer`. Work that goes on for long may ask `is_awaited`.
///
/// ```
/// use ringpost::blocking::{Answer, Server, Ticket};
/// use ringpost::{Reply, Result};
///
/// fn serve(server: &mut Server) -> Result<()> {
///     let (asked, asking) = std::sync::mpsc::channel::<Ticket>();
///     server.handle("measure", move |request, _| {
///         asked.send(request.ticket()).expect("it is received below");
///         Ok(Answer::Later)
///     });
///     loop {
///         server.turn(std::time::Duration::from_secs(1))?;
///         while let Ok(ticket) = asking.try_recv() {
///             server.answer(&ticket, Ok(&Reply::bytes("21 degrees")))?;
///         }
///     }
/// }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Ticket {
    link: LinkId,
    message: Message,
}

impl Ticket {
    /// How long the caller will go on waiting; `None`: without end.
    ///
    /// ```
    /// # use ringpost::blocking::Ticket;
    /// # fn example(ticket: &Ticket) {
    /// if ticket.remaining().is_some_and(|left| left.is_zero()) {
    ///     return; // too late to answer
    /// }
    /// # }
    /// ```
    pub fn remaining(&self) -> Option<Duration> {
        self.message.deadline.remaining()
    }

    /// As [`Request::within`], for a request that is made later.
    ///
    /// ```
    /// # use ringpost::blocking::{Server, Ticket};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, other: LinkId, ticket: &Ticket) -> Result<()> {
    /// let options = ticket.within(&CallOptions::new());
    /// let reply = server.request(other, "measure", b"", &options)?;
    /// server.answer(ticket, Ok(&reply))?;
    /// # Ok(())
    /// # }
    /// ```
    #[must_use]
    pub fn within(&self, options: &CallOptions) -> CallOptions {
        options.within(self.remaining(), self.message.trace)
    }
}

/// Whether a handler has answered a request.
///
/// ```
/// # use ringpost::blocking::{Answer, Server, Ticket};
/// # fn example(server: &mut Server, work: std::sync::mpsc::Sender<Ticket>) {
/// server.handle("version", |_, reply| {
///     reply.payload.extend(b"1.0");
///     Ok(Answer::Now)
/// });
/// server.handle("render", move |request, _| {
///     work.send(request.ticket()).expect("the loop of this server receives it");
///     Ok(Answer::Later)
/// });
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum Answer {
    /// The answer is in the reply it was given.
    Now,
    /// The answer will be given by its [`Ticket`], or never.
    Later,
}

/// Makes a server or client that waits in another thread return.
///
/// ```
/// # use ringpost::blocking::Server;
/// # fn example(server: &mut Server) -> ringpost::Result<()> {
/// let stopper = server.stopper();
/// std::thread::spawn(move || {
///     let _ = std::io::stdin().read_line(&mut String::new());
///     stopper.stop();
/// });
/// server.run()
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Stopper(Arc<StopSignal>);

impl Stopper {
    /// Makes it return, now or when it next waits.
    ///
    /// ```
    /// # use ringpost::blocking::Server;
    /// # fn example(mut server: Server) {
    /// let stopper = server.stopper();
    /// let serving = std::thread::spawn(move || server.run());
    /// stopper.stop();
    /// serving.join().expect("it does not panic").expect("it has served");
    /// # }
    /// ```
    pub fn stop(&self) {
        self.0.set();
    }
}
