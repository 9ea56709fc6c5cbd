//! The audio thread: once in a period it reads what has come, and renders the next frames.
//!
//! It takes no lock and no memory, and makes no system call but to sleep until its next period.
//! Whatever needs more is passed to another thread through a ring, and so is the connection itself:
//!
//! ```text
//!             line, when it needs more than to be polled
//!            ┌──────────────────────────────────────────► reception ── accepts, maintains
//!  control ══╪══► audio thread ──► frames ──► recorder ── writes the file
//!            └──────────────────────────────────────────── reception ── gives it back
//!                     ▲
//!                     └── commands that were measured ──── desk ── is woken, answers
//! ```

use std::collections::VecDeque;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering::Relaxed};

use ringpost::layout::Struct;
use ringpost::realtime::{Link, Method, TryRecvError};
use rtrb::{Consumer, Producer, PushError};

use crate::clock::{PERIOD, frames_in, nanos_of, now, sleep_until};
use crate::command::{Action, COMMAND, Command, Report};
use crate::counters::Counters;
use crate::schedule::{Event, Schedule};
use crate::synth::Synth;

/// Frames from the time of a command to when it is heard: one period until it is read, and one by
/// which it may be late.
pub const LATENCY: u64 = 2 * PERIOD;
/// How far ahead a command may be: ten seconds.
const AHEAD_MAX: u64 = 10_000_000_000;
/// Periods after which the line is maintained in any case: that shows whether the peer is there.
const MAINTAINED_EVERY: u64 = 32;
/// Reports that wait for room, or for the line to come back.
const REPORTS: usize = 1_024;

/// The connection of a control process.
pub struct Line {
    pub link: Link,
    pub report: Method,
    /// All that came was read, and no more will come.
    pub is_over: bool,
}

/// What the audio thread shares with the others: the ends of rings.
pub struct Wires {
    pub line_in: Consumer<Box<Line>>,
    pub line_out: Producer<Box<Line>>,
    pub measured: Consumer<Command>,
    /// None once all was played.
    pub frames: Option<Producer<f32>>,
}

pub struct Audio {
    wires: Wires,
    counters: Arc<Counters>,
    /// The time of the first frame.
    start: u64,
    /// The next one to be rendered.
    frame: u64,
    synth: Synth,
    schedule: Schedule,
    line: Option<Box<Line>>,
    /// The number of the last command on this line.
    last: Option<u64>,
    /// The last control process is gone, and what it has left is still played.
    is_ending: bool,
    reports: VecDeque<Report>,
}

impl Audio {
    /// Takes all the memory it will ever need.
    pub fn new(wires: Wires, counters: Arc<Counters>, start: u64) -> Self {
        Self {
            wires,
            counters,
            start,
            frame: 0,
            synth: Synth::new(),
            schedule: Schedule::new(),
            line: None,
            last: None,
            is_ending: false,
            reports: VecDeque::with_capacity(REPORTS),
        }
    }

    /// Plays until it is to stop, and then until nothing is heard. What it was too late for, it
    /// renders as soon as it can: no frame is left out.
    pub fn play(&mut self, is_stopped: &AtomicBool) {
        while !is_stopped.load(Relaxed) {
            let woken = self.wait();
            self.read_measured(woken);
            let needs_maintenance = self.read_line(woken);
            self.render();
            self.send_reports();
            if needs_maintenance || (self.frame / PERIOD).is_multiple_of(MAINTAINED_EVERY) {
                self.lend_line();
            }
        }
        // Nothing is read any more, or a control process could keep it from ending.
        self.lend_line();
        self.schedule.clear();
        self.synth.apply(Action::ReleaseAll);
        while self.synth.sounding() > 0 {
            self.wait();
            self.render();
        }
        self.wires.frames = None;
    }

    /// Waits until the next period is due; returns when that was over.
    fn wait(&mut self) -> u64 {
        let time = self.start + nanos_of(self.frame);
        sleep_until(time);
        let woken = now();
        self.counters.woke(woken.saturating_sub(time));
        if woken > time + nanos_of(PERIOD) {
            self.counters.overruns.add(1);
        }
        woken
    }

    /// Commands that have come through the desk.
    fn read_measured(&mut self, read_at: u64) {
        while self.schedule.has_room() {
            let Ok(command) = self.wires.measured.pop() else { return };
            self.plan(&command, read_at);
        }
    }

