//! Memory of large payloads: it grows while a message comes in pieces, is lent to JavaScript, and
//! is used again where JavaScript has kept nothing of it.

use std::collections::VecDeque;
use std::rc::Rc;

use ipc_core::{Body, BufferId, Corrupt, LinkId};

use crate::memory::{Env, Memory};

/// Large payloads whose memory is kept to be used again, and their bytes in all. Fresh memory costs
/// more than what is copied to it, and V8 takes it for a reason to collect garbage.
const SPARE_MAX: usize = 4;
const SPARE_BYTES_MAX: usize = 64 << 20;

/// A message that says how long it will be gets so much at once, and this many times what has come
/// of it: what a peer claims costs nothing before it has been earned.
const CLAIM_BYTES: usize = 64 << 10;
const CLAIM_FACTOR: usize = 64;

pub struct Larges {
    env: Env,
    /// Large payloads JavaScript has been or will be given, with the run their record is in.
    lent: Vec<(usize, Large)>,
    /// Memory of large payloads nothing was kept of, to be used again by the same link: it is warm,
    /// and fresh memory of that size is a page fault every 4 KiB.
    spare: VecDeque<Large>,
    /// Messages of several frames that are being put together.
    assemblies: Vec<Option<Assembly>>,
}

/// Memory of a large payload.
struct Large {
    link: LinkId,
    memory: Rc<Memory>,
}

struct Assembly {
    link: LinkId,
    /// Bytes it will have.
    total: usize,
    room: Reservation,
}

/// Where a message that comes in pieces is put together.
enum Reservation {
    /// Nothing has come.
    None,
    Some(Rc<Memory>),
    /// It was taken away, and the message with it.
    Lost,
}

impl Larges {
    pub fn new(env: Env) -> Self {
        Self { env, lent: Vec::new(), spare: VecDeque::new(), assemblies: Vec::new() }
    }

    /// Memory for a payload, not much more than is needed; `None` when there is none left.
    pub fn take(&mut self, link: LinkId, len: usize) -> Option<Rc<Memory>> {
        self.spare(link, len).or_else(|| Memory::buffer(self.env, len).map(Rc::new))
    }

    /// The same of what was used before. Who has seen it then may have given it away.
    fn spare(&mut self, link: LinkId, len: usize) -> Option<Rc<Memory>> {
        let fits = |large: &Large| {
            large.link == link && (len..=len.saturating_mul(2)).contains(&large.memory.len())
        };
        while let Some(at) = self.spare.iter().position(fits) {
            let memory = self.spare.remove(at)?.memory;
            if memory.is_whole() {
                return Some(memory);
            }
        }
        None
    }

    // ---- what comes in pieces ----

    /// A message of several frames starts.
    pub fn open(&mut self, link: LinkId, total: usize) -> BufferId {
        let free = self.assemblies.iter().position(Option::is_none);
        let free = free.unwrap_or(self.assemblies.len());
        if free == self.assemblies.len() {
            self.assemblies.push(None);
        }
        let room = self.spare(link, total).map_or(Reservation::None, Reservation::Some);
        self.assemblies[free] = Some(Assembly { link, total, room });
        BufferId(u32::try_from(free).expect("one for each lane of a link"))
    }

