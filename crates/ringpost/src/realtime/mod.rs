//! The API for threads under a deadline: what they call makes no system call, takes no lock and
//! allocates nothing.
//!
//! An audio callback cannot wait and must not be made to. So a [`Link`] is set up by a thread that
//! may do anything, and is then *polled*: [`Link::try_send`] and [`Link::try_recv`] touch the
//! shared rings and nothing else. Three things they leave to a moment or a thread that may do more:
//!
//! - waking a peer that sleeps, which is [`Waker::wake`];
//! - everything rare, which is [`Link::maintenance`]: the death of the peer, its definitions of
//!   names, requests;
//! - learning a name, which is [`Link::method`].
//!
//! Under [`Transport::Portable`](crate::Transport::Portable) a peer that makes the memory shorter
//! costs the thread that finds it one system call, in a signal handler; the connection is over
//! then.
//!
//! ```
//! use ringpost::realtime::{Link, Wake};
//! # use ringpost::blocking::{Answer, Server};
//! use ringpost::{CallOptions, ClientConfig};
//! # let directory = std::env::temp_dir().join(format!("ringpost-rt-{}", std::process::id()));
//! # use ringpost::ServerConfig;
//! # let mut server = Server::bind("speaker", &ServerConfig::new().directory(&directory))?;
//! # let (heard, hearing) = std::sync::mpsc::channel();
//! # server.handle("block", move |request, _| {
//! #     heard.send(request.payload.len()).unwrap();
//! #     Ok(Answer::Now)
//! # });
//! # let stopper = server.stopper();
//! # let serving = std::thread::spawn(move || server.run());
//!
//! // Beforehand.
//! let config = ClientConfig::new();
//! # let config = config.directory(&directory);
//! let mut link = Link::connect("speaker", &config)?;
//! let block = link.method("block", &CallOptions::new())?;
//! let waker = link.waker();
//!
//! // In the callback.
//! let samples = [0; 512];
//! match link.try_send(&block, &samples) {
//!     Ok(Wake::Needed) => {} // the thread with the waker wakes the peer
//!     Ok(Wake::NotNeeded) => {}
//!     Err(_) => {} // the block is lost: the next one is due already
//! }
//!
//! // Elsewhere, every millisecond.
//! waker.wake();
//! # assert_eq!(hearing.recv(), Ok(512));
//! # stopper.stop();
//! # serving.join().unwrap()?;
//! # std::fs::remove_dir_all(directory).unwrap();
//! # Ok::<(), ringpost::Error>(())
//! ```

mod hosts;
mod loan;
mod one_piece;

use std::time::Duration;

pub use ipc_core::Waker;
pub use loan::Loan;

use ipc_core::{
    Code, Corrupt, Draft, Engine, Error, LinkId, LinkStats, ListenOptions, Peer, Refusal, Result,
    Taken, Time,
};

use crate::api::{Arrival, CallOptions, ClientConfig, ServerConfig};

use hosts::{Dispatcher, Reader};
use one_piece::in_one_piece;

/// A connection that is polled by one thread at a time.
///
/// ```
/// # use ringpost::realtime::{Link, TryRecvError};
/// # use ringpost::{CallOptions, ClientConfig, Result};
/// # fn example() -> Result<()> {
/// let mut link = Link::connect("sound", &ClientConfig::new())?;
/// let block = link.method("block", &CallOptions::new())?;
/// let mut samples = [0; 512];
/// loop {
///     // Under a deadline: neither makes a system call.
///     let received = link.try_recv(|arrival| arrival.body.copy_to(&mut samples));
///     if link.try_send(&block, &samples).is_err() {
///         println!("this block is lost");
///     }
///     // Where there is time for it.
///     if received == Err(TryRecvError::MaintenanceNeeded) {
///         link.maintenance()?;
///     }
/// }
/// # }
/// ```
pub struct Link {
    engine: Engine,
    link: LinkId,
    peer: Peer,
    waker: Waker,
    dispatcher: Dispatcher,
    /// Its end is that of a server.
    serves: bool,
    /// What the peer broke the protocol with; the next maintenance ends the connection for it.
    broken: Option<Corrupt>,
}

/// A name that is defined for the peer, and how its messages travel. It belongs to one link.
///
/// ```
/// # use ringpost::realtime::{Link, Method};
/// # use ringpost::{CallOptions, Lane, Result};
/// # fn example(link: &mut Link) -> Result<()> {
/// // Before the deadlines begin.
/// let stop: Method = link.method("stop", &CallOptions::new().lane(Lane::Critical))?;
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug)]
pub struct Method(Draft);

/// Whether a message wakes its reader by itself.
///
/// ```
/// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
/// # fn example(link: &mut Link, block: &Method) -> Result<(), TrySendError> {
/// let waker = link.waker(); // for a thread that may make system calls
/// if link.try_send(block, b"samples")? == Wake::Needed {
///     std::thread::spawn(move || waker.wake());
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The peer sleeps: [`Waker::wake`] has to be called, within the tenth of a second after which
    /// the peer counts a wake-up as lost.
    Needed,
    /// The peer is awake.
    NotNeeded,
}

