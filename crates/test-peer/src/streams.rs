//! Streams: the handlers of the test peer, and the execution of a stream command.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ringpost::tokio::{Client, Handlers, Request, Streaming};
use ringpost::{CallOptions, Code, Codec, Error, RemoteError, Reply};
use serde_json::{Value, json};

use crate::methods::{decode, encode};
use crate::wire::{Answer, Failure, StreamOrder, pattern};
use crate::{State, lock};

/// Counts the end of a handler of an endless stream.
struct Streamed(Arc<State>);

impl Drop for Streamed {
    fn drop(&mut self) {
        lock(&self.0.log).count("streamed");
    }
}

pub fn handle(state: &Arc<State>, handlers: Handlers) -> Handlers {
    let (state, handlers) = (Arc::clone(state), resumed(state, handlers));
    handlers
        .handle("count", |mut request: Request| async move {
            let (items, count) = (request.take_stream()?, decode::<u32>(&request)?);
            for number in 0..count {
                items.send(&number_bytes(number)).await?;
            }
            encode(json!(count))
        })
        .handle("sum", |mut request: Request| async move {
            let (items, mut sum) = (request.take_stream()?, 0u64);
            while let Some(item) = items.next().await? {
                sum += u64::from(number(&item.payload));
            }
            encode(json!(sum))
        })
        .handle("unread", |mut request: Request| async move {
            let _items = request.take_stream()?;
            std::future::pending().await
        })
        .handle("double", |mut request: Request| async move {
            let (items, mut count) = (request.take_stream()?, 0);
            while let Some(item) = items.next().await? {
                items.send(&number_bytes(2 * number(&item.payload))).await?;
                count += 1;
            }
            encode(json!(count))
        })
        .handle("breaks", |mut request: Request| async move {
            let items = request.take_stream()?;
            for number in 0..3 {
                items.send(&number_bytes(number)).await?;
            }
            Err(RemoteError::new("E_BROKEN", "failed on purpose"))
        })
        .handle("endless", move |mut request: Request| {
            let state = Arc::clone(&state);
            async move {
                let items = request.take_stream()?;
                lock(&state.log).count("streaming");
                let _streamed = Streamed(state);
                for number in 0.. {
                    items.send(&number_bytes(number)).await?;
                    tokio::task::consume_budget().await;
                }
                Ok(Reply::default())
            }
        })
        .handle("bulk", |mut request: Request| async move {
            let items = request.take_stream()?;
            let [count, length]: [usize; 2] =
                serde_json::from_slice(&request.payload).expect("two numbers");
            let item = pattern(length);
            for _ in 0..count {
                items.send(&item).await?;
            }
            Ok(Reply::bytes("done"))
        })
}

/// A stream that stops half way, unless it was asked for before. Its result is what had been taken
/// then.
fn resumed(state: &Arc<State>, handlers: Handlers) -> Handlers {
    let resuming = Arc::clone(state);
    handlers.handle("resumed", move |mut request: Request| {
        let state = Arc::clone(&resuming);
        async move {
            let (items, count) = (request.take_stream()?, decode::<u32>(&request)?);
            let taken = u32::try_from(request.items_taken()).expect("not so many");
            for number in taken..count {
                items.send(&number_bytes(number)).await?;
                if !request.replayed() && number + 1 >= count / 2 {
                    lock(&state.log).count("half");
                    return std::future::pending().await;
                }
            }
            encode(json!(taken))
        }
    })
}

pub async fn run_one(state: &State, order: StreamOrder) -> Answer {
    let client = state.client(order.connection)?;
    Ok(run(&client, &order).await)
}

pub async fn run_many(state: &State, count: u32, order: StreamOrder) -> Answer {
    let client = state.client(order.connection)?;
    let streams: Vec<_> = (0..count)
        .map(|_| {
            let (client, order) = (client.clone(), order.clone());
            tokio::spawn(async move { run(&client, &order).await })
        })
        .collect();
    let (mut ended, mut failed) = (0, BTreeMap::<String, u32>::new());
    for stream in streams {
        let outcome = stream.await.map_err(|_| Failure::mistake("a stream panicked"))?;
        match outcome["failure"].as_str() {
            None => ended += 1,
            Some(code) => *failed.entry(code.into()).or_default() += 1,
        }
    }
    Ok(json!({ "ended": ended, "failed": failed }))
}

async fn run(client: &Client, order: &StreamOrder) -> Value {
    let mut seen = Seen { items: 0, in_order: true };
    let outcome = read(client, order, &mut seen).await;
    let (result, failure) = match outcome {
        Ok(result) => (result, Value::Null),
        Err(error) => {
            let code = error.as_remote().and_then(|remote| remote.code.clone());
            (Value::Null, json!(code.unwrap_or_else(|| error.code().as_str().into())))
        }
    };
    json!({ "items": seen.items, "inOrder": seen.in_order, "result": result, "failure": failure })
}

struct Seen {
    items: u32,
    in_order: bool,
}

async fn read(client: &Client, order: &StreamOrder, seen: &mut Seen) -> Result<Value, Error> {
    let is_bulk = order.method == "bulk";
    let codec = if is_bulk { Codec::Bytes } else { Codec::MessagePack };
    let payload = match codec {
        Codec::Bytes => order.value.to_string().into_bytes(),
        _ => rmp_serde::to_vec_named(&order.value).expect("values encode"),
    };
    let mut options = CallOptions::new()
        .codec(codec)
        .lane(order.lane.into())
        .timeout(order.timeout_ms.map(Duration::from_millis))
        .resumable(order.method == "resumed");
    options.window = order.window;
    let stream = client.stream(&order.method, &payload, &options)?;
    let (expected, factor) = (pattern(order.length), if order.method == "double" { 2 } else { 1 });
    let read = async {
        while let Some(item) = stream.next().await? {
            let payload = item.payload;
            seen.in_order &=
                if is_bulk { payload == expected } else { number(&payload) == seen.items * factor };
            seen.items += 1;
            if Some(seen.items) == order.take {
                return Ok(false);
            }
            if seen.items == 1 && order.pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(order.pause_ms)).await;
            }
        }
        Ok::<_, Error>(true)
    };
    // A failure also ends the reading, which reports it.
    let (is_whole, _) = tokio::join!(read, upload(&stream, order.up));
    if !is_whole? {
        return Ok(Value::Null);
    }
    let reply = stream.reply().await?;
    Ok(match reply.codec {
        Codec::Bytes => json!(String::from_utf8_lossy(&reply.payload)),
        _ => rmp_serde::from_slice(&reply.payload)
            .map_err(|error| Error::new(Code::InvalidPayload, error.to_string()))?,
    })
}

async fn upload(stream: &Streaming, count: Option<u32>) -> Result<(), Error> {
    let Some(count) = count else { return Ok(()) };
    for number in 0..count {
        stream.send(&number_bytes(number)).await?;
    }
    stream.finish();
    Ok(())
}

fn number_bytes(number: u32) -> Vec<u8> {
    rmp_serde::to_vec(&number).expect("numbers encode")
}

fn number(payload: &[u8]) -> u32 {
    rmp_serde::from_slice(payload).unwrap_or(u32::MAX)
}
