//! The thread that may wait: it accepts control processes, one after the other, and does for their
//! connections what the audio thread must not.

use std::sync::atomic::{AtomicBool, Ordering::Relaxed};
use std::thread::sleep;
use std::time::{Duration, Instant};

use ringpost::realtime::{Link, Waker};
use ringpost::{CallOptions, ClientConfig, Code, Codec, Lane, Result, ServerConfig};
use rtrb::{Consumer, Producer};

use crate::audio::Line;
use crate::command::REPORT;
use crate::say;

/// How long it waits for a control process before it waits anew.
const ACCEPT: Duration = Duration::from_secs(3_600);
/// How long it may take to end that wait.
const CALL: Duration = Duration::from_millis(100);
/// How long the control process sleeps at most after a report was written.
const PAUSE: Duration = Duration::from_millis(1);
/// How long the audio thread may take to play what it holds, and to give the line back, at the end.
const END: Duration = Duration::from_secs(2);

/// How reports travel: a layout is a codec of its own.
const REPORTING: CallOptions = CallOptions::new().lane(Lane::Critical).codec(Codec::Custom);

pub struct Reception {
    pub name: String,
    pub line_in: Producer<Box<Line>>,
    pub line_out: Consumer<Box<Line>>,
}

/// Ends the wait for a control process, once it is to stop, by connecting in its place. Nothing
/// happens if there is one.
pub fn call(name: &str) {
    drop(Link::connect(name, &ClientConfig::new().connect_timeout(CALL)));
}

impl Reception {
    pub fn run(mut self, is_stopped: &AtomicBool) -> Result<()> {
        while !is_stopped.load(Relaxed) {
            match self.accept() {
                Ok(_) if is_stopped.load(Relaxed) => {}
                Ok(line) => self.serve(line, is_stopped),
                // Nobody came, or left at once.
                Err(error)
                    if matches!(error.code(), Code::Timeout | Code::Closed | Code::PeerLost) => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }

    fn accept(&self) -> Result<Box<Line>> {
        let mut link = Link::accept(&self.name, &ServerConfig::new(), ACCEPT)?;
        let report = link.method(REPORT, &REPORTING)?;
        Ok(Box::new(Line { link, report, is_over: false }))
    }

    /// Passes a line to the audio thread and back, until it is over.
    fn serve(&mut self, line: Box<Line>, is_stopped: &AtomicBool) {
        let (pid, waker) = (line.link.peer().pid, line.link.waker());
        say(&format!("synth: control process {pid} is there"));
        let mut next = Some(line);
        while let Some(mut line) = next {
            let ended = line.link.maintenance();
            if line.is_over {
                let why = ended.map_or_else(|error| error.to_string(), |()| "closed".into());
                say(&format!("synth: control process {pid} is gone: {why}"));
                return;
            }
            if is_stopped.load(Relaxed) {
                return;
            }
            // There is room: this is the only line.
            drop(self.line_in.push(line));
            next = self.lent(&waker, is_stopped);
        }
    }

    /// Waits for the audio thread to lend the line, and wakes the peer meanwhile. None: it has
    /// ended without.
    fn lent(&mut self, waker: &Waker, is_stopped: &AtomicBool) -> Option<Box<Line>> {
        let mut stopped = None;
        loop {
            if let Ok(line) = self.line_out.pop() {
                return Some(line);
            }
            if is_stopped.load(Relaxed) && stopped.get_or_insert_with(Instant::now).elapsed() > END
            {
                return None;
            }
            waker.wake();
            sleep(PAUSE);
        }
    }
}