/// Why a message was not sent. Nothing of it waits anywhere.
///
/// ```
/// use ringpost::realtime::TrySendError;
///
/// /// Whether to send it again in the next period.
/// fn is_worth_another_try(error: TrySendError) -> bool {
///     error == TrySendError::Full
/// }
/// assert!(!is_worth_another_try(TrySendError::TooLarge));
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TrySendError {
    /// The ring is full: the peer has to read on first.
    #[error("the lane has no room for this message now")]
    Full,
    /// No frame of this lane takes a message so long.
    #[error("the message is longer than a frame of this lane")]
    TooLarge,
    /// The connection is over; [`Link::maintenance`] says why.
    #[error("the connection is over")]
    Closed,
}

/// Why nothing can be received before [`Link::maintenance`] was called.
///
/// ```
/// # use ringpost::realtime::{Link, TryRecvError};
/// # fn example(link: &mut Link) -> ringpost::Result<()> {
/// match link.try_recv(|_| Ok(())) {
///     Err(TryRecvError::MaintenanceNeeded) => link.maintenance()?,
///     Err(TryRecvError::Closed) => println!("the peer has gone"),
///     Ok(_) => {}
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TryRecvError {
    /// What comes next takes memory or a system call.
    #[error("maintenance is needed")]
    MaintenanceNeeded,
    /// The connection is over, and all of it was read; [`Link::maintenance`] says why.
    #[error("the connection is over")]
    Closed,
}

