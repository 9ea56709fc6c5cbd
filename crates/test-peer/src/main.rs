//! One side of the conformance suite: a process that executes commands, one line of JSON each.
//!
//! `{"id": 1, "do": {"connect": {...}}}` comes in, `{"id": 1, "ok": ...}` or `{"id": 1, "error":
//! ...}` goes out. Its counterpart is `conformance/test-peer.mts`; `wire.rs` lists the commands.

mod malicious;
mod malicious_frame;
mod malicious_server;
mod malicious_takeover;
mod methods;
mod pools;
mod published;
mod records;
mod requests;
mod serving;
mod streams;
mod wire;

use std::collections::HashMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::testing::kills;
use ringpost::tokio::{Client, Pool, Server};
use ringpost::{Code, Error, blocking};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use wire::{Answer, Command, Failure, Line};

/// Everything the process holds.
#[derive(Default)]
pub struct State {
    servers: Mutex<HashMap<String, serving::Serving>>,
    connections: Mutex<HashMap<u32, Connection>>,
    pools: Mutex<HashMap<u32, Pool>>,
    published: published::Objects,
    malicious: Mutex<HashMap<u32, Arc<Mutex<malicious::MaliciousPeer>>>>,
    /// Cancels a request in flight, by the number of the command that made it.
    cancels: Mutex<HashMap<u64, oneshot::Sender<()>>>,
    log: Mutex<methods::Log>,
    numbers: Mutex<u32>,
}

#[derive(Clone)]
pub(crate) enum Connection {
    Async(Client),
    Waiting(Arc<Mutex<blocking::Client>>),
}

pub(crate) fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

impl State {
    pub(crate) fn number(&self) -> u32 {
        let mut number = lock(&self.numbers);
        *number += 1;
        *number
    }

    pub(crate) fn server(&self, name: &str) -> Option<Server> {
        lock(&self.servers).get(name).map(|serving| serving.server.clone())
    }

    pub(crate) fn connection(&self, number: u32) -> Result<Connection, Failure> {
        let found = lock(&self.connections).get(&number).cloned();
        found.ok_or_else(|| Error::new(Code::Closed, "there is no such connection").into())
    }

    pub(crate) fn client(&self, number: u32) -> Result<Client, Failure> {
        match self.connection(number)? {
            Connection::Async(client) => Ok(client),
            Connection::Waiting(_) => Err(Failure::mistake("this connection only waits")),
        }
    }

    fn malicious(&self, number: u32) -> Result<Arc<Mutex<malicious::MaliciousPeer>>, Failure> {
        let found = lock(&self.malicious).get(&number).cloned();
        found.ok_or_else(|| Failure::mistake("there is no such malicious peer"))
    }

    fn keep(&self, peer: malicious::MaliciousPeer) -> u32 {
        let number = self.number();
        lock(&self.malicious).insert(number, Arc::new(Mutex::new(peer)));
        number
    }
}

fn main() {
    if std::env::var("RUST_LOG").is_ok_and(|level| level == "trace") {
        let subscriber = tracing_subscriber::fmt()
            .with_max_level(tracing_subscriber::filter::LevelFilter::TRACE);
        subscriber.with_writer(std::io::stderr).init();
    }
    let (sender, mut lines) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if sender.send(line).is_err() {
                break;
            }
        }
        // The process that started this one has exited.
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let state = Arc::new(State::default());
        while let Some(line) = lines.recv().await {
            let Line { id, command } = serde_json::from_str(&line).expect("a command");
            let state = Arc::clone(&state);
            tokio::spawn(async move { answer(id, execute(state, id, command).await) });
        }
    });
}

fn answer(id: u64, outcome: Answer) {
    let line = match outcome {
        Ok(value) => json!({ "id": id, "ok": value }),
        Err(failure) => json!({ "id": id, "error": failure.0 }),
    };
    let mut out = stdout().lock();
    // Fails only once the runner has exited.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

async fn execute(state: Arc<State>, id: u64, command: Command) -> Answer {
    match command {
        Command::Listen(listen) => serving::listen(&state, listen).await,
        Command::Connections { server } => serving::connections(&state, &server),
        Command::CloseServer { server, drain_ms } => {
            serving::close(&state, &server, drain_ms.map(Duration::from_millis)).await
        }
        Command::AnswerTwice { server, options } => {
            serving::answer_twice(&state, &server, &options)
        }
        Command::Connect(connect) => requests::connect(&state, connect).await,
        Command::Request(order) => requests::request(&state, id, order).await,
        Command::Many(many) => requests::many(&state, many).await,
        Command::Pool { server, max, options } => pools::create(&state, server, max, &options),
        Command::Pooled(pooled) => pools::ask(&state, pooled).await,
        Command::PoolStats { pool } => pools::stats(&state, pool),
        Command::ClosePool { pool } => pools::close(&state, pool).await,
        Command::Stream(order) => streams::run_one(&state, order).await,
        Command::Streams { count, request } => streams::run_many(&state, count, request).await,
        Command::Cancel { request } => {
            let cancel = lock(&state.cancels).remove(&request);
            Ok(cancel.is_some_and(|cancel| cancel.send(()).is_ok()).into())
        }
        Command::Notify(notify) => requests::notify(&state, &notify).await,
        Command::Ping { connection } => {
            let took = state.client(connection)?.ping().await?;
            Ok((took.as_secs_f64() * 1e3).into())
        }
        Command::Drain { connection, timeout_ms } => {
            let drain = Duration::from_millis(timeout_ms);
            state.client(connection)?.close_gracefully(drain).await;
            Ok(Value::Null)
        }
        Command::UntilLeaving { request } => requests::until_leaving(&state, request).await,
        Command::Drained { connection, timeout_ms } => {
            let timeout = Duration::from_millis(timeout_ms);
            state.client(connection)?.drain(timeout).await?;
            Ok(Value::Null)
        }
        Command::Stats { connection } => requests::stats(&state, connection),
        Command::Change { connection } => requests::change(&state, connection).await,
        Command::Closed { connection } => {
            let reason = state.client(connection)?.closed().await;
            Ok(reason.map(|error| error.code().as_str()).into())
        }
        Command::Close { connection } => requests::close(&state, connection).await,
        Command::Forget { connection } => {
            lock(&state.connections).remove(&connection);
            Ok(Value::Null)
        }
        Command::Counted { what } => Ok(lock(&state.log).counted(&what).into()),
        Command::Notes { stream } => Ok(lock(&state.log).notes(stream)),
        Command::Block { ms } => {
            std::thread::sleep(Duration::from_millis(ms));
            Ok(Value::Null)
        }
        Command::Resources {} => Ok(wire::resources()),
        Command::Exit { code } => std::process::exit(code),
        Command::Crash {} => crash(),
        Command::DieAt { point, passages } => {
            kills::die_at(&point, passages);
            Ok(Value::Null)
        }
        Command::Published(order) => published::execute(&state, order).await,
        Command::Malicious(order) => malicious::execute(&state, order).await,
    }
}

/// Exits like an uncaught panic of the main thread.
fn crash() -> ! {
    std::panic::set_hook(Box::new(|_| std::process::exit(101)));
    panic!("crashed on purpose")
}
