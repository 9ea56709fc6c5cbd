//! Connections of the agent.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringpost::tokio::Client;
use ringpost::{CallOptions, Codec, Error, Peer, Reply, Trace, blocking};
use serde_json::{Value, json};
use tokio::sync::oneshot;

use crate::methods::{PACKED, handlers, hex};
use crate::wire::{Answer, Ask, Connect, Encoding, Failure, Many, Notify, pattern};
use crate::{Agent, Connection, lock};

pub async fn connect(agent: &Arc<Agent>, connect: Connect) -> Answer {
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
        let client = Client::connect_with(&server, &config, handlers(agent, None)).await?;
        let peer = client.peer().clone();
        (Connection::Async(client), peer)
    };
    let number = agent.number();
    lock(&agent.connections).insert(number, connection);
    Ok(json!({ "connection": number, "peer": describe(&peer) }))
}

/// What a client that waits can be asked meanwhile.
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

pub async fn request(agent: &Arc<Agent>, id: u64, ask: Ask) -> Answer {
    let (payload, options) = prepare(&ask)?;
    let connection = agent.connection(ask.connection)?;
    if ask.waiting != matches!(connection, Connection::Waiting(_)) {
        return Err(Failure::mistake("this connection is for the other way of asking"));
    }
    match connection {
        Connection::Waiting(client) => {
            let asked = tokio::task::spawn_blocking(move || {
                let reply = lock(&client).request(&ask.method, &payload, &options)?;
                result(&payload, &reply)
            });
            asked.await.expect("no panic")
        }
        Connection::Async(client) => {
            let (cancel, cancelled) = oneshot::channel();
            if ask.aborted {
                let _ = cancel.send(());
            } else {
                lock(&agent.cancels).insert(id, cancel);
            }
            let call = client.request(&ask.method, &payload, &options);
            let outcome = tokio::select! {
                biased;
                // Dropping the call is what cancels it.
                Ok(()) = cancelled => None,
                outcome = call => Some(outcome),
            };
            lock(&agent.cancels).remove(&id);
            match outcome {
                Some(reply) => result(&payload, &reply?),
                None => Err(Failure(json!({ "name": "AbortError", "code": "ABORTED" }))),
            }
        }
    }
}

/// Starts them all before the first is waited for.
pub async fn many(agent: &Arc<Agent>, many: Many) -> Answer {
    let Connection::Async(client) = agent.connection(many.request.connection)? else {
        return Err(Failure::mistake("a connection that waits asks one by one"));
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

fn prepare(ask: &Ask) -> Result<(Vec<u8>, CallOptions), Failure> {
    let payload = match ask.codec {
        Encoding::Bytes => pattern(ask.length),
        Encoding::Json => ask.value.to_string().into_bytes(),
        Encoding::MessagePack => rmp_serde::to_vec_named(&ask.value).expect("values encode"),
    };
    let trace = ask.traceparent.as_deref().map(parse_trace).transpose()?;
    let timeout = ask.timeout_ms.map(Duration::from_millis);
    Ok((
        payload,
        CallOptions::new()
            .lane(ask.lane.into())
            .codec(ask.codec.into())
            .timeout(timeout)
            .trace(trace)
            .compress(ask.method == PACKED),
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
    trace.ok_or_else(|| Failure::mistake("no traceparent"))
}

// ---- the rest ----

/// Sends numbered messages until one is refused.
pub async fn notify(agent: &Agent, notify: &Notify) -> Answer {
    let Connection::Async(client) = agent.connection(notify.connection)? else {
        return Err(Failure::mistake("a connection that waits only asks"));
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

pub fn stats(agent: &Agent, connection: u32) -> Answer {
    let Connection::Async(client) = agent.connection(connection)? else {
        return Err(Failure::mistake("a connection that waits is not looked into"));
    };
    let stats = client.link_stats().unwrap_or_default();
    Ok(json!({
        "pending": stats.calls,
        "serving": stats.serving,
        "lateReplies": stats.late_replies,
        "staleRequests": stats.stale_requests,
        "queuedBytes": stats.queued,
        "dropped": stats.dropped,
        "lostWakeups": client.engine_stats().lost_wakeups,
        "isOpen": !client.is_closed(),
    }))
}

pub async fn close(agent: &Agent, connection: u32) -> Answer {
    if let Connection::Async(client) = agent.connection(connection)? {
        client.close().await;
    }
    Ok(Value::Null)
}
