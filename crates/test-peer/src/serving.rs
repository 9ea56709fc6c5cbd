//! Servers of the test peer.

use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use ringpost::tokio::Server;
use ringpost::{Change, Reply, Sent, ServerConfig, blocking};
use serde_json::{Value, json};

use crate::methods::handlers;
use crate::wire::{Answer, Chosen, Failure, Listen};
use crate::{State, lock};

pub struct Serving {
    pub server: Server,
    connections: Arc<Mutex<Connections>>,
}

#[derive(Clone, Default)]
struct Connections {
    accepted: u32,
    ended: Vec<Option<&'static str>>,
    taken_over: bool,
}

pub async fn listen(state: &Arc<State>, listen: Listen) -> Answer {
    let Listen { server: name, options } = listen;
    let handlers = handlers(state, Some(&name));
    let server = Server::bind_with(&name, &options.server(), handlers).await?;
    let connections = Arc::<Mutex<Connections>>::default();
    let (watched, counted) = (server.clone(), Arc::clone(&connections));
    tokio::spawn(async move {
        while let Some(change) = watched.next_change().await {
            let mut counted = lock(&counted);
            match change {
                Change::Connected(..) => counted.accepted += 1,
                Change::Closed(_, error) => {
                    counted.ended.push(error.map(|error| error.code().as_str()));
                }
                Change::TakenOver => counted.taken_over = true,
                _ => {}
            }
        }
    });
    lock(&state.servers).insert(name, Serving { server, connections });
    Ok(Value::Null)
}

pub async fn close(state: &State, server: &str, drain: Option<Duration>) -> Answer {
    match drain {
        None => {
            let serving = lock(&state.servers).remove(server);
            if let Some(serving) = serving {
                serving.server.close().await;
            }
        }
        // It can still be asked about its connections.
        Some(drain) => {
            if let Some(server) = state.server(server) {
                server.close_gracefully(drain).await;
            }
        }
    }
    Ok(Value::Null)
}

pub fn connections(state: &State, server: &str) -> Answer {
    let servers = lock(&state.servers);
    let serving = servers.get(server).ok_or_else(|| Failure::mistake("no such server"))?;
    let connections = lock(&serving.connections).clone();
    let Connections { accepted, ended, taken_over } = connections;
    let lost_wakeups = serving.server.engine_stats().lost_wakeups;
    let mut dropped = [0; 4];
    for (link, _) in serving.server.peers() {
        let stats = serving.server.link_stats(link).unwrap_or_default();
        dropped.iter_mut().zip(stats.peer_dropped).for_each(|(sum, count)| *sum += count);
    }
    let stats = serving.server.stats();
    Ok(json!({
        "open": stats.connections,
        "total": stats.connections_total,
        "bytesSent": stats.links.bytes_sent,
        "bytesReceived": stats.links.bytes_received,
        "accepted": accepted,
        "ended": ended,
        "lostWakeups": lost_wakeups,
        "peerDropped": dropped,
        "takenOver": taken_over,
    }))
}

/// Only the blocking API lets a handler answer again.
pub fn answer_twice(state: &Arc<State>, name: &str, options: &Chosen) -> Answer {
    let mut server = blocking::Server::bind(name, &ServerConfig::from(&options.options()))?;
    let tickets = Arc::new(Mutex::new(Vec::new()));
    let taken = Arc::clone(&tickets);
    server.handle("twice", move |request, _| {
        lock(&taken).push(request.ticket());
        Ok(blocking::Answer::Later)
    });
    let state = Arc::clone(state);
    std::thread::spawn(move || {
        let until = Instant::now() + Duration::from_secs(10);
        while Instant::now() < until {
            server.turn(Duration::from_millis(50)).expect("a turn");
            for ticket in lock(&tickets).drain(..) {
                let (first, second) = (Reply::bytes(b"first"), Reply::bytes(b"second"));
                server.answer(&ticket, Ok(&first)).expect("the answer");
                if server.answer(&ticket, Ok(&second)).ok() == Some(Sent::Unwanted) {
                    lock(&state.log).count("unwanted");
                }
            }
        }
    });
    Ok(Value::Null)
}
