//! Options as JavaScript hands them over: complete, checked, with `null` for what is not wanted.

use std::time::Duration;

use ipc_core::{
    Bounds, Code, CrcMode, Error, Limits, ListenOptions, Options, Overflow, Result, Transport,
    WaitPolicy,
};
#[cfg(not(target_family = "wasm"))]
use napi::bindgen_prelude::{Either, Uint8Array};
use napi_derive::napi;

#[cfg(target_family = "wasm")]
use crate::wasm::values::{Either, Uint8Array};

/// What a server and a client can choose.
#[napi(object, use_nullable = true)]
pub struct NativeOptions {
    /// Where to meet; `null`: in the places every process of this user knows.
    pub directory: Option<String>,
    /// `sealed`, `portable` or `socket`; `null` for the best there is.
    pub transport: Option<String>,
    /// `off`, `header` or `full`.
    pub crc: String,
    /// Capacities of the rings: critical, high, normal, low, control; 0 for the
    /// built-in ones.
    pub rings: Vec<u32>,
    /// Bytes of the longest message.
    pub message_len_max: f64,
    /// Requests in flight in one direction.
    pub pending_max: u32,
    /// A shared secret.
    pub token: Option<Uint8Array>,
    /// What each lane does when it is full: waits so many milliseconds, or `fail`, `dropNewest` or
    /// `dropOldest`.
    pub overflow: Vec<Either<f64, String>>,
    /// Bytes that may wait for the peer.
    pub backlog_max: f64,
    /// Requests of the peer being worked on above which no more are taken.
    pub serving_max: u32,
    /// Bytes of items of the peer's streams that may wait to be read.
    pub unread_max: f64,
    /// Milliseconds that what was sent may lie unread before the peer counts as unresponsive.
    pub unresponsive_after_ms: f64,
}

impl NativeOptions {
    pub fn into_options(self) -> Result<Options> {
        let transport = match self.transport.as_deref() {
            None => None,
            Some(name) => Some(
                Transport::from_name(name)
                    .ok_or_else(|| wrong("transport: 'sealed', 'portable' or 'socket'"))?,
            ),
        };
        let crc = match self.crc.as_str() {
            "off" => CrcMode::Off,
            "header" => CrcMode::Header,
            "full" => CrcMode::Full,
            _ => return Err(wrong("crc: 'off', 'header' or 'full'")),
        };
        let rings = self.rings.try_into().map_err(|_| wrong("rings: five capacities"))?;
        let overflow = self.overflow.iter().map(overflow).collect::<Option<Vec<_>>>();
        let overflow = overflow.and_then(|lanes| lanes.try_into().ok());
        let overflow =
            overflow.ok_or_else(|| wrong("overflow: a policy for each of four lanes"))?;
        Ok(Options {
            directory: self.directory.map(Into::into),
            #[cfg(target_family = "wasm")]
            addresses: Vec::new(),
            // Threads of JavaScript have environments of their own, and have looked there.
            environment: false,
            transport,
            crc,
            rings,
            limits: Limits {
                message_len_max: whole(self.message_len_max),
                pending_max: self.pending_max,
                ..Limits::DEFAULT
            },
            token: self.token.map(|token| token.to_vec()),
            compression: true,
            bounds: Bounds {
                overflow,
                backlog_max: usize::try_from(whole(self.backlog_max)).unwrap_or(usize::MAX),
                serving_max: self.serving_max,
                unread_max: whole(self.unread_max),
                unresponsive_after: span(self.unresponsive_after_ms),
            },
        })
    }
}

fn wrong(what: &'static str) -> Error {
    Error::new(Code::InvalidArgument, what)
}

fn overflow(policy: &Either<f64, String>) -> Option<Overflow> {
    let word = match policy {
        Either::A(millis) => return Some(Overflow::Wait(span(*millis))),
        Either::B(word) => word,
    };
    match word.as_str() {
        "fail" => Some(Overflow::Fail),
        "dropNewest" => Some(Overflow::DropNewest),
        "dropOldest" => Some(Overflow::DropOldest),
        _ => None,
    }
}

/// What each lane does by default when it is full, in the form of the option.
#[napi]
#[must_use]
#[cfg_attr(test, allow(dead_code, reason = "only JavaScript calls it"))]
pub fn overflow_default() -> Vec<Either<f64, String>> {
    Bounds::DEFAULT.overflow.iter().map(|policy| in_words(*policy)).collect()
}

fn in_words(policy: Overflow) -> Either<f64, String> {
    match policy {
        Overflow::Wait(Duration::MAX) => Either::A(f64::INFINITY),
        Overflow::Wait(span) => Either::A(span.as_secs_f64() * 1000.0),
        Overflow::Fail => Either::B("fail".to_owned()),
        Overflow::DropNewest => Either::B("dropNewest".to_owned()),
        Overflow::DropOldest => Either::B("dropOldest".to_owned()),
    }
}

/// What only a server can choose.
#[napi(object, use_nullable = true)]
pub struct NativeListenOptions {
    /// Connections at the same time.
    pub connections_max: u32,
    /// The most a client gets of the capacities it wishes for; 0 for the built-in ones.
    pub rings_max: Vec<u32>,
    /// How long a client may take to say who it is.
    pub hello_timeout_ms: f64,
    /// Requests of all clients being worked on.
    pub serving_max_total: Option<u32>,
    /// The descriptor of a socket that was handed to this process.
    #[cfg(not(target_family = "wasm"))]
    pub fd: Option<i32>,
}

impl NativeListenOptions {
    pub fn into_options(self) -> Result<ListenOptions> {
        let rings_max = self.rings_max.try_into();
        Ok(ListenOptions {
            connections_max: self.connections_max as usize,
            rings_max: rings_max.map_err(|_| wrong("ringsMax: five capacities"))?,
            hello_timeout: span(self.hello_timeout_ms),
            serving_max: self.serving_max_total,
            ..ListenOptions::default()
        })
    }
}

/// How the environment waits.
#[napi(object, use_nullable = true)]
pub struct NativeWaiting {
    /// How long to poll while a reply is outstanding, in microseconds.
    pub expecting_us: f64,
    /// How long to poll after traffic, in microseconds.
    pub recent_us: f64,
    /// By a thread, even where the loop could be watched.
    pub by_thread: bool,
}

impl NativeWaiting {
    pub fn wait_policy(&self) -> WaitPolicy {
        WaitPolicy { expecting: span(self.expecting_us / 1e3), recent: span(self.recent_us / 1e3) }
    }
}

/// A span; what no clock can hold is for ever, and what is none takes no time.
pub fn span(millis: f64) -> Duration {
    Duration::try_from_secs_f64(millis.max(0.0) / 1e3).unwrap_or(Duration::MAX)
}

#[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a cast saturates")]
fn whole(value: f64) -> u64 {
    value as u64
}
