//! A ring whose other side does what it likes to positions, headers and payloads, also between two
//! loads of the reader: nothing leaves the ring, and what was not touched comes out as it went in.

#![no_main]

use std::collections::VecDeque;

use ipc_core::testing::{Header, Memory, Ring};
use ipc_core::{CrcMode, Kind};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

#[derive(Arbitrary, Debug)]
struct Script {
    /// A power of two between 128 bytes and 16 KiB.
    size: u8,
    crc: u8,
    /// Where the ring starts: near the end of a lap, of the numbers, or at 0.
    start: i16,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Push { code: u16, id: u64, more: bool, options: bool, payload: Vec<u8> },
    Publish,
    Read,
    ReadWhile(Scribble),
    Release,
    Rogue(Scribble),
}

#[derive(Arbitrary, Debug)]
enum Scribble {
    Bytes { offset: u16, bytes: Vec<u8> },
    Write(Position),
    Read(Position),
}

#[derive(Arbitrary, Debug)]
enum Position {
    /// So far from where it stands.
    By(i16),
    At(u64),
}

impl Position {
    fn from(&self, position: u64) -> u64 {
        match self {
            Self::By(distance) => position.wrapping_add_signed(i64::from(*distance)),
            Self::At(position) => *position,
        }
    }
}

fn scribble(memory: &Memory, scribble: &Scribble) {
    let (write, read) = memory.positions();
    match scribble {
        Scribble::Bytes { offset, bytes } => memory.scribble(usize::from(*offset), bytes),
        Scribble::Write(position) => memory.set_write(position.from(write)),
        Scribble::Read(position) => memory.set_read(position.from(read)),
    }
}

/// What was written and not read yet, while the memory was not overwritten.
#[derive(Default)]
struct Expected {
    written: VecDeque<Vec<u8>>,
    published: VecDeque<Vec<u8>>,
}

fuzz_target!(|script: Script| {
    let capacity = 128 << (script.size % 8);
    let crc = CrcMode::from_number(script.crc % 3).unwrap();
    let start = i64::from(script.start).cast_unsigned() & !7;
    let mut ring = Ring::new(capacity, crc, start);
    let mut expected = Some(Expected::default());
    for step in &script.steps {
        if play(&mut ring, step, capacity, &mut expected).is_none() {
            // The connection would be over: without a rogue there is no reason to.
            assert!(expected.is_none(), "an honest peer was refused at {step:?}");
            return;
        }
    }
});

fn play(
    ring: &mut Ring,
    step: &Step,
    capacity: usize,
    expected: &mut Option<Expected>,
) -> Option<()> {
    match step {
        Step::Push { code, id, more, options, payload } => {
            // Option blocks are the rogue's: an honest one is not made of arbitrary bytes.
            let options = *options && expected.is_none();
            let header = Header::new(Kind::Request, *code, *id);
            let header = header.with_more(*more).with_options(options);
            let payload = &payload[..payload.len().min(capacity / 4 - ipc_core::HEADER_LEN)];
            let pushed = ring.push(header, payload).ok()?;
            if let Some(expected) = expected.as_mut().filter(|_| pushed) {
                expected.written.push_back(payload.to_vec());
            }
        }
        Step::Publish => {
            ring.publish();
            if let Some(expected) = expected {
                expected.published.append(&mut expected.written);
            }
        }
        Step::Read => read_all(ring, capacity, expected, || {})?,
        Step::ReadWhile(meanwhile) => {
            *expected = None;
            let memory = ring.memory();
            read_all(ring, capacity, expected, || scribble(&memory, meanwhile))?;
        }
        Step::Release => {
            ring.release();
        }
        Step::Rogue(what) => {
            *expected = None;
            scribble(&ring.memory(), what);
        }
    }
    Some(())
}

fn read_all(
    ring: &mut Ring,
    capacity: usize,
    expected: &mut Option<Expected>,
    mut meanwhile: impl FnMut(),
) -> Option<()> {
    if !ring.refresh().ok()? {
        assert!(expected.as_ref().is_none_or(|expected| expected.published.is_empty()));
        return Some(());
    }
    // What was seen is at most a ring full of empty frames.
    for _ in 0..=capacity / ipc_core::HEADER_LEN {
        let Some(payload) = ring.read(&mut meanwhile).ok()? else { return Some(()) };
        assert!(payload.len() <= capacity);
        if let Some(expected) = expected {
            assert_eq!(Some(payload), expected.published.pop_front());
        }
    }
    panic!("more frames than the ring holds");
}
