//! The commands of the test peer and its answers; `conformance/wire.mts` says the same in
//! TypeScript.

use std::time::Duration;

use ringpost::{
    ClientConfig, Codec, CrcMode, Error, Lane, ListenOptions, Options, Overflow, RemoteError,
    ServerConfig, Transport, WhileAway,
};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{malicious, published};

pub type Answer = Result<Value, Failure>;

#[derive(Deserialize)]
pub struct Line {
    pub id: u64,
    #[serde(rename = "do")]
    pub command: Command,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Command {
    Listen(Listen),
    /// Connections a server has accepted, the codes with which they have ended, and lost wake-ups.
    Connections {
        server: String,
    },
    CloseServer {
        server: String,
        drain_ms: Option<u64>,
    },
    /// A server whose method `twice` is answered twice; counts a refused second answer.
    AnswerTwice {
        server: String,
        options: Chosen,
    },
    Connect(Connect),
    Request(RequestOrder),
    /// Sends many requests at once and counts the outcomes.
    Many(Many),
    /// Makes a pool of connections; requests over it have its number in place of a connection's.
    Pool {
        server: String,
        max: usize,
        options: Chosen,
    },
    /// Sends many requests at once over a pool, each over a lease of its own or all shared.
    Pooled(Pooled),
    PoolStats {
        pool: u32,
    },
    ClosePool {
        pool: u32,
    },
    Stream(StreamOrder),
    /// Opens many streams at once and counts the outcomes.
    Streams {
        count: u32,
        request: StreamOrder,
    },
    /// Cancels the request made by the command with this number.
    Cancel {
        request: u64,
    },
    Notify(Notify),
    /// Milliseconds to the peer's engine and back.
    Ping {
        connection: u32,
    },
    /// Closes a connection once nothing is in flight, or after so long.
    Drain {
        connection: u32,
        timeout_ms: u64,
    },
    /// Sends requests one after the other until one is refused because the peer is leaving; counts
    /// the others.
    UntilLeaving {
        request: RequestOrder,
    },
    Drained {
        connection: u32,
        timeout_ms: u64,
    },
    Stats {
        connection: u32,
    },
    /// Waits for the next change of a connection that outlives its sessions.
    Change {
        connection: u32,
    },
    Closed {
        connection: u32,
    },
    Close {
        connection: u32,
    },
    /// Closes a connection and drops it.
    Forget {
        connection: u32,
    },
    /// How often handlers have counted this event.
    Counted {
        what: String,
    },
    /// One-way messages received in a series.
    Notes {
        stream: u32,
    },
    /// Blocks the thread of the runtime.
    Block {
        ms: u64,
    },
    /// Open descriptors and mapped segments of the process.
    Resources {},
    Exit {
        code: i32,
    },
    Crash {},
    DieAt {
        point: String,
        passages: u32,
    },
    /// State frames, topics and maps.
    Published(published::Order),
    Malicious(malicious::Order),
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Listen {
    pub server: String,
    #[serde(default)]
    pub options: Chosen,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Connect {
    pub server: String,
    #[serde(default)]
    pub options: Chosen,
    /// For synchronous requests.
    #[serde(default)]
    pub waiting: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RequestOrder {
    pub connection: u32,
    pub method: String,
    #[serde(default)]
    pub codec: Encoding,
    #[serde(default)]
    pub value: Value,
    /// With the codec `bytes`: length of the payload, which must be echoed.
    #[serde(default)]
    pub length: usize,
    #[serde(default)]
    pub lane: Urgency,
    pub timeout_ms: Option<u64>,
    pub traceparent: Option<String>,
    /// Cancelled before it is sent.
    #[serde(default)]
    pub aborted: bool,
    #[serde(default)]
    pub waiting: bool,
}

#[derive(Clone, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct StreamOrder {
    pub connection: u32,
    pub method: String,
    #[serde(default)]
    pub value: Value,
    #[serde(default)]
    pub lane: Urgency,
    pub timeout_ms: Option<u64>,
    pub window: Option<u32>,
    /// How many numbers to send.
    pub up: Option<u32>,
    /// Expected length of each item, for streams of bytes.
    #[serde(default)]
    pub length: usize,
    /// Stop reading after so many items.
    pub take: Option<u32>,
    /// How long to pause reading after the first item.
    #[serde(default)]
    pub pause_ms: u64,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Many {
    pub count: u32,
    pub request: RequestOrder,
    /// Close the connection as soon as all are sent.
    #[serde(default)]
    pub close: bool,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Pooled {
    pub count: u32,
    pub is_leased: bool,
    /// With the number of the pool in place of a connection's.
    pub request: RequestOrder,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Notify {
    pub connection: u32,
    pub stream: u32,
    pub count: u32,
    pub length: usize,
    #[serde(default)]
    pub lane: Urgency,
    /// Wait until each message is being written before sending the next.
    #[serde(default)]
    pub awaiting: bool,
    /// Send for so long, regardless of the count.
    pub for_ms: Option<u64>,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Encoding {
    #[default]
    MessagePack,
    Json,
    Bytes,
}

#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Urgency {
    Critical,
    High,
    #[default]
    Normal,
    Low,
}

#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct Chosen {
    directory: Option<String>,
    transport: Option<String>,
    crc: Option<String>,
    #[serde(default)]
    rings: Rings,
    message_len_max: Option<u64>,
    pending_max: Option<u32>,
    token: Option<String>,
    timeout_ms: Option<u64>,
    overflow: Option<Full>,
    backlog_max: Option<usize>,
    serving_max: Option<u32>,
    connect_timeout_ms: Option<u64>,
    #[serde(default)]
    reconnect: bool,
    while_away: Option<Away>,
    serving_max_total: Option<u32>,
    unread_max: Option<u64>,
    unresponsive_after_ms: Option<u64>,
    connections_max: Option<usize>,
    hello_timeout_ms: Option<u64>,
    #[serde(default)]
    take_over: bool,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Full {
    Wait {
        #[serde(rename = "waitMs")]
        wait_ms: u64,
    },
    At(FullAt),
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum FullAt {
    Fail,
    DropNewest,
    DropOldest,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
enum Away {
    Wait,
    Fail,
}

impl From<Away> for WhileAway {
    fn from(away: Away) -> Self {
        match away {
            Away::Wait => Self::Wait,
            Away::Fail => Self::Fail,
        }
    }
}

impl Full {
    fn policy(&self) -> Overflow {
        match self {
            Self::Wait { wait_ms } => Overflow::Wait(Duration::from_millis(*wait_ms)),
            Self::At(FullAt::Fail) => Overflow::Fail,
            Self::At(FullAt::DropNewest) => Overflow::DropNewest,
            Self::At(FullAt::DropOldest) => Overflow::DropOldest,
        }
    }
}

#[derive(Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
struct Rings {
    critical: u32,
    high: u32,
    normal: u32,
    low: u32,
    control: u32,
}

impl Chosen {
    pub fn options(&self) -> Options {
        let Rings { critical, high, normal, low, control } = self.rings;
        let mut options = Options {
            directory: self.directory.as_ref().map(Into::into),
            transport: self.transport.as_deref().map(transport),
            crc: match self.crc.as_deref() {
                Some("off") => CrcMode::Off,
                Some("full") => CrcMode::Full,
                _ => CrcMode::Header,
            },
            rings: [critical, high, normal, low, control],
            token: self.token.as_ref().map(|token| token.clone().into_bytes()),
            ..Options::default()
        };
        set(&mut options.limits.message_len_max, self.message_len_max);
        set(&mut options.limits.pending_max, self.pending_max);
        set(&mut options.bounds.backlog_max, self.backlog_max);
        set(&mut options.bounds.serving_max, self.serving_max);
        set(&mut options.bounds.unread_max, self.unread_max);
        let unresponsive_after = self.unresponsive_after_ms.map(Duration::from_millis);
        set(&mut options.bounds.unresponsive_after, unresponsive_after);
        if let Some(overflow) = &self.overflow {
            options.bounds.overflow = [overflow.policy(); 4];
        }
        options
    }

    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::from(self.options());
        set(&mut config.timeout, self.timeout_ms.map(Duration::from_millis));
        set(&mut config.connect_timeout, self.connect_timeout_ms.map(Duration::from_millis));
        set(&mut config.while_away, self.while_away.map(Into::into));
        config.reconnect(self.reconnect)
    }

    pub fn server(&self) -> ServerConfig {
        let mut config = ServerConfig::from(self.options()).listen(self.listen());
        config = config.take_over(self.take_over);
        set(&mut config.timeout, self.timeout_ms.map(Duration::from_millis));
        config
    }

    pub fn listen(&self) -> ListenOptions {
        let mut listen = ListenOptions::default();
        set(&mut listen.connections_max, self.connections_max);
        listen.serving_max = self.serving_max_total;
        set(&mut listen.hello_timeout, self.hello_timeout_ms.map(Duration::from_millis));
        listen
    }
}

pub fn transport(name: &str) -> Transport {
    Transport::from_name(name).expect("a transport there is")
}

fn set<T>(option: &mut T, chosen: Option<T>) {
    if let Some(chosen) = chosen {
        *option = chosen;
    }
}

impl From<Encoding> for Codec {
    fn from(encoding: Encoding) -> Self {
        match encoding {
            Encoding::MessagePack => Self::MessagePack,
            Encoding::Json => Self::Json,
            Encoding::Bytes => Self::Bytes,
        }
    }
}

impl From<Urgency> for Lane {
    fn from(urgency: Urgency) -> Self {
        Self::ALL[urgency as usize]
    }
}

/// The failure a command reports.
pub struct Failure(pub Value);

impl Failure {
    /// A row orders something impossible.
    pub fn mistake(message: &str) -> Self {
        Self(json!({ "code": "MISTAKE", "message": message }))
    }

    fn of_remote(remote: &RemoteError) -> Value {
        json!({
            "name": remote.name,
            "message": remote.message,
            "code": remote.code.as_deref().unwrap_or("ERR_HANDLER"),
            "stack": remote.stack,
            "cause": remote.cause.as_deref().map(Self::of_remote),
            "errors": remote.errors.iter().map(Self::of_remote).collect::<Vec<_>>(),
            "properties": remote.properties,
            "value": remote.value,
            "isRemote": true,
        })
    }
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        let own = || {
            let (code, message) = (error.code().as_str(), error.to_string());
            json!({ "name": "IpcError", "message": message, "code": code, "isRemote": false })
        };
        Self(error.as_remote().map_or_else(own, Self::of_remote))
    }
}

/// Non-repeating bytes, the same in both languages.
pub fn pattern(length: usize) -> Vec<u8> {
    (0..length).map(|at| (at * 7 + (at >> 8) * 13 + (at >> 16)).to_le_bytes()[0]).collect()
}

/// Counts open descriptors and mapped segments.
pub fn resources() -> Value {
    let descriptors = std::fs::read_dir("/proc/self/fd").map_or(0, Iterator::count);
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap_or_default();
    let ours = |line: &&str| line.contains("memfd:ringpost") || line.contains("/dev/shm/ringpost.");
    json!({ "descriptors": descriptors, "mappings": maps.lines().filter(ours).count() })
}
