//! The api for threads under a deadline: what they call makes no system call, takes no lock and asks
//! for no memory.
//!
//! An audio callback cannot wait and must not be made to. So a [`Link`] is set up by a thread that
//! may do anything, and is then *polled*: [`Link::try_send`] and [`Link::try_recv`] touch the shared
//! rings and nothing else. Three things they leave to a moment or a thread that may do more:
//!
//! - waking a peer that sleeps, which is [`Waker::wake`];
//! - everything rare, which is [`Link::maintenance`]: the peer's death, its words about names, requests;
//! - learning a name, which is [`Link::method`].
//!
//! Under [`Transport::Portable`] a peer that makes the memory shorter costs the thread that finds it one
//! system call, in a signal handler; the connection is over then.
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
//!     Ok(Wake::Needed) => {} // whoever holds the waker will see to it
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

use std::time::Duration;

pub use ipc_core::Waker;
pub use loan::Loan;

use ipc_core::{
    Code, Corrupt, Draft, Engine, Error, LinkId, LinkStats, ListenOptions, Options, Peer, Refusal,
    Result, Taken, Time, Transport,
};

use crate::api::{Arrival, CallOptions, ClientConfig, ServerConfig};

use hosts::{Dispatcher, Reader};

/// A connection that is polled by one thread at a time.
pub struct Link {
    engine: Engine,
    link: LinkId,
    peer: Peer,
    waker: Waker,
    dispatcher: Dispatcher,
    /// What the peer broke the protocol with; the next maintenance ends the connection for it.
    broken: Option<Corrupt>,
}

/// A name the peer has been told, and how messages of that name travel. Of the link it comes from.
#[derive(Clone, Copy, Debug)]
pub struct Method(Draft);

/// Whether a message wakes its reader by itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Wake {
    /// The peer sleeps: someone has to call [`Waker::wake`], within the tenth of a second after which
    /// the peer counts a wake-up as lost.
    Needed,
    /// The peer looks.
    NotNeeded,
}

/// Why a message was not sent. Nothing of it waits anywhere.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
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
    /// Connects to the server of that name, whatever its api. Waits.
    ///
    /// So that every message comes in one piece, its length is agreed to be at most what a frame of
    /// the *smallest* lane holds: a quarter of its ring. Where that is too little, `options.rings`
    /// makes the lanes larger; [`Code::NoSpace`]: the server does not give as much.
    pub fn connect(name: &str, config: &ClientConfig) -> Result<Self> {
        let mut engine = Engine::new()?;
        engine.connect(name, &in_one_piece(&config.options), config.connect_timeout)?;
        let this = Self::establish(engine, Time::NEVER)?;
        let agreement = &this.peer.agreement;
        let (agreed, possible) =
            (agreement.limits.message_len_max, agreement.geometry.one_piece_len_max());
        if agreed <= possible {
            return Ok(this);
        }
        let rings = agreement.geometry.rings;
        Err(Error::new(
            Code::NoSpace,
            format!(
                "messages of {agreed} bytes do not fit one frame of the rings the server gives, \
                 {rings:?}: the most is {possible}; it gives more with `rings_max`"
            ),
        ))
    }

    /// Serves that name for one client, whatever its api: waits for the first that comes, and then
    /// gives the name up. With a client that asks for smaller lanes than `options.rings` shorter messages
    /// are agreed on.
    pub fn accept(name: &str, config: &ServerConfig, timeout: Duration) -> Result<Self> {
        let mut engine = Engine::new()?;
        let listen = ListenOptions { connections_max: 1, ..config.listen };
        let listener = engine.listen_in_one_piece(name, &in_one_piece(&config.options), &listen)?;
        let mut this = Self::establish(engine, Time::now() + timeout)?;
        this.engine.close_listener(listener);
        Ok(this)
    }

    fn establish(mut engine: Engine, until: Time) -> Result<Self> {
        let mut dispatcher = Dispatcher::default();
        loop {
            engine.drive(&mut dispatcher);
            if let Some((link, peer)) = dispatcher.opened.take() {
                let waker = engine
                    .defer_wakes(link)
                    .ok_or_else(|| dispatcher.error.take().unwrap_or_else(over))?;
                return Ok(Self { engine, link, peer, waker, dispatcher, broken: None });
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

    /// Who is at the other end.
    pub fn peer(&self) -> &Peer {
        &self.peer
    }

    /// Resolves a name beforehand: tells it to the peer. Of the options, the lane, the codec and the
    /// trace context count. May do anything.
    pub fn method(&mut self, name: &str, options: &CallOptions) -> Result<Method> {
        let draft = options.one_way(self.engine.code(name)?);
        self.engine.register(self.link, &draft)?;
        self.waker.wake();
        Ok(Method(draft))
    }

    // ---- what a thread under a deadline may call ----

    /// Writes a message into the ring and shows it to the peer, or says at once why not.
    pub fn try_send(&mut self, method: &Method, payload: &[u8]) -> Result<Wake, TrySendError> {
        let mut loan = self.loan(method, payload.len())?;
        loan.write(0, payload);
        Ok(loan.send())
    }

    /// Finds room for a message of `len` bytes in the ring, to be filled there.
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

    /// Shows the next one-way message to `read`, where it lies, and gives its space back. False:
    /// there is none now. What `read` allocates or waits for is its own affair.
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

    /// A handle to wake the peer with, for another thread.
    pub fn waker(&self) -> Waker {
        self.waker.clone()
    }

    /// Does what takes system calls and memory: notices the end of the peer, learns its names, writes
    /// what waited for room, answers requests, for which there are no handlers here, and wakes the
    /// peer if that is needed. The error says why the connection is over; what came before the end can
    /// still be received.
    pub fn maintenance(&mut self) -> Result<()> {
        self.engine.take_others(self.link, self.broken.take(), &mut self.dispatcher);
        self.engine.drive(&mut self.dispatcher);
        for (request, error) in self.dispatcher.requests.drain(..) {
            // Whoever asked may have gone meanwhile.
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

    /// Messages that came in more than one piece, which a link that keeps no memory cannot put
    /// together.
    pub fn skipped(&self) -> u64 {
        self.dispatcher.skipped
    }

    /// What the connection has counted; `None` when it is over.
    pub fn link_stats(&self) -> Option<LinkStats> {
        self.engine.link_stats(self.link)
    }
}

impl Drop for Link {
    /// The peer hears that this was on purpose.
    fn drop(&mut self) {
        self.engine.close(self.link, &mut self.dispatcher);
        self.waker.wake();
    }
}

/// The options of a link whose messages all fit into one frame, whatever lane they take.
fn in_one_piece(options: &Options) -> Options {
    let transport = options.transport.unwrap_or(Transport::Sealed);
    let geometry = transport.geometry().with(options.rings);
    // To unpack takes memory.
    let mut options = Options { rings: geometry.rings, compression: false, ..options.clone() };
    let shortest = geometry.one_piece_len_max();
    options.limits.message_len_max = options.limits.message_len_max.min(shortest);
    options
}

#[cold]
fn over() -> Error {
    Error::new(Code::Closed, "the connection is over")
}
