//! One open connection: a session over its lanes, with its socket and its doorbell.

mod deferred;
mod parked;
mod real_time;
mod receiving;
mod reservation;
mod sending;
mod unpacking;

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::sync::Arc;
use std::time::Duration;

use super::backlog::Backlog;
use super::bell::Waker;
use super::connecting::Agreed;
use super::host::{BufferId, Event, Host, LinkId, Peer};
use super::options::Bounds;
use super::slab::Key;
use super::workload::Workload;
use crate::doorbell::Interest;
use crate::error::{Code, Error};
use crate::header::{Header, Kind};
use crate::lanes::Scope;
use crate::lanes::mapped::{MappedFlags, MappedLanes};
use crate::limits::{Lane, RINGS};
use crate::memory::Segment;
use crate::memory::layout::Side;
use crate::session::{Ending, Session, control};
use crate::time::{Now, Time};

pub use deferred::Deferred;
use deferred::DeferredSend;
use parked::{Holds, Parked};
pub use real_time::Taken;
pub use reservation::{Refusal, Reservation};
use unpacking::Unpacking;

/// What became of a message that was sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Sent {
    /// It is in the ring.
    Written,
    /// It waits for room.
    Queued,
    /// Its lane is full and drops what comes last.
    Dropped,
    /// It answers a request nobody waits for any more, and was dropped.
    Unwanted,
}

/// How long a peer may take from closing its first lane to closing its last: longer than what waited
/// there may be written for.
const LANES_CLOSE_TIMEOUT: Duration = Duration::from_secs(5);

/// What a link has counted and how it stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct LinkStats {
    /// Messages sent.
    pub sent: u64,
    /// Messages received whole.
    pub received: u64,
    /// Answers that came after their request had ended.
    pub late_replies: u64,
    /// Requests that had ended before they arrived.
    pub stale_requests: u64,
    /// Messages refused because their lane was full.
    pub refused: u64,
    /// One-way messages of this side its lanes dropped, by [`Lane`].
    pub dropped: [u64; Lane::ALL.len()],
    /// Those of the peer its lanes dropped, as it says.
    pub peer_dropped: [u64; Lane::ALL.len()],
    /// Doorbells rung.
    pub rings: u64,
    /// Bytes waiting in private memory.
    pub queued: usize,
    /// Requests of ours in flight.
    pub calls: u32,
    /// Requests of the peer being worked on.
    pub serving: u32,
}

/// How a connection is ending, if it is.
#[derive(Debug)]
enum End {
    /// It is not.
    Open,
    /// This side closes: what waits is written first, but not later than this.
    Closing { deadline: Time },
    /// The peer's end of file was seen: what is in the rings is read first.
    PeerGone,
    /// The peer broke the protocol.
    Broken(Error),
}

pub(super) struct Link {
    pub id: LinkId,
    pub socket: Arc<OwnedFd>,
    /// The memory all of this lies in.
    pub segment: Arc<Segment>,
    pub peer: Peer,
    /// The listener it came through.
    pub listener: Option<Key>,
    /// In the engine's hot list: awake to this link, so that its peer need not ring.
    pub hot: bool,
    /// In the engine's list of links to be flushed.
    pub unflushed: bool,
    /// Looks in a row that found nothing.
    pub idle_polls: u32,
    /// When something was found unread although nobody rang; see the engine's backstop.
    pub unrung_since: Option<Time>,
    lanes: MappedLanes,
    own_flags: MappedFlags,
    peer_flags: MappedFlags,
    session: Session,
    bounds: Bounds,
    backlogs: [Backlog; Lane::ALL.len()],
    /// Messages whose markers stand in the backlogs, in order.
    deferred_sends: VecDeque<DeferredSend>,
    deferred_keys: u64,
    /// What is being sent now may be lent.
    may_defer: bool,
    /// Much more waits than may, and the connection ends then unless the peer reads some of it.
    stalled_by: Time,
    /// More could have been written, but not all at once.
    has_more: bool,
    unpacking: Unpacking,
    parked: Parked,
    /// What may not be delivered now.
    holds: Holds,
    /// More items wait for the application to read them than may.
    has_unread: bool,
    /// There is something in private memory to go on with.
    has_work: bool,
    /// Our names are those of this epoch of the engine's.
    names_epoch: u16,
    /// Host buffers of the messages being assembled.
    buffers: [Option<BufferId>; Lane::ALL.len()],
    end: End,
    /// Something waits for room: frames, or words between the sessions.
    waits: bool,
    /// The end has begun, here or there.
    pub is_ending: bool,
    /// The peer has closed some of its lanes, and has to have closed all of them by then.
    lanes_close_by: Time,
    /// Lanes are left unread until the host or the application has caught up.
    held_back: bool,
    /// What all clients of its server have this side work on, and the part of this one.
    workload: Option<Arc<Workload>>,
    work: u32,
    /// Held back because that is too much.
    pub is_throttled: bool,
    /// Lanes of which the host wants to hear when nothing waits for room there any more, by bit.
    drain_wanted: u8,
    /// Set: rings are owed instead of rung, because ringing is a system call.
    waker: Option<Waker>,
    /// What became of one-way messages that waited, and was not told yet: ids, and why not if they were
    /// dropped.
    sent: Vec<(u64, Option<Error>)>,
    /// Requests of ours that ended because their payloads were taken away, and were not told yet.
    withdrawn: Vec<u64>,
    /// No message is dropped for having waited too long before this.
    drops_due: Time,
    refused: u64,
    dropped: [u64; Lane::ALL.len()],
    /// Those of which the host was not told yet.
    untold_drops: [u64; Lane::ALL.len()],
    rings: u64,
}

