//! The AI backend of an editor: one process for all of its windows, with a model that is made up.
//! `--help` says how it is started and how it ends.

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, clippy::print_stderr, reason = "help, and why it does not run")]

mod arguments;
mod backend;
mod chat;
mod complete;
mod contract;
mod counters;
mod embed;
mod log;
mod model;
mod random;
mod tools;

use std::future::pending;
use std::num::NonZero;
use std::process::ExitCode;
use std::thread::available_parallelism;
use std::time::Duration;

use ringpost::tokio::Server;
use ringpost::{Change, Code, Error, ListenOptions, ServerConfig};
use serde_json::json;
use tokio::runtime::{Builder, Runtime};
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::time::{Instant, sleep_until};

use arguments::{Arguments, Asked, HELP};
use backend::Backend;

/// How long requests have that are on their way when it is about to end. A chat that takes longer
/// goes on at the next backend.
const DRAIN: Duration = Duration::from_secs(5);
/// How long a window has for its handshake: an editor that starts has much else to do.
const HELLO: Duration = Duration::from_secs(10);
const MISTAKEN: u8 = 2;
const RUNNING_ALREADY: u8 = 3;

fn main() -> ExitCode {
    let arguments = match arguments::parse(std::env::args().skip(1)) {
        Ok(Asked::ToRun(arguments)) => arguments,
        Ok(Asked::ForHelp) => {
            print!("{HELP}");
            return ExitCode::SUCCESS;
        }
        Err(mistake) => {
            eprintln!("ai-backend: {mistake}");
            return MISTAKEN.into();
        }
    };
    match runtime().and_then(|runtime| runtime.block_on(run(&arguments))) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) if error.code() == Code::NameInUse => {
            log::line("running already", json!({ "name": arguments.name }));
            RUNNING_ALREADY.into()
        }
        Err(error) => {
            let (code, error) = (error.code().as_str(), error.to_string());
            log::line("failed", json!({ "code": code, "error": error }));
            ExitCode::FAILURE
        }
    }
}

/// One thread for all connections, and one for each core to compute with.
fn runtime() -> Result<Runtime, Error> {
    let cores = available_parallelism().map_or(1, NonZero::get);
    let built = Builder::new_current_thread().enable_all().max_blocking_threads(cores).build();
    built.map_err(|error| Error::new(Code::System, format!("no runtime: {error}")))
}

async fn run(arguments: &Arguments) -> Result<(), Error> {
    let Arguments { name, version, takes_over, idle_exit } = arguments;
    // Before anything is there that has to be removed.
    let mut signals = Signals::new()?;
    let backend = Backend::new(version);
    let listen = ListenOptions { hello_timeout: HELLO, ..ListenOptions::default() };
    let config = ServerConfig::new().listen(listen).take_over(*takes_over);
    let server = Server::bind_with(name, &config, backend.handlers()).await?;
    log::line("serving", json!({ "name": name, "version": version }));

    let why = tokio::select! {
        why = look_after(&server, &backend, *idle_exit) => why,
        name = signals.next() => name,
    };
    log::line("leaving", json!({ "why": why }));
    tokio::select! {
        () = server.close_gracefully(DRAIN) => {}
        _ = signals.next() => server.close().await,
    }
    log::line("ended", json!({}));
    Ok(())
}

/// Counts windows that come and go. Returns why there is no more to do.
async fn look_after(
    server: &Server,
    backend: &Backend,
    idle_exit: Option<Duration>,
) -> &'static str {
    let idle = || idle_exit.map(|span| Instant::now() + span);
    let mut ends = idle();
    loop {
        let change = tokio::select! {
            change = server.next_change() => change,
            () = until(ends) => return "no window is connected",
        };
        match change {
            Some(Change::Connected(_, peer)) => {
                ends = None;
                let editors = backend.editors(true);
                log::line("connected", json!({ "editor": peer.pid, "editors": editors }));
            }
            Some(Change::Closed(_, error)) => {
                let (editors, code) = (backend.editors(false), error.map(|it| it.code().as_str()));
                log::line("disconnected", json!({ "editors": editors, "code": code }));
                if editors == 0 {
                    ends = idle();
                }
            }
            Some(Change::TakenOver) => return "another backend has taken the name over",
            Some(Change::NameLost(_)) => return "the name is lost",
            Some(_) => {}
            None => return "the server is closed",
        }
    }
}

async fn until(time: Option<Instant>) {
    match time {
        Some(time) => sleep_until(time).await,
        None => pending().await,
    }
}

/// What asks it to end.
struct Signals {
    interrupted: Signal,
    terminated: Signal,
}

impl Signals {
    fn new() -> Result<Self, Error> {
        let listen = |kind| {
            signal(kind).map_err(|error| Error::new(Code::System, format!("no signals: {error}")))
        };
        let interrupted = listen(SignalKind::interrupt())?;
        Ok(Self { interrupted, terminated: listen(SignalKind::terminate())? })
    }

    async fn next(&mut self) -> &'static str {
        tokio::select! {
            _ = self.interrupted.recv() => "SIGINT",
            _ = self.terminated.recv() => "SIGTERM",
        }
    }
}
