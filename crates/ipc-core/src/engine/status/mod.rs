//! What a server is doing, for others to see: a file beside its socket that the engine writes into
//! while it works and never reads. So it says what there is to say also of a process that hangs,
//! was stopped or has died.
//!
//! ```text
//!   each turn       turns, turned at                  two or three stores
//!   before a sleep  asleep at
//!   at most every tenth of a second, and once more when all is quiet:
//!                   the records of the connections that were touched since, and their sum
//! ```
//!
//! A server that cannot have such a file goes on without it.

pub(crate) mod layout;
mod pulse;

use std::fs;
use std::path::Path;

use super::claim::Claim;
use super::host::Peer;
use super::link::LinkStats;
use super::maintenance::QUIET;
use super::os::file_id::FileId;
use super::os::thread_number;
use crate::error::Result;
use crate::header::Codec;
use crate::memory::words::Words;
use crate::published::head::{Format, Kind, Shape};
use crate::published::owned::Owned;
use crate::published::place::{Name, Place};
use crate::sync::Ordering;
use crate::time::Time;
use layout::{ROW_LEN, ROWS, RowWords, ServerWords, row, server};
pub(super) use pulse::Pulse;

/// The status file of a listener.
pub(super) struct Status {
    owned: Owned,
    /// The record of the server.
    server: ServerWords,
    /// Rows that have been in use and are free.
    free: Vec<u16>,
    /// Rows that have ever been in use.
    used: u16,
    /// Since when the file is not found.
    missing_since: Option<Time>,
    /// Whether its place is another server's.
    is_left: bool,
}

/// Whether a status is found.
pub(super) enum Kept {
    There,
    /// It is to be put back then.
    Missing {
        restore_at: Time,
    },
    /// Something else has its name.
    Replaced,
}

impl Status {
    /// Makes the file beside the socket of a server, whatever a server before has left there: its
    /// name is this server's.
    pub fn create(claim: &Claim, connections_max: usize) -> Result<Self> {
        let name = Name::new(&Place::at(claim.directory().path()), claim.name(), Kind::Status)?;
        let shape = Shape {
            kind: Kind::Status,
            capacity: ROWS as u64,
            second: ROW_LEN as u64,
            data_len: ROWS * ROW_LEN,
            format: Format::of(Codec::Bytes),
        };
        let mut server = [0; _];
        server[server::CONNECTIONS_MAX] = connections_max as u64;
        server[server::SHOWN_AT] = Time::coarse().as_nanos();
        let (started_at, thread) = (Time::unix_nanos(), thread_number());
        let owned = Owned::create(&name, &shape, true, |new, _, _| {
            new.store(layout::STARTED_AT, started_at, Ordering::Relaxed);
            new.store(layout::THREAD, thread, Ordering::Relaxed);
            let version = env!("CARGO_PKG_VERSION").as_bytes();
            new.copy_in(layout::VERSION, &version[..version.len().min(layout::VERSION_LEN)]);
            layout::write(new, layout::SERVER, &server);
            Ok(())
        })?;
        let (free, used) = (Vec::new(), 0);
        Ok(Self { owned, server, free, used, missing_since: None, is_left: false })
    }

    /// Removes what a server before has left: its name is this server's, which has no file.
    pub fn clear(claim: &Claim) {
        let path = claim.directory().status_path(claim.name());
        if fs::symlink_metadata(&path).is_ok_and(|found| found.is_file()) {
            let _ = fs::remove_file(path);
        }
    }

    /// Leaves the file where it is, for the server that has the name now to replace. Removing it
    /// might hit what that has put there.
    pub fn leave(&mut self) {
        self.is_left = true;
    }

    /// Where the file lies.
    pub fn path(&self) -> &Path {
        self.owned.path()
    }

    /// Whether nothing can be written to it any more: it was made shorter, or there was no room for
    /// more of it.
    pub fn is_lost(&self) -> bool {
        self.owned.segment.is_lost()
    }

