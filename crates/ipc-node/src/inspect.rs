//! What there is where processes meet, seen from outside, for the command of the package.

use std::path::Path;

use ipc_core::inspect::{
    ConnectionStatus, Details, LosslessReader, Object, ObjectKind, Published, PublishedState,
    ServerStatus, StatusReader, directories, objects,
};
use ipc_core::{LinkStats, Time};
use napi::{Env, Result};
use napi_derive::napi;

use crate::counters::{NativeLinkStats, float};
use crate::describe::describe;
use crate::published::NativePlace;
use crate::raise;

/// Something that has a name. What is `null` is not known, or is not of its kind.
#[napi(object, use_nullable = true)]
pub struct NativeObject {
    /// `server`, `stateFrame`, `topic` or `map`.
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub directory: String,
    /// Whether the process lives that serves or writes it.
    pub is_alive: bool,
    /// Why nothing more is known: a code, a line feed, a message.
    pub error: Option<String>,
    /// What a server says of itself.
    pub server: Option<NativeServerStatus>,
    /// What is known of what is published.
    pub published: Option<NativePublished>,
}

/// What a server was doing. Times that have passed are in milliseconds.
#[napi(object, use_nullable = true)]
pub struct NativeServerStatus {
    /// Its process.
    pub pid: u32,
    /// The thread that began it.
    pub thread: f64,
    /// The version of its engine.
    pub version: String,
    /// When it began, since 1970.
    pub started_at_ms: f64,
    /// Turns of its engine.
    pub turns: f64,
    /// How long ago the last of them began.
    pub turned_ago_ms: f64,
    /// How long it is awake; `null`: it sleeps.
    pub awake_for_ms: Option<f64>,
    /// How long it sleeps; `null`: it is awake.
    pub asleep_for_ms: Option<f64>,
    /// Open connections.
    pub connections: f64,
    /// Connections there have been.
    pub accepted: f64,
    /// How many may be open.
    pub connections_max: f64,
    /// Handshakes that came to nothing.
    pub refused: f64,
    /// How old the sums are.
    pub shown_ago_ms: f64,
    /// What all connections have counted together.
    pub totals: NativeStatusCounts,
    /// The open connections that have a row.
    pub rows: Vec<NativeConnectionStatus>,
}

/// What one of its connections does.
#[napi(object)]
pub struct NativeConnectionStatus {
    /// Which one it is of all there have been.
    pub number: f64,
    /// The process at the other end; 0: it cannot be seen.
    pub pid: f64,
    /// Its user.
    pub uid: f64,
    /// `sealed`, `portable` or `socket`.
    pub transport: String,
    /// When it was opened, since 1970.
    pub opened_at_ms: f64,
    /// How old this is.
    pub shown_ago_ms: f64,
    /// What it has counted.
    pub counts: NativeStatusCounts,
}

/// What was counted, and how it stands.
#[napi(object)]
pub struct NativeStatusCounts {
    /// What connections count for their programs.
    pub link: NativeLinkStats,
    /// Requests of the server in flight.
    pub calls: u32,
    /// Requests of the peer that are worked on.
    pub serving: u32,
    /// Requests of the server that were answered with an error.
    pub failed: f64,
    /// Requests of the server that were not answered in time.
    pub timed_out: f64,
}

/// What is published, as it stands. What is `null` is not of its kind.
#[napi(object, use_nullable = true)]
pub struct NativePublished {
    /// Which of the files it is that have had the name.
    pub generation: f64,
    /// The process that writes it, or did.
    pub pid: u32,
    /// The number of the codec.
    pub codec: u32,
    /// What members a layout has; empty: there is none.
    pub layout: String,
    /// Bytes of its file.
    pub bytes: f64,
    /// When its file was last written to, since 1970.
    pub changed_at_ms: f64,
    /// Bytes of a value or of a ring, or entries.
    pub capacity: f64,
    /// The number of the newest value or message.
    pub number: Option<f64>,
    /// How long ago that was written.
    pub written_ago_ms: Option<f64>,
    /// Bytes of the longest message.
    pub message_len_max: Option<f64>,
    /// Subscribers the publisher waits for.
    pub lossless: Option<Vec<NativeLosslessReader>>,
    /// Entries of a map.
    pub entries: Option<f64>,
    /// How often a map was changed.
    pub changes: Option<f64>,
    /// Bytes of the longest key.
    pub key_len_max: Option<u32>,
    /// Bytes of the longest value.
    pub value_len_max: Option<u32>,
}

/// A subscriber that the publisher waits for.
#[napi(object, use_nullable = true)]
pub struct NativeLosslessReader {
    /// Bytes it has not read yet; `null`: it has not begun with this file.
    pub behind: Option<f64>,
    /// The publisher waits for it no longer.
    pub is_cut_off: bool,
}

/// All objects there are, or those of one name.
#[napi(catch_unwind)]
pub fn list_objects(
    env: Env,
    place: NativePlace,
    name: Option<String>,
) -> Result<Vec<NativeObject>> {
    let found = objects(&place.into_place(), name.as_deref());
    Ok(found.map_err(|error| raise(env, &error))?.into_iter().map(NativeObject::from).collect())
}

/// Where they are looked for.
#[napi(catch_unwind)]
pub fn list_directories(env: Env, place: NativePlace) -> Result<Vec<String>> {
    let paths = directories(&place.into_place()).map_err(|error| raise(env, &error))?;
    Ok(paths.iter().map(|path| path.display().to_string()).collect())
}

