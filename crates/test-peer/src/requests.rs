//! Connections of the test peer, and requests on them.

use std::collections::{BTreeMap, VecDeque};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringpost::tokio::{Client, ClientChange, ClientState};
use ringpost::{CallOptions, Codec, Error, Peer, Reply, Trace, blocking};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::methods::{PACKED, REPEATED, handlers, hex};
use crate::wire::{Answer, Connect, Encoding, Failure, Many, Notify, RequestOrder, pattern};
use crate::{Connection, State, lock};

pub async fn connect(state: &Arc<State>, connect: Connect) -> Answer {
    let Connect { server, options, waiting } = connect;
    let config = options.client();
    let (connection, peer) = if waiting {
        let client = tokio::task::spawn_blocking(move || {
            let mut client = blocking::Client::connect(&server, &config)?;
            client.handle("add", add);
            Ok::<_, Error>(client)
        });
        let client = client.await.expect("no panic")?;
        let peer = client.peer().clone();
        (Connection::Waiting(Arc::new(Mutex::new(client))), peer)
    } else {
        let client = Client::connect_with(&server, &config, handlers(state, None)).await?;
        let peer = Peer::clone(&client.peer());
        (Connection::Async(client), peer)
    };
    let number = state.number();
    lock(&state.connections).insert(number, connection);
    Ok(json!({ "connection": number, "peer": describe(&peer) }))
}

/// The handler of a blocking client, which runs while the client waits.
fn add(
    request: &blocking::Request<'_>,
    reply: &mut Reply,
) -> Result<blocking::Answer, ipc_core::RemoteError> {
    let numbers: [i64; 2] = rmp_serde::from_slice(request.payload).expect("two numbers");
    *reply = Reply {
        codec: Codec::MessagePack,
        payload: rmp_serde::to_vec(&(numbers[0] + numbers[1])).expect("numbers encode"),
        compress: false,
    };
    Ok(blocking::Answer::Now)
}

fn describe(peer: &Peer) -> Value {
    let agreement = &peer.agreement;
    let [critical, high, normal, low, control] = agreement.geometry.rings;
    json!({
        "pid": peer.pid,
        "uid": peer.uid,
        "isSelf": peer.is_self,
        "session": hex(&peer.session),
        "transport": peer.transport.name(),
        "crc": (["off", "header", "full"][agreement.crc as usize]),
        "messageLenMax": agreement.limits.message_len_max,
        "pendingMax": agreement.limits.pending_max,
        "rings": {
            "critical": critical, "high": high, "normal": normal, "low": low, "control": control,
        },
    })
}

// ---- requests ----

pub async fn request(state: &Arc<State>, id: u64, order: RequestOrder) -> Answer {
    let (payload, options) = prepare(&order)?;
    let connection = state.connection(order.connection)?;
    if order.waiting != matches!(connection, Connection::Waiting(_)) {
        return Err(Failure::mistake("the connection has the other API"));
    }
    match connection {
        Connection::Waiting(client) => {
            let outcome = tokio::task::spawn_blocking(move || {
                let reply = lock(&client).request(&order.method, &payload, &options)?;
                result(&payload, &reply)
            });
            outcome.await.expect("no panic")
        }
        Connection::Async(client) => {
            let (cancel, cancelled) = oneshot::channel();
            if order.aborted {
                let _ = cancel.send(());
            } else {
                lock(&state.cancels).insert(id, cancel);
            }
            let call = client.request(&order.method, &payload, &options);
            let outcome = tokio::select! {
                biased;
                // Dropping the call is what cancels it.
                Ok(()) = cancelled => None,
                outcome = call => Some(outcome),
            };
            lock(&state.cancels).remove(&id);
            match outcome {
                Some(reply) => result(&payload, &reply?),
                None => Err(Failure(json!({ "name": "AbortError", "code": "ABORTED" }))),
            }
        }
    }
}

/// Starts all requests before waiting for the first.
pub async fn many(state: &Arc<State>, many: Many) -> Answer {
    let Connection::Async(client) = state.connection(many.request.connection)? else {
        return Err(Failure::mistake("a blocking connection sends one request at a time"));
    };
    let (payload, options) = prepare(&many.request)?;
    let start = |_| client.request(&many.request.method, &payload, &options);
    let calls: Vec<_> = (0..many.count).map(start).collect();
    if many.close {
        client.close().await;
    }
    let (mut answered, mut failed) = (0, BTreeMap::<_, u32>::new());
    for call in calls {
        match call.await {
            Ok(_) => answered += 1,
            Err(error) => *failed.entry(error.code().as_str()).or_default() += 1,
        }
    }
    Ok(json!({ "answered": answered, "failed": failed }))
}

/// Some at a time, so that requests are on their way whenever the peer leaves.
pub async fn until_leaving(state: &Arc<State>, order: RequestOrder) -> Answer {
    let client = state.client(order.connection)?;
    let (payload, options) = prepare(&order)?;
    let one = || client.request(&order.method, &payload, &options);
    let (mut answered, mut failed) = (0, Vec::new());
    let mut calls: VecDeque<_> = (0..16).map(|_| one()).collect();
    while let Some(call) = calls.pop_front() {
        match call.await {
            Ok(_) => answered += 1,
            Err(error) => failed.push(error.code().as_str()),
        }
        if !client.is_closed() && !client.is_leaving() {
            calls.push_back(one());
        }
    }
    Ok(json!({ "answered": answered, "failed": failed }))
}