    /// Puts the file back if it was removed, once it has been missing for a while: what removes it
    /// may be about to remove more.
    pub fn keep(&mut self, now: Time) -> Result<Kept> {
        if let Some(found) = FileId::at(self.owned.path()) {
            self.missing_since = None;
            return Ok(if self.owned.is(found) { Kept::There } else { Kept::Replaced });
        }
        let restore_at = *self.missing_since.get_or_insert(now) + QUIET;
        if now < restore_at {
            return Ok(Kept::Missing { restore_at });
        }
        let (shape, before) = (self.owned.head.shape.clone(), self.owned.segment.clone());
        let end = layout::row_at(self.owned.head.data(), self.used.into());
        self.owned.replace(&shape, |new, _, _| {
            let mut copied = vec![0; end - layout::TURNS];
            before.copy_out(layout::TURNS, &mut copied);
            new.copy_in(layout::TURNS, &copied);
            Ok(())
        })?;
        self.missing_since = None;
        Ok(Kept::There)
    }

    #[inline]
    fn store(&self, at: usize, word: u64) {
        self.owned.segment.store(at, word, Ordering::Relaxed);
    }

    // ---- connections ----

    /// There is another connection.
    pub fn opened(&mut self, peer: &Peer, now: Time) -> Shown {
        self.server[server::ACCEPTED] += 1;
        let mut record: RowWords = [0; _];
        record[row::NUMBER] = self.server[server::ACCEPTED];
        record[row::PID] = u64::try_from(peer.pid).unwrap_or_default();
        record[row::UID] = peer.uid.into();
        record[row::TRANSPORT] = peer.transport as u64;
        record[row::OPENED_AT] = Time::unix_nanos();
        let mut shown = Shown { row: self.take_row(), record };
        self.show(&mut shown, &LinkStats::default(), now);
        shown
    }

    /// Shows what a connection has counted.
    fn show(&mut self, shown: &mut Shown, stats: &LinkStats, now: Time) {
        let before = shown.record;
        layout::put(&mut shown.record, stats);
        shown.record[row::SHOWN_AT] = now.as_nanos();
        layout::add(&mut self.server, &before, &shown.record);
        if let Some(row) = shown.row {
            self.write_row(row, &shown.record);
        }
    }

    /// A connection is over: what it has counted stays in the sums, and what it had to do does not.
    pub fn closed(&mut self, mut shown: Shown, stats: &LinkStats, now: Time) {
        let stats = LinkStats { queued: 0, calls: 0, serving: 0, ..*stats };
        self.show(&mut shown, &stats, now);
        if let Some(row) = shown.row {
            self.write_row(row, &[0; _]);
            self.free.push(row);
        }
    }

    /// Shows how many there are, and what all of them have counted.
    pub fn show_server(&mut self, connections: usize, refused: u64, now: Time) {
        self.server[server::CONNECTIONS] = connections as u64;
        self.server[server::REFUSED] = refused;
        self.server[server::ROWS] = self.used.into();
        self.server[server::SHOWN_AT] = now.as_nanos();
        layout::write(&*self.owned.segment, layout::SERVER, &self.server);
    }

    /// A row for another connection, if there is one left.
    fn take_row(&mut self) -> Option<u16> {
        self.free.pop().or_else(|| {
            let row = self.used;
            let is_one = usize::from(row) < ROWS;
            self.used += u16::from(is_one);
            is_one.then_some(row)
        })
    }

    fn write_row(&self, row: u16, record: &RowWords) {
        let at = layout::row_at(self.owned.head.data(), row.into());
        layout::write(&*self.owned.segment, at, record);
    }
}

impl Drop for Status {
    fn drop(&mut self) {
        if !self.is_left {
            self.owned.remove();
        }
    }
}

/// What was last shown of a connection, and where.
pub(super) struct Shown {
    row: Option<u16>,
    record: RowWords,
}
