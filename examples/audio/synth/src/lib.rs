//! An audio process: it plays what a control process tells it, and records that.
//!
//! ```text
//! audio-synth --record <file> [--name <name>] [--workers <count>] [--ordinary] [--attached]
//! ```
//!
//! Commands come to `<name>-commands`, where the audio thread polls, and questions to `<name>`, for
//! which a thread is woken. It ends with SIGTERM or Ctrl-C, and `--attached` also when its standard
//! input ends: the program that has started it is gone then, however that came to be. `--ordinary`:
//! without real-time priority.

#![deny(unsafe_code)]

mod arguments;
pub(crate) mod audio;
mod clock;
mod command;
mod counters;
mod desk;
mod priority;
mod reception;
mod recorder;
mod schedule;
mod synth;
mod workers;

use std::io::{Read, Write, stdin, stdout};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread;
use std::time::Duration;

use ringpost::Code;
use rtrb::RingBuffer;
use rustix::process::{Resource, getrlimit};

use arguments::Arguments;
use audio::{Audio, Wires};
use clock::{RATE, now};
use counters::Counters;
use reception::Reception;
use recorder::Recorder;

/// Why it does not run.
pub type Failure = Box<dyn std::error::Error + Send + Sync>;

/// What the audio thread does with its work, which is to call it. Tests put it into a sandbox.
pub type Around = fn(&mut dyn FnMut());

/// Seconds of frames that may wait to be written.
const RECORDED_AHEAD: usize = 10;
/// Measured commands that may wait for the next period.
const MEASURED_AHEAD: usize = 256;
/// How often the main thread looks whether it is to end.
const PAUSE: Duration = Duration::from_millis(10);

/// Runs until it is told to end.
///
/// # Errors
///
/// Why it does not run, in a sentence.
pub fn run(around: Around) -> Result<(), Failure> {
    let Arguments { name, record, workers, is_ordinary, is_attached } =
        Arguments::parse(std::env::args().skip(1))?;
    // Before anything is there that has to be removed.
    let is_stopped = Arc::new(AtomicBool::new(false));
    for signal in [signal_hook::consts::SIGINT, signal_hook::consts::SIGTERM] {
        signal_hook::flag::register(signal, Arc::clone(&is_stopped))?;
    }
    if is_attached {
        stop_when_detached(&is_stopped);
    }

    let (frames, frames_out) = RingBuffer::new(RECORDED_AHEAD * RATE as usize);
    let (measured_in, measured) = RingBuffer::new(MEASURED_AHEAD);
    let (line_in, line_to_audio) = RingBuffer::new(1);
    let (line_out, line_from_audio) = RingBuffer::new(1);
    let counters = Arc::<Counters>::default();
    let start = now();

    let desk = desk::open(&name, measured_in, Arc::clone(&counters), start);
    let mut desk = desk.map_err(|error| explained(&name, error))?;
    let recorder = Recorder::create(&record, frames_out)
        .map_err(|error| format!("{} cannot be written: {error}", record.display()))?;
    let wires = Wires { line_in: line_to_audio, line_out, measured, frames: Some(frames) };
    let audio = Audio::new(wires, counters, start);
    let commands = format!("{name}-commands");
    let reception = Reception { name: commands.clone(), line_in, line_out: line_from_audio };

    workers::start(workers, &is_stopped);
    say(&format!("synth: process {} plays {name:?}", std::process::id()));
    let playing = start_audio(audio, around, is_ordinary, &is_stopped);
    let recording = thread::spawn(move || recorder.run());
    let receiving = {
        let is_stopped = Arc::clone(&is_stopped);
        thread::spawn(move || reception.run(&is_stopped))
    };
    let stopper = desk.stopper();
    let answering = thread::spawn(move || {
        if !is_ordinary {
            // The audio thread says what that means, if it fails.
            let _ = priority::raise(priority::DESK);
        }
        desk.run().and_then(|()| desk.close())
    });

    let is_over = || is_stopped.load(Relaxed) || recording.is_finished() || receiving.is_finished();
    while !is_over() && !answering.is_finished() && !playing.is_finished() {
        thread::sleep(PAUSE);
    }
    is_stopped.store(true, Relaxed);
    stopper.stop();
    while !receiving.is_finished() {
        reception::call(&commands);
        thread::sleep(PAUSE);
    }
    recording.join().map_err(|_| "the recorder has failed")?.map_err(|error| {
        format!("{} could not be written to its end: {error}", record.display())
    })?;
    receiving.join().map_err(|_| "the reception has failed")??;
    answering.join().map_err(|_| "the desk has failed")??;
    say("synth: has ended");
    Ok(())
}

fn start_audio(
    mut audio: Audio,
    around: Around,
    is_ordinary: bool,
    is_stopped: &Arc<AtomicBool>,
) -> thread::JoinHandle<()> {
    let is_stopped = Arc::clone(is_stopped);
    thread::spawn(move || {
        say(&match is_ordinary {
            true => "synth: plays without real-time priority, as was asked for".into(),
            false => match priority::raise(priority::AUDIO) {
                Ok(()) => format!("synth: plays at real-time priority {}", priority::AUDIO),
                Err(error) => {
                    let limit = getrlimit(Resource::Rtprio).current.unwrap_or(u64::MAX);
                    format!(
                        "synth: plays without real-time priority, which is not permitted here \
                         ({error}; RLIMIT_RTPRIO is {limit})"
                    )
                }
            },
        });
        around(&mut || audio.play(&is_stopped));
    })
}

/// Says something to a person, if one is there: what has started this may have ended.
pub(crate) fn say(line: &str) {
    let _ = writeln!(stdout(), "{line}");
}

/// Stops once nothing holds the other end of the standard input any more.
fn stop_when_detached(is_stopped: &Arc<AtomicBool>) {
    let is_stopped = Arc::clone(is_stopped);
    thread::spawn(move || {
        // An error is an end as well.
        while stdin().read(&mut [0; 64]).is_ok_and(|len| len > 0) {}
        is_stopped.store(true, Relaxed);
    });
}

fn explained(name: &str, error: ringpost::Error) -> Failure {
    match error.code() {
        Code::NameInUse => format!("an audio process named {name:?} is running already").into(),
        _ => error.into(),
    }
}
