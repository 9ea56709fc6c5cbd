//! What travels between the control process and this one. `contract.mts` has the same.

/// The name of the event that a command is.
pub const COMMAND: &str = "command";
/// The name of the event that a report is.
pub const REPORT: &str = "report";
/// The name of the request in which a command waits for its receipt.
pub const MEASURED: &str = "measured";
/// The name of the request for what was counted.
pub const STATUS: &str = "status";

ringpost::layout! {
    /// What is to happen, and when. All members are numbers, so that any bytes are a command, and
    /// reading one takes no memory.
    #[derive(Clone, Copy)]
    pub struct Command {
        /// One more than the last on this connection, so that a gap is seen.
        pub number: u64,
        /// Nanoseconds of `CLOCK_MONOTONIC`: it is heard [`LATENCY`](crate::audio::LATENCY) later.
        pub at: u64,
        pub value: f64,
        pub kind: u16,
        /// The key or the parameter it is about.
        pub target: u16,
        /// Whether a report is wanted: not 0.
        pub report: u32,
    }
}

ringpost::layout! {
    /// What became of a command.
    #[derive(Clone, Copy)]
    pub struct Report {
        pub number: u64,
        /// When the audio thread has read it, in nanoseconds of `CLOCK_MONOTONIC`.
        pub readAt: u64,
        /// The frame that it was meant for.
        pub due: u64,
        /// The frame at which it was carried out.
        pub applied: u64,
        /// Not 0: it makes no sense and was not carried out.
        pub refused: u64,
    }
}

ringpost::layout! {
    /// A thread that was woken for a command has passed it on.
    pub struct Receipt {
        /// When it was there, in nanoseconds of `CLOCK_MONOTONIC`.
        pub receivedAt: u64,
    }
}

ringpost::layout! {
    /// What was counted since this process has started.
    pub struct Status {
        /// When the first frame was due, in nanoseconds of `CLOCK_MONOTONIC`.
        pub startedAt: u64,
        pub frames: u64,
        pub commands: u64,
        /// Commands that make no sense.
        pub refused: u64,
        /// Commands whose numbers were left out: the control process had no room for them.
        pub missing: u64,
        /// Commands that came after their frame, and the most frames one did.
        pub late: u64,
        pub latestFrames: u64,
        /// Reports there was no room for.
        pub unreported: u64,
        /// Frames there was no room for on the way to the file.
        pub unrecorded: u64,
        /// Periods that began after their end.
        pub overruns: u64,
        /// How late periods began.
        pub wakeMeanMicros: f64,
        pub wakeDeviationMicros: f64,
        pub wakeMaxMicros: f64,
        /// Voices that are heard.
        pub sounding: u64,
    }
}

/// What a command asks for.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Action {
    /// Nothing: its report says that the audio thread reads.
    Sync,
    NoteOn {
        key: u16,
        velocity: f64,
    },
    NoteOff {
        key: u16,
    },
    Gain(f64),
    /// How loud the octave of each note is.
    Overtone(f64),
    /// Beats per minute of the metronome; 0 stops it.
    Tempo(f64),
    /// The control process is gone: what it holds ends.
    ReleaseAll,
}

impl Command {
    /// What it asks for, unless that makes no sense.
    pub fn action(&self) -> Option<Action> {
        let Self { kind, target, value, .. } = *self;
        let is_share = (0.0..=1.0).contains(&value);
        match (kind, target) {
            (0, _) => Some(Action::Sync),
            (1, 0..128) if is_share => Some(Action::NoteOn { key: target, velocity: value }),
            (2, 0..128) => Some(Action::NoteOff { key: target }),
            (3, 0) if is_share => Some(Action::Gain(value)),
            (3, 1) if is_share => Some(Action::Overtone(value)),
            (4, _) if value == 0.0 || (20.0..=400.0).contains(&value) => Some(Action::Tempo(value)),
            _ => None,
        }
    }
}
