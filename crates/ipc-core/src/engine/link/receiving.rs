//! The half of a link that receives.

use std::num::NonZeroU32;

use super::reading::Gate;
use super::unpacking::SLICE_COST;
use super::{Carrier, Link, Waits};
use crate::engine::carrier::Payload;
use crate::engine::host::{BufferId, Event, Host, LinkId};
use crate::error::Corrupt;
use crate::lanes::Scope;
use crate::limits::{Lane, METHOD_LEN_MAX};
use crate::option_block::Options;
use crate::session::{Message, Step};
use crate::time::Time;

/// Frames at least this long are released one by one: their author may wait for just that space.
const LARGE_FRAME: u32 = 32 << 10;
/// What of a long frame counts as much as another frame, in the budget of what is read at once.
const FRAME_BYTES: u32 = 512;
/// Control messages that are read at once where nothing else is.
const CONTROLS_AT_ONCE: usize = 256;

impl<C: Carrier> Link<C> {
    /// Whether there may be something to do. Two loads when there is not.
    #[inline]
    pub fn poll(&self) -> bool {
        self.carrier.has_any(self.reading.scope())
            || self.reading.has_work
            || match self.writing.waits {
                Waits::Nothing => false,
                Waits::ForRoom => self.has_space(),
                Waits::ForTurn => true,
            }
            || (self.life.is_ending() && self.has_nothing_left())
    }

    /// Reads at most `budget` frames, writes what waited, and commits. Returns how many were read.
    #[inline]
    pub fn pump(&mut self, budget: u32, host: &mut impl Host) -> u32 {
        let mut frames = 0;
        let result = self.read_frames(budget, &mut frames, host);
        self.reading.go_on_where_freed();
        let result = result.and_then(|()| self.write_waiting(host));
        if let Err(corrupt) = result {
            self.break_off(corrupt.into());
        }
        self.count_work();
        self.share.end_turn(self.id);
        self.commit();
        frames
    }

    /// Whether the peer has written a control message that was not read. One load.
    #[inline]
    pub fn has_controls(&self) -> bool {
        self.carrier.has_controls() && self.life.may_read()
    }

    /// Reads control messages and nothing else, and commits.
    #[cold]
    pub fn pump_controls(&mut self, host: &mut impl Host) {
        let result = self.read_controls(host);
        self.reading.go_on_where_freed();
        if let Err(corrupt) = result {
            self.break_off(corrupt.into());
        }
        self.commit();
    }

    /// Reads as many as take a moment: a peer that goes on writing them cannot keep this side here.
    fn read_controls(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        for _ in 0..CONTROLS_AT_ONCE {
            let Some(ring) = self.carrier.next(Scope::CONTROL)? else { break };
            self.take_frame(ring, host)?;
            self.carrier.advance(ring);
        }
        Ok(())
    }

    #[inline]
    fn read_frames(
        &mut self,
        budget: u32,
        frames: &mut u32,
        host: &mut impl Host,
    ) -> Result<(), Corrupt> {
        if !self.life.may_read() {
            return Ok(());
        }
        while *frames < budget {
            self.set_gate(host);
            if self.reading.has_work && self.go_on(frames, host)? {
                continue;
            }
            let Some(ring) = self.carrier.next(self.reading.scope())? else { break };
            self.take_frame(ring, host)?;
            *frames += self.step_over(ring);
            if self.reading.delivers_all() {
                self.read_alike(ring, budget, frames, host)?;
            }
        }
        Ok(())
    }

    /// Steps over the frame that was read. Returns what it counts in the budget.
    #[inline]
    pub(super) fn step_over(&mut self, ring: usize) -> u32 {
        self.carrier.advance(ring);
        let len = self.carrier.header(ring).len;
        if len >= LARGE_FRAME {
            self.commit();
        }
        budget_of(len)
    }

    /// Goes on with what is in private memory. Returns whether there was anything to be done.
    #[cold]
    fn go_on(&mut self, frames: &mut u32, host: &mut impl Host) -> Result<bool, Corrupt> {
        if self.reading.gate == Gate::Closed {
            self.reading.has_work = false;
            return Ok(false);
        }
        if self.reading.unpacking.lanes() != 0 {
            self.unpack_on(host)?;
            *frames += SLICE_COST;
            self.reading.has_work = !self.reading.is_drained();
            return Ok(true);
        }
        let worked = self.deliver_parked(host);
        *frames += u32::from(worked);
        // What may not be delivered now is no work before something has changed.
        self.reading.has_work = worked && !self.reading.parked.is_empty();
        Ok(worked)
    }