    /// Commands that have come through the line; returns whether that needs maintenance.
    fn read_line(&mut self, read_at: u64) -> bool {
        if self.line.is_none() && !self.is_ending {
            self.line = self.wires.line_in.pop().ok();
        }
        while self.schedule.has_room() {
            let Some(line) = &mut self.line else { return false };
            let mut bytes = [0; size_of::<Command>()];
            let mut is_command = false;
            let received = line.link.try_recv(|arrival| {
                is_command = arrival.name == COMMAND && arrival.body.len() == bytes.len();
                if is_command { arrival.body.copy_to(&mut bytes) } else { Ok(()) }
            });
            match received {
                Ok(true) => match Command::decode(&bytes) {
                    Ok(command) if is_command => self.take(&command, read_at),
                    _ => self.counters.refused.add(1),
                },
                Ok(false) => return false,
                Err(TryRecvError::MaintenanceNeeded) => return true,
                Err(TryRecvError::Closed) => {
                    self.hang_up();
                    return false;
                }
            }
        }
        false
    }

    /// A command of the line, which counts them.
    fn take(&mut self, command: &Command, read_at: u64) {
        let missing = self.last.map_or(0, |last| command.number.saturating_sub(last + 1));
        self.counters.missing.add(missing);
        self.last = Some(command.number);
        self.plan(command, read_at);
    }

    fn plan(&mut self, command: &Command, read_at: u64) {
        self.counters.commands.add(1);
        let number = (command.report != 0).then_some(command.number);
        let due = frames_in(command.at.saturating_sub(self.start)) + LATENCY;
        match command.action() {
            Some(action) if command.at.saturating_sub(read_at) <= AHEAD_MAX => {
                self.schedule.add(Event { due, action, number, read_at });
            }
            _ => {
                self.counters.refused.add(1);
                self.report(number, read_at, due, None);
            }
        }
    }

    fn render(&mut self) {
        for frame in self.frame..self.frame + PERIOD {
            while let Some(event) = self.schedule.take_due(frame) {
                self.apply(&event, frame);
            }
            let sample = self.synth.next();
            if let Some(frames) = &mut self.wires.frames
                && frames.push(sample).is_err()
            {
                self.counters.unrecorded.add(1);
            }
        }
        self.frame += PERIOD;
        self.counters.frames.set(self.frame);
        self.counters.sounding.set(self.synth.sounding() as u64);
    }

    fn apply(&mut self, event: &Event, frame: u64) {
        let Event { due, action, number, read_at } = *event;
        self.synth.apply(action);
        // Nothing is heard of a sync, so that it has no time.
        if frame > due && action != Action::Sync {
            self.counters.late.add(1);
            self.counters.latest.at_least(frame - due);
        }
        self.is_ending &= action != Action::ReleaseAll;
        self.report(number, read_at, due, Some(frame));
    }

    /// Keeps a report, if one is wanted. `applied`: the frame, unless the command was refused.
    fn report(&mut self, number: Option<u64>, read_at: u64, due: u64, applied: Option<u64>) {
        let Some(number) = number else { return };
        let refused = u64::from(applied.is_none());
        let applied = applied.unwrap_or_default();
        if self.reports.len() < REPORTS {
            self.reports.push_back(Report { number, readAt: read_at, due, applied, refused });
        } else {
            self.counters.unreported.add(1);
        }
    }

    /// Sends what there is room for. The reception wakes the control process if it sleeps.
    fn send_reports(&mut self) {
        let Some(line) = &mut self.line else { return };
        while let Some(report) = self.reports.front() {
            let mut bytes = [0; size_of::<Report>()];
            let is_sent = report.encode(&mut bytes).is_ok()
                && line.link.try_send(&line.report, &bytes).is_ok();
            if !is_sent {
                return;
            }
            self.reports.pop_front();
        }
    }

    /// The control process is gone. What it has sent is still carried out, each at its time; then
    /// everything it holds ends.
    fn hang_up(&mut self) {
        if let Some(line) = &mut self.line {
            line.is_over = true;
        }
        self.lend_line();
        self.last = None;
        self.reports.clear();
        self.is_ending = true;
        let due = self.schedule.end().unwrap_or(self.frame);
        self.schedule.add(Event { due, action: Action::ReleaseAll, number: None, read_at: 0 });
    }

    /// Gives the line to the reception, and has it back by the next period as a rule.
    fn lend_line(&mut self) {
        if let Some(line) = self.line.take()
            && let Err(PushError::Full(line)) = self.wires.line_out.push(line)
        {
            self.line = Some(line);
        }
    }
}
