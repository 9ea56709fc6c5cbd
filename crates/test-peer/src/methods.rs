//! The handlers of every test peer, on servers and on clients alike.

use std::collections::HashMap;
use std::future::pending;
use std::sync::Arc;
use std::time::Duration;

use ringpost::tokio::{Handlers, Request};
use ringpost::{CallOptions, Codec, RemoteError, Reply};
use serde::Deserialize;
use serde_json::{Value, json};

use crate::{State, lock};

/// The method whose messages are compressed.
pub const PACKED: &str = "packed bytes";
/// The method whose requests are sent again when their session is lost.
pub const REPEATED: &str = "onceMore";

/// One-way messages of a series: their count, the last number, and whether numbers only increased.
#[derive(Clone, Copy)]
struct Notes {
    count: u32,
    last: i64,
    in_order: bool,
}

impl Default for Notes {
    fn default() -> Self {
        Self { count: 0, last: -1, in_order: true }
    }
}

/// What handlers have recorded.
#[derive(Default)]
pub struct Log {
    counts: HashMap<String, u32>,
    streams: HashMap<u32, Notes>,
}

impl Log {
    pub fn count(&mut self, what: &str) {
        *self.counts.entry(what.into()).or_default() += 1;
    }

    pub fn counted(&self, what: &str) -> u32 {
        self.counts.get(what).copied().unwrap_or_default()
    }

    /// A one-way message starts with the numbers of its series and of itself.
    fn note(&mut self, payload: &[u8]) {
        let word = |at: usize| u32::from_le_bytes(payload[at..at + 4].try_into().expect("four"));
        let notes = self.streams.entry(word(0)).or_default();
        let number = i64::from(word(4));
        notes.in_order &= number > notes.last;
        notes.last = number;
        notes.count += 1;
    }

    pub fn notes(&self, stream: u32) -> Value {
        let Notes { count, last, in_order } =
            self.streams.get(&stream).copied().unwrap_or_default();
        json!({ "count": count, "last": last, "inOrder": in_order })
    }
}

/// Counts the start of a handler, and its cancellation if it is dropped before its end.
struct Observed(Arc<State>, bool);

impl Observed {
    fn start(state: &Arc<State>) -> Self {
        lock(&state.log).count("started");
        Self(Arc::clone(state), false)
    }
}

impl Drop for Observed {
    fn drop(&mut self) {
        if !self.1 {
            lock(&self.0.log).count("cancelled");
        }
    }
}

#[derive(Deserialize)]
struct RequestBack {
    method: String,
    value: Value,
    #[serde(rename = "timeoutMs")]
    timeout_ms: Option<u64>,
}

/// All handlers; `server` is the name of their server, if they are not a client's.
pub fn handlers(state: &Arc<State>, server: Option<&str>) -> Handlers {
    let shared = || Arc::clone(state);
    let (noting, sleeping, waiting, closing) = (shared(), shared(), shared(), shared());
    let (working, repeating) = (shared(), shared());
    let name = server.map(str::to_owned);
    let handlers = Handlers::new()
        .handle("note", move |request| {
            lock(&noting.log).note(&request.payload);
            async { Ok(Reply::default()) }
        })
        .handle("sleep", move |request| {
            let observed = Observed::start(&sleeping);
            async move { sleep(observed, &request).await }
        })
        .handle("later", move |request| {
            let observed = Observed::start(&working);
            async move { later(observed, &request).await }
        })
        .handle(REPEATED, move |request| {
            let observed = Observed::start(&repeating);
            async move { once_more(observed, &request).await }
        })
        .handle("never", move |_| {
            let observed = Observed::start(&waiting);
            async move {
                let _observed = observed;
                pending().await
            }
        })
        .handle("closeHere", move |request| {
            let server = name.as_ref().and_then(|name| closing.server(name));
            async move {
                if let Some(server) = server {
                    drop(server.disconnect(request.link).await);
                }
                pending().await
            }
        });
    crate::streams::handle(state, plain(failing(handlers)))
}