    /// Takes in the frame the carrier found in a ring; the caller steps over it.
    #[inline]
    pub(super) fn take_frame(&mut self, ring: usize, host: &mut impl Host) -> Result<(), Corrupt> {
        let mut payload = self.carrier.payload(ring);
        let header = self.carrier.header(ring);
        let found;
        // By reference: of a value, what most frames do not have would be moved byte by byte.
        let options = if header.options() {
            found = payload.take_options()?;
            &found
        } else {
            &Options::NONE
        };
        let step = self.session.receive(ring, header, options, payload.len(), Time::after)?;
        while let Some(id) = self.session.take_abandoned() {
            self.reading.parked.report_abandoned(self.id, id, host);
            self.reading.is_freed = true;
        }
        if options.unpacked_len.is_some() || self.reading.unpacking.is_open(ring) {
            let mut packed = vec![0; payload.len()];
            payload.copy_to(&mut packed)?;
            let unpacked_len = options.unpacked_len.map(NonZeroU32::get);
            return self.take_packed(ring, step, unpacked_len, &packed, host);
        }
        match step {
            Step::Deliver => {
                let message = self.session.message();
                if self.has_to_wait(ring, message) {
                    let message = *message;
                    let buffer = copy_out(self.id, &message, payload, host)?;
                    self.park(ring, message, buffer);
                    return Ok(());
                }
                host.message(self.id, message, payload.into_body())?;
                self.session.delivered(Time::now);
                Ok(())
            }
            Step::Open | Step::Fill { .. } | Step::Finish { .. } | Step::Abandon => {
                let buffer = &mut self.reading.buffers[ring];
                let message = self.session.message();
                let whole = assemble(self.id, buffer, step, message, payload, host)?;
                if let Some(buffer) = whole {
                    let message = *message;
                    self.hand_over(ring, message, buffer, host);
                }
                Ok(())
            }
            Step::Skip | Step::Done => payload.check(),
            _ => {
                drop(payload);
                self.take_control(ring, step, host)
            }
        }
    }

    /// What a control message asks of a link. None has options, so its payload is all that follows
    /// its header.
    #[cold]
    fn take_control(
        &mut self,
        ring: usize,
        step: Step,
        host: &mut impl Host,
    ) -> Result<(), Corrupt> {
        let payload = self.carrier.payload(ring);
        match step {
            Step::Define { code } => {
                let mut name = [0; METHOD_LEN_MAX];
                let len = payload.len();
                let name = name.get_mut(..len).ok_or(Corrupt::Name { code, len })?;
                payload.copy_to(name)?;
                if self.session.define(Lane::ALL[ring], code, name)? {
                    self.named(ring, code, host);
                }
                return Ok(());
            }
            Step::Grant { kind, id } => {
                let mut granted = [0; size_of::<u64>()];
                payload.copy_to(&mut granted)?;
                let granted = u64::from_le_bytes(granted);
                if let Some(granted) = self.session.granted(kind, id, granted)? {
                    host.event(Event::Granted { link: self.id, kind, id, granted });
                }
                return Ok(());
            }
            _ => payload.check()?,
        }
        match step {
            Step::ItemsEnd { id } => self.items_ended(ring, id, host),
            Step::LaneClosed => self.life.lane_closed(),
            Step::PeerClosed => self.life.all_lanes_closed(),
            Step::Ping => self.write_soon(),
            Step::Pong { number, again } => self.ponged(number, again, host),
            Step::Leaving => host.event(Event::Leaving { link: self.id }),
            _ => {}
        }
        Ok(())
    }
}

/// What a frame with `len` bytes behind its header counts in the budget of what is read at once.
#[inline]
pub(super) fn budget_of(len: u32) -> u32 {
    1 + len / FRAME_BYTES
}

/// Adds a frame to a message of several, in a buffer of the host's. Returns the buffer when the
/// message is whole.
#[inline]
fn assemble<'a>(
    link: LinkId,
    open: &mut Option<BufferId>,
    step: Step,
    message: &Message,
    payload: impl Payload<'a>,
    host: &mut impl Host,
) -> Result<Option<BufferId>, Corrupt> {
    match (step, *open) {
        (Step::Open, _) => {
            let buffer = *open.insert(host.open(link, message));
            host.fill(buffer, 0, payload.into_body())?;
        }
        (Step::Fill { offset }, Some(buffer)) => host.fill(buffer, offset, payload.into_body())?,
        (Step::Finish { offset }, Some(buffer)) => {
            host.fill(buffer, offset, payload.into_body())?;
            return Ok(open.take());
        }
        (Step::Abandon, _) => {
            payload.check()?;
            if let Some(buffer) = open.take() {
                host.discard(buffer);
            }
        }
        _ => {}
    }
    Ok(None)
}

/// Copies the only frame of a message to a buffer of the host's.
#[cold]
fn copy_out<'a>(
    link: LinkId,
    message: &Message,
    payload: impl Payload<'a>,
    host: &mut impl Host,
) -> Result<BufferId, Corrupt> {
    let buffer = host.open(link, message);
    match host.fill(buffer, 0, payload.into_body()) {
        Ok(()) => Ok(buffer),
        Err(corrupt) => {
            host.discard(buffer);
            Err(corrupt)
        }
    }
}