impl Link {
    pub fn new(
        id: LinkId,
        agreed: Agreed,
        socket: OwnedFd,
        bounds: Bounds,
        listener: Option<Key>,
    ) -> Self {
        let Agreed { side, segment, peer } = agreed;
        let words = |side: Side| MappedFlags::new(&segment, side);
        Self {
            id,
            socket: Arc::new(socket),
            listener,
            hot: false,
            unflushed: false,
            idle_polls: 0,
            unrung_since: None,
            lanes: MappedLanes::over(&segment, &peer.agreement, side),
            own_flags: words(side),
            peer_flags: words(side.peer()),
            session: Session::new(peer.agreement.limits, peer.agreement.streams),
            bounds,
            backlogs: Default::default(),
            deferred_sends: VecDeque::new(),
            deferred_keys: 0,
            may_defer: false,
            stalled_by: Time::NEVER,
            has_more: false,
            unpacking: Unpacking::default(),
            parked: Parked::default(),
            holds: Holds::default(),
            has_unread: false,
            has_work: false,
            names_epoch: 0,
            buffers: [None; Lane::ALL.len()],
            end: End::Open,
            waits: false,
            is_ending: false,
            lanes_close_by: Time::NEVER,
            held_back: false,
            workload: None,
            work: 0,
            is_throttled: false,
            drain_wanted: 0,
            waker: None,
            sent: Vec::new(),
            withdrawn: Vec::new(),
            drops_due: Time::NEVER,
            refused: 0,
            dropped: [0; Lane::ALL.len()],
            untold_drops: [0; Lane::ALL.len()],
            rings: 0,
            peer,
            segment,
        }
    }

    // ---- sleeping ----

    /// Asks the peer to ring. Returns whether that was in time: nothing is there to be done.
    #[inline]
    pub fn arm(&self) -> bool {
        let interest =
            if self.waits { Interest::DATA.and(Interest::SPACE) } else { Interest::DATA };
        self.lanes.arm(interest, || self.poll())
    }

    /// Awake to this link.
    #[inline]
    pub fn disarm(&self) {
        self.lanes.disarm();
    }

    /// The host may be ready again: what was held back is worth a look.
    pub fn resume(&mut self) {
        self.let_go();
        self.is_throttled = false;
    }

    /// It shares a limit with the other clients of its server.
    pub fn share(&mut self, workload: Option<Arc<Workload>>) {
        self.workload = workload;
    }

    /// Requests of the peer being worked on that are no streams.
    fn working(&self) -> u32 {
        self.session.serving_live() - self.session.serving_streams() - self.parked.plain()
    }

    /// Brings what all clients have this side work on up to date.
    #[inline]
    pub fn count_work(&mut self) {
        if let Some(workload) = &self.workload {
            let now = self.working();
            workload.update(self.work, now);
            self.work = now;
        }
    }

