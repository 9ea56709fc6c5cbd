//! What is heard: a sine for each key, with an octave above it, and a metronome.

use std::f64::consts::TAU;

use crate::clock::RATE;
use crate::command::Action;

const KEYS: usize = 128;
/// Frames from silence to full level, and back.
const ATTACK: f64 = 220.0;
const RELEASE: f64 = 4_410.0;
/// Frames that a parameter takes from one end of its range to the other, so that it does not click.
const SMOOTH: f64 = 441.0;
/// The level of one voice, and that of the metronome.
const VOICE_LEVEL: f64 = 0.1;
const CLICK_LEVEL: f64 = 0.2;
const CLICK_HZ: f64 = 1_500.0;
/// Frames that a click lasts.
const CLICK: u32 = 882;

/// A level that moves to its target by a limited step with each frame.
#[derive(Clone, Copy)]
struct Ramp {
    level: f64,
    target: f64,
}

impl Ramp {
    const fn at(level: f64) -> Self {
        Self { level, target: level }
    }

    fn next(&mut self, up: f64, down: f64) -> f64 {
        self.level = self.target.clamp(self.level - 1.0 / down, self.level + 1.0 / up);
        self.level
    }
}

#[derive(Clone, Copy)]
struct Voice {
    /// In turns: from 0 to 1.
    phase: f64,
    step: f64,
    envelope: Ramp,
}

impl Voice {
    fn of(key: usize) -> Self {
        let hz = 440.0 * ((key as f64 - 69.0) / 12.0).exp2();
        Self { phase: 0.0, step: hz / f64::from(RATE), envelope: Ramp::at(0.0) }
    }

    fn is_silent(&self) -> bool {
        self.envelope.level == 0.0 && self.envelope.target == 0.0
    }

    fn next(&mut self, overtone: f64) -> f64 {
        if self.is_silent() {
            return 0.0;
        }
        let angle = self.phase * TAU;
        self.phase = (self.phase + self.step).fract();
        let level = self.envelope.next(ATTACK, RELEASE);
        level * (angle.sin() + overtone * (2.0 * angle).sin())
    }
}

/// Clicks at the beginning of each beat.
#[derive(Default)]
struct Metronome {
    /// Frames of one beat; 0 while it is stopped.
    beat: u32,
    until_beat: u32,
    /// Frames since the last click began.
    since_click: u32,
}

impl Metronome {
    fn set(&mut self, bpm: f64) {
        // At 20 beats a minute, 132,300.
        #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss)]
        let beat = (60.0 * f64::from(RATE) / bpm).round() as u32;
        self.beat = if bpm == 0.0 { 0 } else { beat };
        self.until_beat = 0;
    }

    fn next(&mut self) -> f64 {
        if self.beat > 0 {
            if self.until_beat == 0 {
                self.until_beat = self.beat;
                self.since_click = 0;
            }
            self.until_beat -= 1;
        }
        if self.since_click >= CLICK {
            return 0.0;
        }
        let angle = f64::from(self.since_click) * CLICK_HZ / f64::from(RATE) * TAU;
        let level = 1.0 - f64::from(self.since_click) / f64::from(CLICK);
        self.since_click += 1;
        level * angle.sin()
    }
}

/// All of it. It allocates nothing.
pub struct Synth {
    voices: [Voice; KEYS],
    gain: Ramp,
    overtone: Ramp,
    metronome: Metronome,
}

impl Synth {
    pub fn new() -> Self {
        Self {
            voices: std::array::from_fn(Voice::of),
            gain: Ramp::at(1.0),
            overtone: Ramp::at(0.0),
            metronome: Metronome { since_click: CLICK, ..Metronome::default() },
        }
    }

    /// Changes what is heard from the next frame on.
    pub fn apply(&mut self, action: Action) {
        match action {
            Action::Sync => {}
            Action::NoteOn { key, velocity } => {
                let voice = &mut self.voices[usize::from(key)];
                if voice.is_silent() {
                    voice.phase = 0.0;
                }
                voice.envelope.target = velocity;
            }
            Action::NoteOff { key } => self.voices[usize::from(key)].envelope.target = 0.0,
            Action::Gain(gain) => self.gain.target = gain,
            Action::Overtone(level) => self.overtone.target = level,
            Action::Tempo(bpm) => self.metronome.set(bpm),
            Action::ReleaseAll => {
                self.voices.iter_mut().for_each(|voice| voice.envelope.target = 0.0);
                self.metronome.set(0.0);
            }
        }
    }

    /// The next frame, from -1 to 1 as long as ten notes sound at most.
    pub fn next(&mut self) -> f32 {
        let gain = self.gain.next(SMOOTH, SMOOTH);
        let overtone = self.overtone.next(SMOOTH, SMOOTH);
        let voices: f64 = self.voices.iter_mut().map(|voice| voice.next(overtone)).sum();
        let frame = gain * (VOICE_LEVEL * voices + CLICK_LEVEL * self.metronome.next());
        #[expect(clippy::cast_possible_truncation, reason = "16 bits of it are kept")]
        let frame = frame as f32;
        frame
    }

    /// How many voices are heard.
    pub fn sounding(&self) -> usize {
        self.voices.iter().filter(|voice| !voice.is_silent()).count()
    }
}