impl Link {
    /// Connects to the server of that name, whatever its API. Waits.
    ///
    /// So that every message arrives in one piece, the agreed length is at most what a frame of the
    /// *smallest* lane holds: a quarter of its ring. Where that is too little,
    /// `config.options.rings` makes the lanes larger; [`Code::NoSpace`]: the server does not give
    /// as much.
    ///
    /// ```
    /// # use ringpost::Result;
    /// # fn example() -> Result<()> {
    /// use ringpost::ClientConfig;
    /// use ringpost::realtime::Link;
    ///
    /// let link = Link::connect("speaker", &ClientConfig::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn connect(name: &str, config: &ClientConfig) -> Result<Self> {
        let mut engine = Engine::new()?;
        engine.connect(name, &in_one_piece(&config.options)?, config.connect_timeout)?;
        let this = Self::establish(engine, Time::NEVER, false)?;
        one_piece::check(&this.peer.agreement)?;
        Ok(this)
    }

    /// Serves that name for one client, whatever its API: waits for the first that connects, and
    /// then gives the name up. With a client that asks for smaller lanes than those of the
    /// configuration, shorter messages are agreed on. A server may take the name over while it
    /// waits ([`Code::NameInUse`]); it takes none over itself ([`Code::InvalidArgument`]).
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::Result;
    /// # fn example() -> Result<()> {
    /// use ringpost::ServerConfig;
    /// use ringpost::realtime::Link;
    ///
    /// let link = Link::accept("speaker", &ServerConfig::new(), Duration::from_secs(60))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn accept(name: &str, config: &ServerConfig, timeout: Duration) -> Result<Self> {
        if config.take_over {
            return Err(Error::new(Code::InvalidArgument, "a link takes no name over"));
        }
        if config.socket.is_some() {
            return Err(Error::new(Code::InvalidArgument, "a link listens at a socket of its own"));
        }
        let mut engine = Engine::new()?;
        let listen = ListenOptions { connections_max: 1, ..config.listen };
        let listener =
            engine.listen_in_one_piece(name, &in_one_piece(&config.options)?, &listen)?;
        let mut this = Self::establish(engine, Time::now() + timeout, true)?;
        this.engine.close_listener(listener);
        Ok(this)
    }

    fn establish(mut engine: Engine, until: Time, serves: bool) -> Result<Self> {
        let mut dispatcher = Dispatcher::default();
        loop {
            engine.drive(&mut dispatcher);
            if let Some((link, peer)) = dispatcher.opened.take() {
                let waker = engine
                    .defer_wakes(link)
                    .ok_or_else(|| dispatcher.error.take().unwrap_or_else(over))?;
                let broken = None;
                return Ok(Self { engine, link, peer, waker, dispatcher, serves, broken });
            }
            if dispatcher.is_over {
                return Err(dispatcher.error.take().unwrap_or_else(over));
            }
            let now = Time::now();
            if now >= until {
                return Err(Error::new(Code::Timeout, "no client came in time"));
            }
            if engine.arm() {
                engine.sleep(None, until.saturating_since(now))?;
            }
        }
    }

    /// The process at the other end, and what was agreed with it.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// assert!(link.peer().pid > 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Resolves a name in advance, and defines it for the peer. Of the options, the lane, the codec
    /// and the trace context count. May wait and allocate.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// let block = link.method("block", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn method(&mut self, name: &str, options: &CallOptions) -> Result<Method> {
        let draft = options.one_way(self.engine.code(name)?);
        self.engine.register(self.link, &draft)?;
        self.waker.wake();
        Ok(Method(draft))
    }

    // ---- what a thread under a deadline may call ----

    /// Writes a message into the ring and shows it to the peer, or returns at once with the reason
    /// why not.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// match link.try_send(block, &[0; 512]) {
    ///     Ok(Wake::Needed) => {} // the thread with the waker wakes the peer
    ///     Ok(Wake::NotNeeded) => {}
    ///     Err(TrySendError::Full) => {} // this block is lost
    ///     Err(_) => {}
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_send(&mut self, method: &Method, payload: &[u8]) -> Result<Wake, TrySendError> {
        let mut loan = self.loan(method, payload.len())?;
        loan.write(0, payload);
        Ok(loan.send())
    }

    /// Reserves space for a message of `len` bytes in the ring, to be filled there.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// if let Ok(mut samples) = link.loan(block, 512) {
    ///     samples.write(0, &[0; 512]);
    ///     samples.send();
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn loan(&mut self, method: &Method, len: usize) -> Result<Loan<'_>, TrySendError> {
        if self.broken.is_some() {
            return Err(TrySendError::Closed);
        }
        match self.engine.try_reserve(self.link, &method.0, len) {
            Ok(reservation) => Ok(Loan { link: self, method: *method, reservation }),
            Err(Refusal::Full) => Err(TrySendError::Full),
            Err(Refusal::TooLarge { .. }) => Err(TrySendError::TooLarge),
            Err(Refusal::Closed | Refusal::Unnamed) => Err(TrySendError::Closed),
            Err(Refusal::Corrupt(corrupt)) => {
                self.broken = Some(corrupt);
                Err(TrySendError::Closed)
            }
        }
    }

    /// Calls `read` with the next one-way message, where it lies, and gives its space back. False:
    /// there is none now. The time `read` takes is part of this call.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// let mut samples = [0; 512];
    /// while let Ok(true) = link.try_recv(|arrival| arrival.body.copy_to(&mut samples)) {}
    /// # Ok(())
    /// # }
    /// ```
    pub fn try_recv(
        &mut self,
        mut read: impl FnMut(Arrival<'_>) -> Result<(), Corrupt>,
    ) -> Result<bool, TryRecvError> {
        if self.broken.is_some() {
            return Err(TryRecvError::Closed);
        }
        let mut reader = Reader { names: &self.dispatcher.names, read: &mut read };
        match self.engine.take_plain(self.link, &mut reader) {
            Ok(Taken::Message) => Ok(true),
            Ok(Taken::Other) => Err(TryRecvError::MaintenanceNeeded),
            Ok(Taken::Nothing) if self.dispatcher.is_over => Err(TryRecvError::Closed),
            Ok(Taken::Nothing) => Ok(false),
            Err(corrupt) => {
                self.broken = Some(corrupt);
                Err(TryRecvError::Closed)
            }
        }
    }

    // ---- what has to be called now and then, by a thread that may ----

    /// A handle that wakes the peer, for another thread.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// let waker = link.waker();
    /// std::thread::spawn(move || {
    ///     loop {
    ///         waker.wake();
    ///         std::thread::sleep(std::time::Duration::from_millis(1));
    ///     }
    /// });
    /// # Ok(())
    /// # }
    /// ```
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Does what takes system calls and memory: notices the end of the peer, learns its names,
    /// writes what waited for room, answers requests, for which there are no handlers here, and
    /// wakes the peer if needed. The error says why the connection is over; what arrived before can
    /// still be received.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// if let Err(error) = link.maintenance() {
    ///     println!("the connection is over: {error}");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn maintenance(&mut self) -> Result<()> {
        self.engine.take_others(self.link, self.broken.take(), &mut self.dispatcher);
        self.engine.drive(&mut self.dispatcher);
        for (request, error) in self.dispatcher.requests.drain(..) {
            // The caller may be gone by now.
            drop(self.engine.send(self.link, &Draft::error(&request), &error.encode()));
        }
        self.engine.flush();
        self.waker.wake();
        if !self.dispatcher.is_over {
            return Ok(());
        }
        Err(match &self.dispatcher.error {
            Some(error) => Error::new(error.code(), error.to_string()),
            None => over(),
        })
    }

    /// Messages that arrived in more than one piece, which a link that keeps no memory cannot
    /// assemble.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// assert_eq!(link.skipped(), 0);
    /// # Ok(())
    /// # }
    /// ```
    pub fn skipped(&self) -> u64 {
        self.dispatcher.skipped
    }

    /// The counters of the connection; `None` when it is over.
    ///
    /// ```
    /// # use ringpost::realtime::{Link, Method, TrySendError, Wake};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(link: &mut Link, block: &Method) -> Result<()> {
    /// let sent = link.link_stats().map(|stats| stats.sent);
    /// # Ok(())
    /// # }
    /// ```
    pub fn link_stats(&self) -> Option<LinkStats> {
        self.engine.link_stats(self.link)
    }
}

impl Drop for Link {
    /// Closes the connection without waiting.
    fn drop(&mut self) {
        if self.serves {
            self.engine.leave_now(self.link, &mut self.dispatcher);
        } else {
            self.engine.close(self.link, &mut self.dispatcher);
        }
        self.waker.wake();
    }
}

#[cold]
fn over() -> Error {
    Error::new(Code::Closed, "the connection is over")
}