fn plain(handlers: Handlers) -> Handlers {
    let echo = |request: Request| async move {
        let codec = request.message.codec;
        Ok(Reply { codec, payload: request.payload, ..Reply::default() })
    };
    handlers
        .accept_compressed(PACKED)
        .handle(PACKED, |request| async move {
            Ok(Reply { compress: true, ..Reply::bytes(request.payload) })
        })
        .handle("echo bytes", echo)
        .handle("echo json", echo)
        .handle("echo messagePack", echo)
        .handle("add", |request| async move {
            let numbers: [i64; 2] = decode(&request)?;
            encode(json!(numbers[0] + numbers[1]))
        })
        .handle("positive", |request| async move {
            let number: f64 = decode(&request)?;
            let refusal = || RemoteError::new("ERR_INVALID_PAYLOAD", "has to be above 0");
            if number > 0.0 { encode(json!(number)) } else { Err(refusal()) }
        })
        .handle("context", |request| async move {
            let remaining = request.remaining().map(|left| left.as_secs_f64() * 1e3);
            encode(json!({
                "lane": (["critical", "high", "normal", "low"][request.message.lane as usize]),
                "remainingMs": remaining,
                "trace": request.message.trace.map(|trace| hex(&trace.0)),
            }))
        })
        .handle("text", |request| async move {
            let length: usize = decode(&request)?;
            encode(json!("7".repeat(length)))
        })
        .handle("requestBack", |request| async move {
            let RequestBack { method, value, timeout_ms } = decode(&request)?;
            let payload = rmp_serde::to_vec_named(&value).expect("values encode");
            let timeout = timeout_ms.map(Duration::from_millis);
            let codec = Codec::MessagePack;
            let options = CallOptions::new().codec(codec).timeout(timeout);
            Ok(request.request(&method, &payload, &options).await?)
        })
}

fn failing(handlers: Handlers) -> Handlers {
    handlers
        .handle("fail", |request| async move { Err(decode::<RemoteError>(&request)?) })
        .handle("reject", |_| async {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Err(RemoteError::new("E_REJECTED", "after a while"))
        })
        .handle("throw", |request: Request| async move {
            assert!(request.payload.is_empty(), "failed on purpose");
            Ok(Reply::default())
        })
        // Answers even if the request was abandoned.
        .handle("late", |request| async move {
            let ms: u64 = decode(&request)?;
            std::thread::sleep(Duration::from_millis(ms));
            encode(json!("late"))
        })
}

async fn sleep(mut observed: Observed, request: &Request) -> Result<Reply, RemoteError> {
    let ms: u64 = decode(request)?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    observed.1 = true;
    encode(json!("slept"))
}

/// Answers only what was sent before: whether the caller has any time left.
async fn once_more(mut observed: Observed, request: &Request) -> Result<Reply, RemoteError> {
    if !request.replayed() {
        return pending().await;
    }
    observed.1 = true;
    encode(json!(request.remaining().is_none_or(|left| !left.is_zero())))
}

async fn later(mut observed: Observed, request: &Request) -> Result<Reply, RemoteError> {
    let (ms, length): (u64, usize) = decode(request)?;
    tokio::time::sleep(Duration::from_millis(ms)).await;
    observed.1 = true;
    encode(json!("7".repeat(length)))
}

pub fn decode<T: for<'a> Deserialize<'a>>(request: &Request) -> Result<T, RemoteError> {
    let refusal =
        |error: &dyn std::fmt::Display| RemoteError::new("ERR_INVALID_PAYLOAD", error.to_string());
    match request.message.codec {
        Codec::MessagePack => rmp_serde::from_slice(&request.payload).map_err(|e| refusal(&e)),
        Codec::Json => serde_json::from_slice(&request.payload).map_err(|e| refusal(&e)),
        codec => Err(refusal(&format_args!("a payload of codec {codec:?}"))),
    }
}

pub fn encode(value: Value) -> Result<Reply, RemoteError> {
    let payload = rmp_serde::to_vec_named(&value).expect("values encode");
    Ok(Reply { codec: Codec::MessagePack, payload, ..Reply::default() })
}

pub fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}
