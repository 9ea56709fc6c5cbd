//! What a server says of itself.

use std::path::{Path, PathBuf};

use super::lost;
use crate::engine::LinkStats;
use crate::engine::status::layout::{self, ROW_LEN, ROWS, RowWords, ServerWords, row, server};
use crate::error::Result;
use crate::handshake::Transport;
use crate::memory::words::Words;
use crate::published::Opened;
use crate::published::head::{Kind, corrupt};
use crate::sync::Ordering;
use crate::time::Time;

/// What a server was doing when this was read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ServerStatus {
    /// Its process, with the number that process has for itself.
    pub pid: u32,
    /// The thread that began it: in most programs the one that drives its engine.
    pub thread: u64,
    /// The version of the engine; what is no such text is empty.
    pub version: String,
    /// When it began, in nanoseconds since 1970.
    pub started_at: u64,
    /// Turns of its engine.
    pub turns: u64,
    /// When the last of them began, on the clock of [`Time::now`].
    pub turned_at: Time,
    /// Since when the engine is awake: since when it has not waited for work.
    pub woken_at: Time,
    /// Since when it waits for work; `None`: it is awake.
    pub asleep_at: Option<Time>,
    /// Connections that are open.
    pub connections: u64,
    /// Connections there have been.
    pub accepted: u64,
    /// How many may be open.
    pub connections_max: u64,
    /// Handshakes that came to nothing.
    pub refused: u64,
    /// When it last looked at what its connections have counted. It does so a tenth of a second
    /// after something has happened, at the latest, unless it is held up.
    pub shown_at: Time,
    /// What all its connections have counted, also those that are over. There is no latency.
    pub totals: LinkStats,
    /// Open connections, from the oldest on. The first 1,024 have a place here; if there are
    /// more, the others only count.
    pub rows: Vec<ConnectionStatus>,
}

/// What a server says of one connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConnectionStatus {
    /// Which one it is of all the server has had, from 1 on.
    pub number: u64,
    /// The process at the other end; 0: it cannot be seen from there.
    pub pid: u64,
    /// Its user.
    pub uid: u64,
    /// How what is written reaches the other side.
    pub transport: Transport,
    /// When it was opened, in nanoseconds since 1970.
    pub opened_at: u64,
    /// When the server last looked at what it has counted.
    pub shown_at: Time,
    /// What it has counted.
    pub stats: LinkStats,
}

/// A status file, opened once and read as often as is wanted.
pub struct StatusReader {
    opened: Opened,
    path: PathBuf,
}

impl StatusReader {
    /// Opens what the server of that name says of itself; `None`: nothing.
    ///
    /// # Errors
    /// What is there is no such file, or not this user's, or was spoilt.
    pub fn open(directory: &Path, name: &str) -> Result<Option<Self>> {
        let path = directory.join(format!("{name}.{}", Kind::Status.extension()));
        let Some(opened) = Opened::open(&path, Kind::Status)? else { return Ok(None) };
        let shape = &opened.head.shape;
        let is_one = shape.capacity == ROWS as u64
            && shape.second == ROW_LEN as u64
            && shape.data_len == ROWS * ROW_LEN;
        if is_one {
            return Ok(Some(Self { opened, path }));
        }
        let (path, len) = (path.display(), shape.data_len);
        let (rows, row_len) = (shape.capacity, shape.second);
        Err(corrupt(format!("{path}: {len} bytes of data are not {rows} rows of {row_len} bytes")))
    }

    /// Whether the server lives.
    pub fn is_alive(&self) -> bool {
        self.opened.has_writer()
    }

    /// Whether it is not the status of the server of that name any more, but what another has left:
    /// it is to be opened again.
    pub fn is_over(&self) -> bool {
        self.opened.is_over() || !self.opened.is_at(&self.path)
    }

    /// Reads it. The server is not held up, and may go on meanwhile.
    ///
    /// # Errors
    /// The file was made shorter.
    pub fn read(&self) -> Result<ServerStatus> {
        let words = &self.opened.segment;
        let record: ServerWords = layout::read(words, layout::SERVER);
        let used = usize::try_from(record[server::ROWS]).unwrap_or(ROWS).min(ROWS);
        let data = self.opened.head.data();
        let records = (0..used).map(|row| layout::read(words, layout::row_at(data, row)));
        let mut rows: Vec<_> = records.filter_map(|record| connection(&record)).collect();
        rows.sort_unstable_by_key(|row| row.number);
        let asleep_at = layout::time_of(words, layout::ASLEEP_AT);
        let status = ServerStatus {
            pid: self.opened.head.writer,
            thread: words.load(layout::THREAD, Ordering::Relaxed),
            version: self.version(),
            started_at: words.load(layout::STARTED_AT, Ordering::Relaxed),
            turns: words.load(layout::TURNS, Ordering::Relaxed),
            turned_at: layout::time_of(words, layout::TURNED_AT),
            woken_at: layout::time_of(words, layout::WOKEN_AT),
            asleep_at: (asleep_at != Time::default()).then_some(asleep_at),
            connections: record[server::CONNECTIONS],
            accepted: record[server::ACCEPTED],
            connections_max: record[server::CONNECTIONS_MAX],
            refused: record[server::REFUSED],
            shown_at: Time::from_nanos(record[server::SHOWN_AT]),
            totals: layout::stats_of(&record),
            rows,
        };
        if self.opened.segment.is_lost() { Err(lost(&self.path)) } else { Ok(status) }
    }

    fn version(&self) -> String {
        let mut text = [0; layout::VERSION_LEN];
        self.opened.segment.copy_out(layout::VERSION, &mut text);
        let text = text.split(|byte| *byte == 0).next().unwrap_or_default();
        let is_version =
            text.iter().all(|byte| byte.is_ascii_alphanumeric() || b".-+".contains(byte));
        if is_version { String::from_utf8_lossy(text).into_owned() } else { String::new() }
    }
}

/// What a row says, if there is a connection in it.
fn connection(record: &RowWords) -> Option<ConnectionStatus> {
    (record[row::NUMBER] != 0).then(|| ConnectionStatus {
        number: record[row::NUMBER],
        pid: record[row::PID],
        uid: record[row::UID],
        transport: Transport::from_number(record[row::TRANSPORT]).unwrap_or_default(),
        opened_at: record[row::OPENED_AT],
        shown_at: Time::from_nanos(record[row::SHOWN_AT]),
        stats: layout::stats_of(record),
    })
}