    /// More of a message.
    pub fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        let place = buffer.0 as usize;
        let Some(Assembly { link, total, room }) = &mut self.assemblies[place] else {
            return Ok(());
        };
        let (link, total, end) = (*link, *total, offset + body.len());
        let before = match std::mem::replace(room, Reservation::Lost) {
            Reservation::None => None,
            // The application may have seen it with another message in it, and given it away since.
            Reservation::Some(memory) if memory.is_whole() => Some(memory),
            Reservation::Some(_) | Reservation::Lost => return Ok(()),
        };
        let memory = match before {
            Some(memory) if end <= memory.len() => Some(memory),
            before => self.grow(link, claim(total, end), before),
        };
        let (Some(memory), Some(Some(assembly))) = (memory, self.assemblies.get_mut(place)) else {
            return Ok(());
        };
        assembly.room = Reservation::Some(Rc::clone(&memory));
        body.copy_to(memory.bytes_mut(offset, end - offset))
    }

    /// Larger memory with what has come so far.
    fn grow(&mut self, link: LinkId, len: usize, before: Option<Rc<Memory>>) -> Option<Rc<Memory>> {
        let memory = self.take(link, len)?;
        if let Some(before) = before {
            let len = before.len();
            memory.bytes_mut(0, len).copy_from_slice(before.bytes(0, len));
            self.spare.push_back(Large { link, memory: before });
        }
        Some(memory)
    }

    /// A message is whole, or will not be completed. `None`: its memory was lost.
    pub fn close(&mut self, buffer: BufferId) -> Option<Rc<Memory>> {
        match self.assemblies[buffer.0 as usize].take()?.room {
            Reservation::Some(memory) => Some(memory),
            Reservation::None | Reservation::Lost => None,
        }
    }

    // ---- what is lent ----

    /// A record in this run refers to it.
    pub fn lend(&mut self, run: usize, link: LinkId, memory: Rc<Memory>) {
        self.lent.push((run, Large { link, memory }));
    }

    /// Of the first `count` runs, which JavaScript is done with, keeps what it has not kept.
    pub fn take_back(&mut self, count: usize, is_kept: impl Fn(usize) -> bool) {
        for (run, large) in std::mem::take(&mut self.lent) {
            if run >= count {
                self.lent.push((run - count, large));
            } else if !is_kept(run) {
                self.spare.push_back(large);
            }
        }
        let bytes = |large: &Large| large.memory.len();
        while self.spare.len() > SPARE_MAX
            || self.spare.iter().map(bytes).sum::<usize>() > SPARE_BYTES_MAX
        {
            self.spare.pop_front();
        }
    }

    /// A link is over.
    pub fn forget(&mut self, link: LinkId) {
        self.spare.retain(|large| large.link != link);
    }
}

/// Reservation for a message of `total` bytes of which `end` have come or are coming. A long one is
/// moved once or twice in all, and little of it.
fn claim(total: usize, end: usize) -> usize {
    let earned = end.saturating_mul(CLAIM_FACTOR).max(CLAIM_BYTES);
    if total <= earned {
        return total;
    }
    // Enough to earn all of the rest with, if that much has been earned already.
    total.div_ceil(CLAIM_FACTOR).max(CLAIM_BYTES).min(earned)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_claimed_is_paid_for_by_what_has_come() {
        assert_eq!(claim(10, 5), 10);
        assert_eq!(claim(1 << 20, 64 << 10), 1 << 20, "at once, where enough comes at once");
        assert_eq!(claim(64 << 20, 8), 64 << 10);
        assert_eq!(claim(64 << 20, 64 << 10), 1 << 20);
        assert_eq!(claim(64 << 20, (1 << 20) + 1), 64 << 20, "and then all of it");
        assert_eq!(claim(usize::MAX, usize::MAX), usize::MAX);
    }

    #[test]
    fn growing_ends_and_always_has_room_for_what_comes() {
        for (total, frame) in [(64 << 20, 1), (64 << 20, 2000), (100_000, 3), (5 << 20, 65_536)] {
            let (mut end, mut room, mut moved, mut times) = (0, 0, 0, 0);
            while end < total {
                let next = (end + frame).min(total);
                if next > room {
                    (moved, times) = (moved + room, times + 1);
                    room = claim(total, next);
                    assert!(room >= next && (room <= CLAIM_BYTES || room <= next * CLAIM_FACTOR));
                }
                end = next;
            }
            assert!(
                times <= 3 && moved <= total / 32 + 2 * CLAIM_BYTES,
                "{total}: {times}, {moved}"
            );
        }
    }
}
