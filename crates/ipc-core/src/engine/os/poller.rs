//! The one descriptor: an epoll set with everything that can wake the engine, a timer among it.

use std::mem::MaybeUninit;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::sync::Arc;

use rustix::event::epoll::{self, EventData, EventFlags};
use rustix::event::{PollFd, PollFlags};
use rustix::time::{Itimerspec, TimerfdClockId, TimerfdFlags, TimerfdTimerFlags, Timespec};

use crate::engine::slab::Key;
use crate::error::{Error, Result};
use crate::sys;
use crate::time::Time;

/// What an event of the set is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::engine) enum Source {
    /// The timer went off.
    Timer,
    /// A client waits at a listener.
    Listener(Key),
    /// The control socket of a connection has something to read, or takes again what was to be
    /// sent.
    Socket(Key),
    /// The files of a listener were touched.
    Files(Key),
    /// Something has appeared in a directory in which a server is awaited.
    Arrivals,
    /// A descriptor of the host's own.
    Attended,
}

impl Source {
    fn to_data(self) -> EventData {
        let (tag, key) = match self {
            Self::Timer => (0, 0),
            Self::Listener(key) => (1, key),
            Self::Socket(key) => (2, key),
            Self::Files(key) => (3, key),
            Self::Arrivals => (4, 0),
            Self::Attended => (5, 0),
        };
        EventData::new_u64(tag << 32 | u64::from(key))
    }

    #[expect(clippy::cast_possible_truncation, reason = "the low half is the key")]
    fn from_data(data: EventData) -> Self {
        let key = data.u64() as Key;
        match data.u64() >> 32 {
            1 => Self::Listener(key),
            2 => Self::Socket(key),
            3 => Self::Files(key),
            4 => Self::Arrivals,
            5 => Self::Attended,
            _ => Self::Timer,
        }
    }
}

/// Events taken from the kernel at once.
const EVENTS_MAX: usize = 64;

pub(in crate::engine) struct Poller {
    epoll: Arc<OwnedFd>,
    timer: OwnedFd,
    /// What the timer is set to. It may be earlier than anything due; it is never later.
    programmed: Time,
}

impl Poller {
    pub fn new() -> Result<Self> {
        let failed = |what: &str, cause| Error::system(format_args!("creating {what}"), cause);
        let epoll = sys::fault()
            .and_then(|()| epoll::create(epoll::CreateFlags::CLOEXEC))
            .map_err(|cause| failed("the engine's epoll set (epoll_create1)", cause))?;
        let flags = TimerfdFlags::CLOEXEC | TimerfdFlags::NONBLOCK;
        let timer = sys::fault()
            .and_then(|()| rustix::time::timerfd_create(TimerfdClockId::Monotonic, flags))
            .map_err(|cause| failed("the engine's timer (timerfd_create)", cause))?;
        let this = Self { epoll: Arc::new(epoll), timer, programmed: Time::NEVER };
        // Edge-triggered, so that it need not be read: setting it anew is what resets it.
        this.add(&this.timer, Source::Timer, EventFlags::IN | EventFlags::ET)?;
        Ok(this)
    }

    /// From now on a descriptor that can be read wakes the engine.
    pub fn watch(&self, fd: impl AsFd, source: Source) -> Result<()> {
        self.add(fd, source, EventFlags::IN)
    }

    fn add(&self, fd: impl AsFd, source: Source, flags: EventFlags) -> Result<()> {
        sys::fault()
            .and_then(|()| epoll::add(&self.epoll, fd, source.to_data(), flags))
            .map_err(|cause| Error::system("watching a descriptor (epoll_ctl)", cause))
    }

    /// A watched descriptor does not wake the engine until [`Self::resume`].
    pub fn pause(&self, fd: impl AsFd, source: Source) {
        let _ = epoll::modify(&self.epoll, fd, source.to_data(), EventFlags::empty());
    }

    /// A watched descriptor wakes the engine again.
    pub fn resume(&self, fd: impl AsFd, source: Source) {
        let _ = epoll::modify(&self.epoll, fd, source.to_data(), EventFlags::IN);
    }

    /// What decides how a watched socket is watched.
    pub fn watching(&self, source: Source) -> Watching {
        Watching { epoll: Arc::clone(&self.epoll), source }
    }

    /// Stops watching. Closing is not enough where the peer holds the same open file: the set would
    /// go on watching.
    pub fn forget(&self, fd: impl AsFd) {
        let _ = epoll::delete(&self.epoll, fd);
    }

    /// Whether there is something to take.
    pub fn has_events(&self) -> bool {
        let mut set = [PollFd::new(&self.epoll, PollFlags::IN)];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        rustix::event::poll(&mut set, Some(&now)).is_ok_and(|ready| ready > 0)
    }

    /// Takes what is ready without waiting. Returns whether there may be more.
    pub fn take(&mut self, ready: &mut Vec<Source>) -> bool {
        let mut events = [MaybeUninit::uninit(); EVENTS_MAX];
        let now = Timespec { tv_sec: 0, tv_nsec: 0 };
        // After an interruption the next call finds the same events: the set forgets nothing.
        let Ok((events, _)) = epoll::wait(&self.epoll, &mut events, Some(&now)) else {
            return false;
        };
        for event in &*events {
            let source = Source::from_data(event.data);
            if source == Source::Timer {
                self.programmed = Time::NEVER;
            }
            ready.push(source);
        }
        events.len() == EVENTS_MAX
    }

    /// Makes sure to be woken at `due` at the latest. Only an earlier time costs a system call.
    pub fn wake_by(&mut self, due: Time) {
        if due >= self.programmed {
            return;
        }
        let nanos = due.as_nanos().max(1);
        let value = Timespec {
            tv_sec: i64::try_from(nanos / 1_000_000_000).expect("fits 63 bits"),
            tv_nsec: i64::try_from(nanos % 1_000_000_000).expect("less than a second"),
        };
        let never = Timespec { tv_sec: 0, tv_nsec: 0 };
        let time = Itimerspec { it_interval: never, it_value: value };
        if rustix::time::timerfd_settime(&self.timer, TimerfdTimerFlags::ABSTIME, &time).is_ok() {
            self.programmed = due;
        }
    }
}

/// How one watched socket is watched.
pub(in crate::engine) struct Watching {
    epoll: Arc<OwnedFd>,
    source: Source,
}

impl Watching {
    /// Whether the engine is to be woken, too, when there is room to write.
    pub fn set_writing(&self, socket: &OwnedFd, writing: bool) {
        let flags = if writing { EventFlags::IN | EventFlags::OUT } else { EventFlags::IN };
        let _ = epoll::modify(&self.epoll, socket, self.source.to_data(), flags);
    }
}

impl AsFd for Poller {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.epoll.as_fd()
    }
}
