//! Streams: what the agent answers, and what it is told to ask for.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use ringpost::tokio::{Client, Handlers, Request, Streaming};
use ringpost::{CallOptions, Code, Codec, Error, RemoteError, Reply};
use serde_json::{Value, json};

use crate::methods::{decode, encode};
use crate::wire::{Answer, Failure, StreamAsk, pattern};
use crate::{Agent, lock};

/// Notes that a stream was being answered and is not any more.
struct Streamed(Arc<Agent>);

impl Drop for Streamed {
    fn drop(&mut self) {
        lock(&self.0.log).count("streamed");
    }
}

pub fn handle(agent: &Arc<Agent>, handlers: Handlers) -> Handlers {
    let agent = Arc::clone(agent);
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
        .handle("deaf", |mut request: Request| async move {
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
            Err(RemoteError::new("E_BROKEN", "as it was asked to"))
        })
        .handle("endless", move |mut request: Request| {
            let agent = Arc::clone(&agent);
            async move {
                let items = request.take_stream()?;
                lock(&agent.log).count("streaming");
                let _streamed = Streamed(agent);
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

pub async fn ask(agent: &Agent, ask: StreamAsk) -> Answer {
    let client = agent.client(ask.connection)?;
    Ok(run(&client, &ask).await)
}

pub async fn ask_many(agent: &Agent, count: u32, ask: StreamAsk) -> Answer {
    let client = agent.client(ask.connection)?;
    let streams: Vec<_> = (0..count)
        .map(|_| {
            let (client, ask) = (client.clone(), ask.clone());
            tokio::spawn(async move { run(&client, &ask).await })
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

async fn run(client: &Client, ask: &StreamAsk) -> Value {
    let mut seen = Seen { items: 0, in_order: true };
    let outcome = read(client, ask, &mut seen).await;
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

async fn read(client: &Client, ask: &StreamAsk, seen: &mut Seen) -> Result<Value, Error> {
    let is_bulk = ask.method == "bulk";
    let codec = if is_bulk { Codec::Bytes } else { Codec::MessagePack };
    let payload = match codec {
        Codec::Bytes => ask.value.to_string().into_bytes(),
        _ => rmp_serde::to_vec_named(&ask.value).expect("values encode"),
    };
    let mut options = CallOptions::new()
        .codec(codec)
        .lane(ask.lane.into())
        .timeout(ask.timeout_ms.map(Duration::from_millis));
    options.window = ask.window;
    let stream = client.stream(&ask.method, &payload, &options)?;
    let (expected, factor) = (pattern(ask.length), if ask.method == "double" { 2 } else { 1 });
    let read = async {
        while let Some(item) = stream.next().await? {
            let payload = item.payload;
            seen.in_order &=
                if is_bulk { payload == expected } else { number(&payload) == seen.items * factor };
            seen.items += 1;
            if Some(seen.items) == ask.take {
                return Ok(false);
            }
            if seen.items == 1 && ask.pause_ms > 0 {
                tokio::time::sleep(Duration::from_millis(ask.pause_ms)).await;
            }
        }
        Ok::<_, Error>(true)
    };
    // What ends the stream is told to whoever reads.
    let (is_whole, _) = tokio::join!(read, upload(&stream, ask.up));
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