    /// Whether all clients together leave room for another request.
    #[inline]
    pub fn has_room_for_work(&self) -> bool {
        match &self.workload {
            None => true,
            Some(workload) => workload.has_room(self.id, self.working().saturating_sub(self.work)),
        }
    }

    /// Reads on, if there is room. Returns whether there was.
    pub fn take_turn(&mut self) -> bool {
        if !self.has_room_for_work() {
            return false;
        }
        self.resume();
        if let Some(workload) = self.workload.as_ref().filter(|_| self.poll()) {
            workload.give_turn(self.id);
        }
        true
    }

    /// Tells the peer that this side does nothing before request `id` is answered; 0: it does.
    pub fn wait_synchronously(&mut self, id: u64) {
        self.own_flags.store_sync_wait(id);
    }

    /// Whether the peer in its turn does nothing before a request of its own is answered that
    /// has not been. To be asked when the rings have been found empty after asking
    /// [`Self::peer_waits_for`].
    pub fn is_unanswered(&self, id: u64) -> bool {
        self.session.is_unanswered(id)
    }

    /// The request the peer waits for synchronously.
    pub fn peer_waits_for(&self) -> Option<u64> {
        Some(self.peer_flags.load_sync_wait()).filter(|id| *id != 0)
    }

    // ---- time and the end ----

    #[inline]
    pub fn due(&self) -> Time {
        let due = self.session.due().min(self.drops_due);
        let due = due.min(self.lanes_close_by).min(self.stalled_by);
        match self.end {
            End::Closing { deadline } => deadline.min(due),
            _ => due,
        }
    }

    /// Ends what is due.
    pub fn expire(&mut self, now: Time, host: &mut impl Host) {
        let (mut calls, mut served) = (Vec::new(), Vec::new());
        self.session.expire(now, &mut calls, &mut served);
        self.tell_ended(calls, Ending::Timeout, served, host);
        self.drop_overdue(now);
        if self.stalled_by <= now {
            self.let_peer_go();
        }
        if let Err(corrupt) = self.write_controls().and_then(|()| self.write_waiting(host)) {
            self.break_off(corrupt.into());
        }
        self.commit();
    }

    /// Starts to close: nothing new is taken, what waits is still written.
    pub fn close(&mut self, deadline: Time, host: &mut impl Host) {
        if !matches!(self.end, End::Open) {
            return;
        }
        self.end_all(Ending::Closed, host);
        self.end = End::Closing { deadline };
        self.is_ending = true;
        // A marker in every lane, behind what waits there: nothing comes after it.
        let header = control_header(control::CLOSE, 0, 0);
        for lane in Lane::ALL {
            if let Err(corrupt) = self.put(lane as usize, header, &[]) {
                self.break_off(corrupt.into());
            }
        }
        self.commit();
    }

    /// The peer's end of the socket is closed. Its last words may still be in the rings.
    pub fn peer_gone(&mut self, host: &mut impl Host) {
        match &mut self.end {
            End::Open => self.end = End::PeerGone,
            // Nobody is left to write to.
            End::Closing { deadline } => return *deadline = Time::default(),
            End::PeerGone | End::Broken(_) => return,
        }
        self.is_ending = true;
        // What was held back for what it may not answer any more is worth a look.
        self.resume();
        // Nobody waits for our answers any more; our own requests may still have theirs.
        let mut served = Vec::new();
        self.session.abandon_serving(&mut served);
        self.tell_ended(Vec::new(), Ending::PeerLost, served, host);
    }

    /// The peer broke the protocol: not a word of it is taken any more.
    pub fn break_off(&mut self, error: Error) {
        if !matches!(self.end, End::Broken(_)) {
            self.end = End::Broken(error);
            self.is_ending = true;
        }
    }

    /// Whether the connection is over now. Then [`Self::finish`] ends it.
    pub fn is_over(&self, now: &Now) -> bool {
        match self.end {
            End::Open if self.session.is_peer_closed() => self.has_read_all(),
            End::Open => self.lanes_close_by <= now.get(),
            // What is in the rings stays there for the peer to read.
            End::Closing { deadline } => !self.has_backlog() || now.get() >= deadline,
            // What is left in the rings is read first, if it takes the host's time.
            End::PeerGone => !self.lanes.incoming.has_any(Scope::ALL) && self.has_read_all(),
            End::Broken(_) => true,
        }
    }

