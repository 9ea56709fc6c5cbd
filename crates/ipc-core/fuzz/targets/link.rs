//! A connected peer that writes what it likes into the segment: frames in good form and in none,
//! words of all kinds, also while they are read. The server survives, the connection comes to
//! exactly one end, and so does what it had asked.

#![no_main]

use std::cell::RefCell;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ipc_core::testing::layout::{self, Side};
use ipc_core::{
    CrcMode, Engine, Geometry, Lane, Limits, ListenOptions, Options, RINGS, Transport, id,
};
use ipc_core_fuzz::{Application, Frame, directory, draft};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const GEOMETRY: Geometry = Geometry { rings: [4096; RINGS] };
const CAPACITY: u64 = 4096;
/// First half of the word that closes a lap.
const PAD: u32 = u32::from_le_bytes(*b"RPAD");

#[derive(Arbitrary, Debug)]
struct Script {
    crc: u8,
    steps: Vec<Step>,
}

#[derive(Arbitrary, Debug)]
enum Step {
    Frame(Frame),
    Drive,
    Scribble(Scribble),
    /// From now on whenever a payload is about to be copied.
    ScribbleWhile(Scribble),
}

#[derive(Arbitrary, Clone, Debug)]
enum Scribble {
    Bytes {
        offset: u16,
        bytes: Vec<u8>,
    },
    /// One of the words by which the two ends understand each other.
    ControlMessage {
        side: bool,
        word: u8,
        value: u64,
    },
    By {
        side: bool,
        word: u8,
        distance: i16,
    },
}

/// The rogue's or the server's mapping of the only segment there is.
#[derive(Clone, Copy)]
struct Segment(*mut u8);

impl Segment {
    fn find() -> Self {
        let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
        let line = maps.lines().find(|line| line.contains("memfd:ringpost")).unwrap();
        let start = usize::from_str_radix(line.split('-').next().unwrap(), 16).unwrap();
        Self(std::ptr::with_exposed_provenance_mut(start))
    }

    fn word(&self, offset: usize) -> &AtomicU64 {
        assert!(offset.is_multiple_of(8) && offset < layout::segment_len(&GEOMETRY));
        // SAFETY: inside the mapping, aligned, and only reached as an atomic.
        unsafe { &*self.0.add(offset).cast() }
    }

    fn write(&self, offset: usize, bytes: &[u8]) {
        let len = bytes.len().min(layout::segment_len(&GEOMETRY) - offset);
        // SAFETY: inside the mapping, just cut to it.
        unsafe { self.0.add(offset).copy_from_nonoverlapping(bytes.as_ptr(), len) };
    }

    fn scribble(&self, scribble: &Scribble) {
        let address = |side: bool, word: u8| {
            let side = if side { Side::Server } else { Side::Client };
            let ring = usize::from(word / 5) % RINGS;
            self.word(match word % 5 {
                0 => layout::published(side),
                1 => layout::write_position(side, ring),
                2 => layout::read_position(side, ring),
                3 => layout::armed(side),
                _ => layout::sync_wait(side),
            })
        };
        match scribble {
            Scribble::Bytes { offset, bytes } => {
                self.write(usize::from(*offset) % layout::segment_len(&GEOMETRY), bytes);
            }
            Scribble::ControlMessage { side, word, value } => {
                address(*side, *word).store(*value, Ordering::Release);
            }
            Scribble::By { side, word, distance } => {
                let word = address(*side, *word);
                let value = word.load(Ordering::Acquire).wrapping_add_signed((*distance).into());
                word.store(value, Ordering::Release);
            }
        }
    }
}

/// The rogue's own idea of where it has written to.
#[derive(Default)]
struct Positions([u64; RINGS]);

impl Positions {
    /// Writes a frame as a sane client would, if there is room, and publishes it.
    fn push(&mut self, segment: Segment, crc: CrcMode, frame: &Frame) {
        let ring = usize::from(frame.ring) % RINGS;
        let bytes = frame.encode(crc);
        let need = bytes.len() as u64;

        let start = layout::ring_start(&GEOMETRY, Side::Client, ring);
        let write = &mut self.0[ring];
        let lap_rest = CAPACITY - *write % CAPACITY;
        let pad = if need > lap_rest { lap_rest } else { 0 };
        let read = segment.word(layout::read_position(Side::Server, ring)).load(Ordering::Acquire);
        if write.wrapping_sub(read).saturating_add(pad + need) > CAPACITY {
            return;
        }
        let offset = |write: u64| start + usize::try_from(write % CAPACITY).unwrap();
        if pad > 0 {
            segment.write(offset(*write), &(u64::from(PAD) | pad << 32).to_le_bytes());
            *write += pad;
        }
        segment.write(offset(*write), &bytes);
        *write += need;
        segment.word(layout::write_position(Side::Client, ring)).store(*write, Ordering::Release);
        segment.word(layout::published(Side::Client)).fetch_add(1, Ordering::AcqRel);
    }
}

thread_local! {
    static SERVER: RefCell<Engine> = RefCell::new({
        let mut server = Engine::new().unwrap();
        server.listen("server", &options(0), &ListenOptions::default()).unwrap();
        server
    });
}

fn options(crc: u8) -> Options {
    Options {
        directory: Some(directory()),
        transport: Some(Transport::Sealed),
        crc: CrcMode::from_number(crc % 3).unwrap(),
        rings: GEOMETRY.rings,
        limits: Limits { pending_max: 8, names_max: 4, message_len_max: 16 << 10 },
        ..Options::default()
    }
}

fuzz_target!(|script: Script| {
    SERVER.with_borrow_mut(|server| play(server, &script));
});

fn play(server: &mut Engine, script: &Script) {
    let options = options(script.crc);
    let (mut rogue, mut unwitting) = (Engine::new().unwrap(), Application::default());
    rogue.connect("server", &options, Duration::from_secs(60)).unwrap();
    let mut application = Application::default();
    while application.connected.is_none() {
        server.drive(&mut application);
        rogue.drive(&mut unwitting);
    }
    let link = application.connected.unwrap();
    let crc = server.peer(link).unwrap().agreement.crc;
    let asked = id::join(0, 1);
    let code = server.code("question").unwrap();
    server.send(link, &draft(Lane::Normal, code, asked), b"question").unwrap();
    server.flush();

    let segment = Segment::find();
    let mut positions = Positions::default();
    for step in &script.steps {
        match step {
            Step::Frame(frame) => positions.push(segment, crc, frame),
            Step::Scribble(scribble) => segment.scribble(scribble),
            Step::ScribbleWhile(scribble) => {
                let scribble = scribble.clone();
                application.meanwhile = Some(Box::new(move || segment.scribble(&scribble)));
            }
            Step::Drive => {
                server.drive(&mut application);
                application.answer(server);
            }
        }
    }
    // The dead write nothing any more, and the mapping was theirs.
    application.meanwhile = None;
    drop(rogue);
    application.end(server, link, asked);
}
