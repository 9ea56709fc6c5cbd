//! A producer of what a robot perceives: detections and tracks ten times a second, timelines once,
//! for any number of readers, and commands from any number of callers.
//!
//! ```text
//! perception-producer [--name <name>] [--seed <number>] [--statistics <file>] [--attached]
//! ```
//!
//! It ends with SIGTERM or Ctrl-C, and `--attached` also when its standard input ends: the program
//! that has started it is gone then, however that came to be.

#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "it says why it does not run")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a simulation")]

mod commands;
mod frames;
mod producer;
mod publisher;
mod random;
mod statistics;
mod world;

use std::io::{Read, Write, stdin, stdout};
use std::path::PathBuf;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ringpost::tokio::Server;
use ringpost::{Code, ServerConfig};
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Instant, MissedTickBehavior, interval, sleep_until};

use producer::{Producer, Shared};
use statistics::StatisticsFile;

type Failure = Box<dyn std::error::Error>;

/// How often there are new timelines and statistics.
const SECOND: Duration = Duration::from_secs(1);

struct Arguments {
    name: String,
    seed: u64,
    statistics: Option<PathBuf>,
    is_attached: bool,
}

#[tokio::main(flavor = "current_thread")]
async fn main() -> ExitCode {
    match run().await {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("producer: {error}");
            ExitCode::FAILURE
        }
    }
}

async fn run() -> Result<(), Failure> {
    let Arguments { name, seed, statistics, is_attached } = arguments()?;
    let file = statistics.as_deref().map(StatisticsFile::new);
    // Before anything is there that has to be removed.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let detached = Arc::new(Notify::new());
    if is_attached {
        notify_when_detached(&detached);
    }

    let shared = Shared::new(Producer::new(&name, seed).map_err(|error| explained(&name, error))?);
    let config = ServerConfig::new();
    let server = Server::bind_with(&name, &config, shared.handlers());
    let server = server.await.map_err(|error| explained(&name, error))?;
    let process = std::process::id();
    say(&format!(
        "producer: process {process} publishes detections, tracks and timelines of {name:?}"
    ));

    let produced = tokio::select! {
        produced = produce(&shared, file.as_ref()) => produced,
        _ = interrupted.recv() => Ok(()),
        _ = terminated.recv() => Ok(()),
        () = detached.notified() => Ok(()),
    };
    server.close().await;
    drop(server);
    if let Some(producer) = shared.into_inner() {
        producer.remove();
    }
    if let Some(file) = file {
        file.remove();
    }
    say("producer: has ended");
    produced
}

/// Publishes until it fails.
async fn produce(shared: &Shared, file: Option<&StatisticsFile>) -> Result<(), Failure> {
    let mut seconds = interval(SECOND);
    seconds.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let mut due = Instant::now();
    loop {
        tokio::select! {
            () = sleep_until(due) => {
                let mut producer = shared.lock();
                let period = producer.period();
                let missed = missed(due, period);
                producer.produce(missed)?;
                due += period * u32::try_from(missed + 1).unwrap_or(u32::MAX);
            }
            _ = seconds.tick() => {
                let mut producer = shared.lock();
                producer.predict()?;
                let statistics = producer.statistics();
                drop(producer);
                if let Some(file) = file {
                    file.replace(&statistics)?;
                }
            }
        }
    }
}

/// Says something to a person, if one is there: what has started this may have ended.
fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

/// Notifies once nothing holds the other end of the standard input any more.
fn notify_when_detached(detached: &Arc<Notify>) {
    let detached = Arc::clone(detached);
    std::thread::spawn(move || {
        // An error is an end as well.
        while stdin().read(&mut [0; 64]).is_ok_and(|len| len > 0) {}
        detached.notify_one();
    });
}

/// How many frames more have come due since this one.
fn missed(due: Instant, period: Duration) -> u64 {
    (due.elapsed().as_secs_f64() / period.as_secs_f64()) as u64
}

fn explained(name: &str, error: ringpost::Error) -> Failure {
    match error.code() {
        Code::NameInUse => format!("a producer named {name:?} is running already").into(),
        _ => error.into(),
    }
}

fn arguments() -> Result<Arguments, Failure> {
    let name = "perception".into();
    let mut found = Arguments { name, seed: 1, statistics: None, is_attached: false };
    let mut given = std::env::args().skip(1);
    while let Some(option) = given.next() {
        if option == "--attached" {
            found.is_attached = true;
            continue;
        }
        let value = given.next().ok_or_else(|| format!("{option} needs a value"))?;
        match option.as_str() {
            "--name" => found.name = value,
            "--seed" => found.seed = value.parse().map_err(|_| "--seed needs a number")?,
            "--statistics" => found.statistics = Some(value.into()),
            _ => return Err(format!("there is no option {option}").into()),
        }
    }
    Ok(found)
}