    /// Ends everything that still waits for something, and says so.
    pub fn finish(mut self, host: &mut impl Host) {
        self.leave();
        self.end_all(Ending::PeerLost, host);
        let assembled = self.buffers.iter_mut().filter_map(Option::take);
        let unpacked = self.unpacking.take_buffers();
        for buffer in assembled.chain(unpacked).chain(self.parked.take_buffers()) {
            host.discard(buffer);
        }
        for ring in 0..self.backlogs.len() {
            while let Some((id, _)) = self.backlogs[ring].drop_oldest() {
                self.settle(id, Some(self.ended_error()));
            }
        }
        for place in 0..self.deferred_sends.len() {
            self.settle(self.deferred_sends[place].id, Some(self.ended_error()));
        }
        self.tell_sent(host);
        let error = match self.end {
            End::Broken(error) => Some(error),
            End::PeerGone if !self.session.is_peer_closed() => {
                Some(Error::new(Code::PeerLost, "the peer went away without a word"))
            }
            End::Open if !self.session.is_peer_closed() => {
                Some(Error::new(Code::PeerLost, "the peer has closed some of its lanes only"))
            }
            _ => None,
        };
        host.event(Event::Closed { link: self.id, error });
    }

    /// Takes its work back from what its server has.
    fn leave(&mut self) {
        if let Some(workload) = self.workload.take() {
            workload.update(self.work, 0);
            workload.end_turn(self.id);
        }
    }

    fn end_all(&mut self, ending: Ending, host: &mut impl Host) {
        let (mut calls, mut served) = (Vec::new(), Vec::new());
        self.session.end_all(&mut calls, &mut served);
        self.tell_ended(calls, ending, served, host);
    }

    fn tell_ended(
        &mut self,
        calls: Vec<u64>,
        ending: Ending,
        served: Vec<u64>,
        host: &mut impl Host,
    ) {
        for id in calls {
            self.withdraw(id);
            host.event(Event::Ended { link: self.id, id, ending });
        }
        for id in served {
            self.parked.tell_abandoned(self.id, id, host);
        }
    }

    #[cold]
    fn ended_error(&self) -> Error {
        match &self.end {
            End::PeerGone => Error::new(Code::PeerLost, "the peer went away"),
            End::Broken(error) => Error::new(Code::PeerLost, error.to_string()),
            _ => Error::new(Code::Closed, "the connection is closed"),
        }
    }

    // ---- looking in ----

    /// Bytes that wait for room in private memory of this link.
    fn waiting(&self) -> usize {
        self.backlogs.iter().map(Backlog::len).sum::<usize>() + self.session.controls_len()
    }

    /// Bytes that wait for room in a lane.
    pub fn queued(&self, lane: Lane) -> usize {
        let of_lane = |lending: &&DeferredSend| lending.lane == lane;
        let deferred =
            self.deferred_sends.iter().filter(of_lane).map(DeferredSend::left).sum::<usize>();
        deferred + self.backlogs[lane as usize].len()
    }

    /// Whether nothing that has arrived is kept from the host.
    fn has_read_all(&self) -> bool {
        self.parked.is_empty() && self.unpacking.lanes() == 0
    }

    pub fn session(&self) -> &Session {
        &self.session
    }

    pub fn calls_live(&self) -> u32 {
        self.session.calls_live()
    }

    pub fn stats(&self) -> LinkStats {
        let counters = self.session.counters();
        LinkStats {
            sent: counters.sent,
            received: counters.received,
            late_replies: counters.late_replies,
            stale_requests: counters.stale_requests,
            refused: self.refused,
            dropped: self.dropped,
            peer_dropped: std::array::from_fn(|ring| self.peer_flags.load_dropped(ring)),
            rings: self.rings,
            queued: Lane::ALL.iter().map(|lane| self.queued(*lane)).sum(),
            calls: self.session.calls_live(),
            serving: self.session.serving_live(),
        }
    }
}

fn control_header(code: u16, id: u64, len: usize) -> Header {
    Header::new(Kind::Control, code, id).with_len(len)
}

const _: () = assert!(RINGS == Lane::ALL.len() + 1, "every lane has a backlog and a buffer");