/// What a server says of itself, opened once and read as often as is wanted.
#[napi]
pub struct NativeStatusReader(StatusReader);

#[napi]
impl NativeStatusReader {
    /// Opens what the server of a name in a directory says; `null`: nothing.
    #[napi(catch_unwind)]
    pub fn open(env: Env, directory: String, name: String) -> Result<Option<NativeStatusReader>> {
        let opened = StatusReader::open(Path::new(&directory), &name);
        Ok(opened.map_err(|error| raise(env, &error))?.map(Self))
    }

    /// Whether the server lives.
    #[napi(catch_unwind)]
    pub fn is_alive(&self) -> bool {
        self.0.is_alive()
    }

    /// Whether another server has the name, so that it is to be opened again.
    #[napi(catch_unwind)]
    pub fn is_over(&self) -> bool {
        self.0.is_over()
    }

    /// Reads it.
    #[napi(catch_unwind)]
    pub fn read(&self, env: Env) -> Result<NativeServerStatus> {
        Ok(self.0.read().map_err(|error| raise(env, &error))?.into())
    }
}

impl From<Object> for NativeObject {
    fn from(object: Object) -> Self {
        let kind = match object.kind {
            ObjectKind::Server => "server",
            ObjectKind::StateFrame => "stateFrame",
            ObjectKind::Topic => "topic",
            ObjectKind::Map => "map",
        };
        let (error, server, published) = match object.details {
            Err(error) => (Some(describe(&error)), None, None),
            Ok(Details::Server(status)) => (None, status.map(|status| (*status).into()), None),
            Ok(Details::Published(published)) => (None, None, Some((*published).into())),
        };
        Self {
            kind: kind.into(),
            name: object.name,
            directory: object.directory.display().to_string(),
            is_alive: object.is_alive,
            error,
            server,
            published,
        }
    }
}

impl From<ServerStatus> for NativeServerStatus {
    fn from(status: ServerStatus) -> Self {
        let now = Time::now();
        let is_asleep = status.asleep_at.is_some();
        Self {
            pid: status.pid,
            thread: float(status.thread),
            version: status.version,
            started_at_ms: unix_ms(status.started_at),
            turns: float(status.turns),
            turned_ago_ms: ago(now, status.turned_at),
            awake_for_ms: (!is_asleep).then(|| ago(now, status.woken_at)),
            asleep_for_ms: status.asleep_at.map(|since| ago(now, since)),
            connections: float(status.connections),
            accepted: float(status.accepted),
            connections_max: float(status.connections_max),
            refused: float(status.refused),
            shown_ago_ms: ago(now, status.shown_at),
            totals: status.totals.into(),
            rows: status.rows.into_iter().map(|row| connection(now, row)).collect(),
        }
    }
}

fn connection(now: Time, row: ConnectionStatus) -> NativeConnectionStatus {
    NativeConnectionStatus {
        number: float(row.number),
        pid: float(row.pid),
        uid: float(row.uid),
        transport: row.transport.name().into(),
        opened_at_ms: unix_ms(row.opened_at),
        shown_ago_ms: ago(now, row.shown_at),
        counts: row.stats.into(),
    }
}

impl From<LinkStats> for NativeStatusCounts {
    fn from(stats: LinkStats) -> Self {
        Self {
            calls: stats.calls,
            serving: stats.serving,
            failed: float(stats.failed),
            timed_out: float(stats.timed_out),
            link: stats.into(),
        }
    }
}

impl From<Published> for NativePublished {
    fn from(published: Published) -> Self {
        let mut this = Self {
            generation: float(published.generation),
            pid: published.writer,
            codec: u32::from(published.format.codec as u8),
            layout: published.format.description.into(),
            bytes: float(published.len),
            changed_at_ms: unix_ms(published.changed_at),
            capacity: 0.0,
            number: None,
            written_ago_ms: None,
            message_len_max: None,
            lossless: None,
            entries: None,
            changes: None,
            key_len_max: None,
            value_len_max: None,
        };
        match published.state {
            PublishedState::StateFrame(frame) => {
                this.capacity = float(frame.capacity as u64);
                this.number = Some(float(frame.number));
                this.written_ago_ms = frame.written_at.map(|at| ago(Time::now(), at));
            }
            PublishedState::Topic(topic) => {
                this.capacity = float(topic.capacity);
                this.number = Some(float(topic.number));
                this.written_ago_ms = topic.written_at.map(|at| ago(Time::now(), at));
                this.message_len_max = Some(float(topic.message_len_max as u64));
                this.lossless = Some(topic.lossless.into_iter().map(lossless).collect());
            }
            PublishedState::Map(map) => {
                this.capacity = f64::from(map.sizes.entries_max);
                this.entries = Some(float(map.entries));
                this.changes = Some(float(map.changes));
                this.key_len_max = Some(map.sizes.key_len_max);
                this.value_len_max = Some(map.sizes.value_len_max);
            }
        }
        this
    }
}

fn lossless(reader: LosslessReader) -> NativeLosslessReader {
    NativeLosslessReader { behind: reader.behind.map(float), is_cut_off: reader.is_cut_off }
}

/// How long ago that was, in milliseconds.
fn ago(now: Time, then: Time) -> f64 {
    now.saturating_since(then).as_secs_f64() * 1e3
}

fn unix_ms(nanos: u64) -> f64 {
    float(nanos) / 1e6
}