pub fn prepare(order: &RequestOrder) -> Result<(Vec<u8>, CallOptions), Failure> {
    let payload = match order.codec {
        Encoding::Bytes => pattern(order.length),
        Encoding::Json => order.value.to_string().into_bytes(),
        Encoding::MessagePack => rmp_serde::to_vec_named(&order.value).expect("values encode"),
    };
    let trace = order.traceparent.as_deref().map(parse_trace).transpose()?;
    let timeout = order.timeout_ms.map(Duration::from_millis);
    Ok((
        payload,
        CallOptions::new()
            .lane(order.lane.into())
            .codec(order.codec.into())
            .timeout(timeout)
            .trace(trace)
            .compress(order.method == PACKED)
            .idempotent(order.method == REPEATED),
    ))
}

fn result(sent: &[u8], reply: &Reply) -> Answer {
    let unreadable = |_| Failure(json!({ "code": "ERR_INVALID_PAYLOAD" }));
    match reply.codec {
        Codec::MessagePack => {
            rmp_serde::from_slice(&reply.payload).map_err(|error| unreadable(error.to_string()))
        }
        Codec::Json => {
            serde_json::from_slice(&reply.payload).map_err(|error| unreadable(error.to_string()))
        }
        _ => Ok(json!({ "length": reply.payload.len(), "same": reply.payload == sent })),
    }
}

fn parse_trace(text: &str) -> Result<Trace, Failure> {
    let digits: String = text.chars().filter(|c| *c != '-').collect();
    let byte = |at: usize| u8::from_str_radix(digits.get(at..at + 2)?, 16).ok();
    let bytes: Option<Vec<u8>> = (0..digits.len()).step_by(2).map(byte).collect();
    let trace = bytes.and_then(|bytes| Trace::try_from(bytes.as_slice()).ok());
    trace.ok_or_else(|| Failure::mistake("not a traceparent"))
}

// ---- everything else ----

/// Sends numbered messages until one is refused.
pub async fn notify(state: &State, notify: &Notify) -> Answer {
    let Connection::Async(client) = state.connection(notify.connection)? else {
        return Err(Failure::mistake("a blocking connection only sends requests"));
    };
    let options = CallOptions::new().lane(notify.lane.into());
    let mut payload = vec![0; notify.length.max(8)];
    payload[..4].copy_from_slice(&notify.stream.to_le_bytes());
    let mut refused = Value::Null;
    let mut sent = 0;
    let end = notify.for_ms.map(|ms| Instant::now() + Duration::from_millis(ms));
    while end.map_or(sent < notify.count, |end| Instant::now() < end) {
        payload[4..8].copy_from_slice(&sent.to_le_bytes());
        let outcome = if notify.awaiting {
            client.send("note", &payload, &options).await
        } else {
            client.notify("note", &payload, &options).map(drop)
        };
        if end.is_some() && sent % 64 == 63 {
            tokio::task::yield_now().await;
        }
        match outcome {
            Ok(()) => sent += 1,
            Err(error) => {
                refused = error.code().as_str().into();
                break;
            }
        }
    }
    Ok(json!({ "sent": sent, "refused": refused }))
}

pub fn stats(state: &State, connection: u32) -> Answer {
    let Connection::Async(client) = state.connection(connection)? else {
        return Err(Failure::mistake("a blocking connection has no stats"));
    };
    let (link, stats) = (client.link_stats().unwrap_or_default(), client.session_stats());
    let all = client.stats();
    let errors = all.errors.iter().map(|(code, count)| (code.as_str().to_owned(), count.into()));
    Ok(json!({
        "bytesSent": all.links.bytes_sent,
        "bytesReceived": all.links.bytes_received,
        "timed": all.links.latency.count,
        "errors": errors.collect::<serde_json::Map<_, _>>(),
        "pending": link.calls,
        "serving": link.serving,
        "lateReplies": link.late_replies,
        "staleRequests": link.stale_requests,
        "queuedBytes": link.queued,
        "dropped": link.dropped,
        "lostWakeups": client.engine_stats().lost_wakeups,
        "isOpen": client.state() == ClientState::Open,
        "isLeaving": client.is_leaving(),
        "isUnresponsive": client.is_unresponsive(),
        "waiting": stats.waiting,
    }))
}

pub async fn change(state: &State, connection: u32) -> Answer {
    Ok(match state.client(connection)?.next_change().await {
        Some(ClientChange::Disconnected { reason, undelivered }) => {
            let code = reason.map(|error| error.code().as_str());
            json!({ "lost": code, "undelivered": undelivered })
        }
        Some(ClientChange::Reconnected { peer, .. }) => json!({ "pid": peer.pid }),
        _ => Value::Null,
    })
}

pub async fn close(state: &State, connection: u32) -> Answer {
    if let Connection::Async(client) = state.connection(connection)? {
        client.close().await;
    }
    Ok(Value::Null)
}
