//! One side of the conformance suite: a process that is told by lines of JSON what to do.
//!
//! `{"id": 1, "do": {"connect": {...}}}` comes in, `{"id": 1, "ok": ...}` or `{"id": 1, "error": ...}`
//! goes out. Its twin is `conformance/agent.mts`; what both understand is listed in `wire.rs`.

mod asking;
mod methods;
mod rogue;
mod rogue_server;
mod serving;
mod streams;
mod wire;

use std::collections::HashMap;
use std::io::{BufRead, Write, stdin, stdout};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use ipc_core::testing::kills;
use ringpost::tokio::{Client, Server};
use ringpost::{Code, Error, blocking};
use serde_json::{Value, json};
use tokio::sync::{mpsc, oneshot};
use wire::{Answer, Command, Failure, Line};

/// Everything the process holds.
#[derive(Default)]
pub struct Agent {
    servers: Mutex<HashMap<String, serving::Serving>>,
    connections: Mutex<HashMap<u32, Connection>>,
    rogues: Mutex<HashMap<u32, Arc<Mutex<rogue::Rogue>>>>,
    /// What ends a request that is in flight, by the command that made it.
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

impl Agent {
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

    fn rogue(&self, number: u32) -> Result<Arc<Mutex<rogue::Rogue>>, Failure> {
        let found = lock(&self.rogues).get(&number).cloned();
        found.ok_or_else(|| Failure::mistake("there is no such rogue"))
    }

    fn keep(&self, rogue: rogue::Rogue) -> u32 {
        let number = self.number();
        lock(&self.rogues).insert(number, Arc::new(Mutex::new(rogue)));
        number
    }
}

fn main() {
    let (said, mut heard) = mpsc::unbounded_channel();
    std::thread::spawn(move || {
        for line in stdin().lock().lines().map_while(Result::ok) {
            if said.send(line).is_err() {
                break;
            }
        }
        // Whoever started this process is gone.
        std::process::exit(0);
    });
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
    runtime.expect("a runtime").block_on(async {
        let agent = Arc::new(Agent::default());
        while let Some(line) = heard.recv().await {
            let Line { id, command } = serde_json::from_str(&line).expect("a command");
            let agent = Arc::clone(&agent);
            tokio::spawn(async move { answer(id, obey(agent, id, command).await) });
        }
    });
}

fn answer(id: u64, outcome: Answer) {
    let line = match outcome {
        Ok(value) => json!({ "id": id, "ok": value }),
        Err(failure) => json!({ "id": id, "error": failure.0 }),
    };
    let mut out = stdout().lock();
    // The other end is closed when the runner is gone, and then nobody is to be told.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

async fn obey(agent: Arc<Agent>, id: u64, command: Command) -> Answer {
    match command {
        Command::Listen(listen) => serving::listen(&agent, listen).await,
        Command::Connections { server } => serving::connections(&agent, &server),
        Command::CloseServer { server } => {
            let serving = lock(&agent.servers).remove(&server);
            if let Some(serving) = serving {
                serving.server.close().await;
            }
            Ok(Value::Null)
        }
        Command::AnswerTwice { server, options } => {
            serving::answer_twice(&agent, &server, &options)
        }
        Command::Connect(connect) => asking::connect(&agent, connect).await,
        Command::Request(ask) => asking::request(&agent, id, ask).await,
        Command::Many(many) => asking::many(&agent, many).await,
        Command::Stream(ask) => streams::ask(&agent, ask).await,
        Command::Streams { count, request } => streams::ask_many(&agent, count, request).await,
        Command::Cancel { request } => {
            let cancel = lock(&agent.cancels).remove(&request);
            Ok(cancel.is_some_and(|cancel| cancel.send(()).is_ok()).into())
        }
        Command::Notify(notify) => asking::notify(&agent, &notify).await,
        Command::Drained { connection, timeout_ms } => {
            let timeout = Duration::from_millis(timeout_ms);
            agent.client(connection)?.drain(timeout).await?;
            Ok(Value::Null)
        }
        Command::Stats { connection } => asking::stats(&agent, connection),
        Command::Closed { connection } => {
            let reason = agent.client(connection)?.closed().await;
            Ok(reason.map(|error| error.code().as_str()).into())
        }
        Command::Close { connection } => asking::close(&agent, connection).await,
        Command::Forget { connection } => {
            lock(&agent.connections).remove(&connection);
            Ok(Value::Null)
        }
        Command::Counted { what } => Ok(lock(&agent.log).counted(&what).into()),
        Command::Notes { stream } => Ok(lock(&agent.log).notes(stream)),
        Command::Block { ms } => {
            std::thread::sleep(Duration::from_millis(ms));
            Ok(Value::Null)
        }
        Command::Holds {} => Ok(wire::holds()),
        Command::Exit { code } => std::process::exit(code),
        Command::Crash {} => {
            // A panic of the main thread, as one that nobody catches.
            std::panic::set_hook(Box::new(|_| std::process::exit(101)));
            panic!("as it was told to")
        }
        Command::DieAt { point, passages } => {
            kills::die_at(&point, passages);
            Ok(Value::Null)
        }
        Command::Rogue(order) => rogue::obey(&agent, order).await,
    }
}
