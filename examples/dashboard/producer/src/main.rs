//! A producer of what a camera sees and how the person in front of it sits: pictures ten times a
//! second, posture twice, and errors, for any number of readers.
//!
//! ```text
//! dashboard-producer [--name <name>] [--attached]
//! ```
//!
//! SIGUSR1 unplugs its camera, and plugs it in again. It ends with SIGTERM or Ctrl-C, and
//! `--attached` also when its standard input ends: the program that has started it is gone then,
//! however that came to be.

#![forbid(unsafe_code)]
#![allow(clippy::print_stderr, reason = "it says why it does not run")]
#![allow(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "a simulation")]

mod picture;
mod posture;
mod producer;
mod publisher;

use std::io::{Read, Write, stdin, stdout};
use std::process::ExitCode;
use std::sync::Arc;
use std::time::Duration;

use ringpost::Code;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::Notify;
use tokio::time::{Interval, MissedTickBehavior, interval};

use producer::Producer;

type Failure = Box<dyn std::error::Error>;

const PICTURES: Duration = Duration::from_millis(100);
const POSTURES: Duration = Duration::from_millis(500);
/// So that one that hangs can be told from one that lives.
const STATUSES: Duration = Duration::from_secs(1);

struct Arguments {
    name: String,
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
    let Arguments { name, is_attached } = arguments()?;
    // Before anything is there that has to be removed.
    let mut interrupted = signal(SignalKind::interrupt())?;
    let mut terminated = signal(SignalKind::terminate())?;
    let mut unplugged = signal(SignalKind::user_defined1())?;
    let detached = Arc::new(Notify::new());
    if is_attached {
        notify_when_detached(&detached);
    }

    let mut producer = Producer::new(&name).map_err(|error| explained(&name, error))?;
    let process = std::process::id();
    say(&format!("producer: process {process} publishes what a camera sees as {name:?}"));
    let (mut pictures, mut postures) = (every(PICTURES), every(POSTURES));
    let mut statuses = every(STATUSES);
    let produced = loop {
        let done: Result<(), Failure> = tokio::select! {
            _ = pictures.tick() => producer.picture(),
            _ = postures.tick() => producer.posture().map_err(Into::into),
            _ = statuses.tick() => producer.announce().map_err(Into::into),
            _ = unplugged.recv() => producer.unplug().map_err(Into::into),
            _ = interrupted.recv() => break Ok(()),
            _ = terminated.recv() => break Ok(()),
            () = detached.notified() => break Ok(()),
        };
        if done.is_err() {
            break done;
        }
    };
    producer.remove();
    say("producer: has ended");
    produced
}

/// Ticks that came too late are left out.
fn every(period: Duration) -> Interval {
    let mut ticks = interval(period);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    ticks
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

fn explained(name: &str, error: ringpost::Error) -> Failure {
    match error.code() {
        Code::NameInUse => format!("a producer named {name:?} is running already").into(),
        _ => error.into(),
    }
}

fn arguments() -> Result<Arguments, Failure> {
    let mut found = Arguments { name: "dashboard".into(), is_attached: false };
    let mut given = std::env::args().skip(1);
    while let Some(option) = given.next() {
        match option.as_str() {
            "--attached" => found.is_attached = true,
            "--name" => found.name = given.next().ok_or("--name needs a value")?,
            _ => return Err(format!("there is no option {option}").into()),
        }
    }
    Ok(found)
}
