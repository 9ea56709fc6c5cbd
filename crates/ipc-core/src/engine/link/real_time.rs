//! The half of a link that a thread under a deadline may use: no system call, no memory.

use super::{Carrier, Link};
use crate::engine::host::Host;
use crate::engine::os::bell::Waker;
use crate::error::Corrupt;
use crate::header::Kind;
use crate::lanes::Scope;

/// What came of an attempt to take a frame.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// A message was delivered.
    Message,
    /// There is none.
    Nothing,
    /// The next frame is none that costs nothing: `take_others` has to take it.
    Other,
}

impl<C: Carrier> Link<C> {
    /// From now on a peer that sleeps is not woken by [`Self::commit`], which makes no system call
    /// any more, but by the waker returned here.
    pub fn defer_wakes(&mut self) -> Waker {
        self.bell.defer()
    }

    /// Takes the next frame if it holds a whole one-way message, and commits.
    pub fn take_plain(&mut self, host: &mut impl Host) -> Result<Taken, Corrupt> {
        let Some((ring, plain)) = self.next_frame()? else { return Ok(Taken::Nothing) };
        if !plain {
            return Ok(Taken::Other);
        }
        self.take_frame(ring, host)?;
        self.carrier.advance(ring);
        self.commit();
        Ok(Taken::Message)
    }

    /// Takes the frames [`Self::take_plain`] leaves, up to the next it takes, and commits.
    pub fn take_others(&mut self, host: &mut impl Host) -> Result<(), Corrupt> {
        while let Some((ring, false)) = self.next_frame()? {
            self.take_frame(ring, host)?;
            self.carrier.advance(ring);
        }
        self.commit();
        Ok(())
    }

    /// The ring of the next frame, and whether that is a whole one-way message: all a session keeps
    /// of such a one is a count.
    fn next_frame(&mut self) -> Result<Option<(usize, bool)>, Corrupt> {
        if !self.life.may_read() {
            return Ok(None);
        }
        self.reading.gate.read_elsewhere();
        let Some(ring) = self.carrier.next(Scope::ALL)? else { return Ok(None) };
        let header = self.carrier.header(ring);
        Ok(Some((ring, header.kind() == Kind::OneWay && !header.more())))
    }
}
