//! A connected peer that shares no memory and sends what it likes: records in good form and in none,
//! cut anywhere. The server survives, the connection comes to exactly one end, and so does what it
//! had asked.

#![no_main]

use std::cell::RefCell;
use std::io::{Read, Write};
use std::os::unix::net::UnixStream;

use ipc_core::testing::{Features, Header, Hello, control};
use ipc_core::{
    CrcMode, Engine, HEADER_LEN, Kind, Lane, Limits, ListenOptions, Options, RINGS, id,
};
use ipc_core_fuzz::{Application, Frame, directory, draft};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const CAPACITY: u32 = 4096;
const CRC: CrcMode = CrcMode::Full;
/// What a record is that holds read positions, and one that holds words; below are the rings.
const NUMBERS: [u8; 2] = [8, 9];
const PUBLISHED: u8 = 1;

#[derive(Arbitrary, Debug)]
enum Step {
    Frame {
        frame: Frame,
        published: bool,
    },
    /// Bytes of a ring.
    Part {
        ring: u8,
        flags: u8,
        bytes: Vec<u8>,
    },
    Numbers {
        words: bool,
        numbers: [u16; RINGS],
    },
    Head {
        what: u8,
        flags: u8,
        reserved: u8,
        len: u32,
    },
    Bytes(Vec<u8>),
    /// So much of what is to be sent goes now, and the rest later.
    Drive {
        len: u16,
    },
}

impl Step {
    fn encode(&self, out: &mut Vec<u8>) {
        match self {
            Self::Frame { frame, published } => {
                let flags = u8::from(*published) * PUBLISHED;
                record(out, frame.ring % 5, flags, &frame.encode(CRC));
            }
            Self::Part { ring, flags, bytes } => record(out, ring % 5, flags % 4, bytes),
            Self::Numbers { words, numbers } => {
                let numbers = numbers.map(|number| (u64::from(number) * 8).to_le_bytes());
                record(out, NUMBERS[usize::from(*words)], 0, numbers.as_flattened());
            }
            Self::Head { what, flags, reserved, len } => {
                out.extend([*what, *flags, *reserved, 0]);
                out.extend(len.to_le_bytes());
            }
            Self::Bytes(bytes) => out.extend(bytes),
            Self::Drive { .. } => {}
        }
    }
}

fn record(out: &mut Vec<u8>, what: u8, flags: u8, body: &[u8]) {
    out.extend([what, flags, 0, 0]);
    out.extend(u32::try_from(body.len()).unwrap().to_le_bytes());
    out.extend(body);
}

fn sealed(code: u16, payload: &[u8]) -> Vec<u8> {
    let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
    [&header.to_bytes(payload)[..], payload].concat()
}

thread_local! {
    static SERVER: RefCell<Engine> = RefCell::new({
        let options = Options {
            directory: Some(directory()),
            crc: CRC,
            rings: [CAPACITY; RINGS],
            limits: Limits { pending_max: 8, names_max: 4, message_len_max: 16 << 10 },
            ..Options::default()
        };
        let mut server = Engine::new().unwrap();
        server.listen("server", &options, &ListenOptions::default()).unwrap();
        server
    });
}

fuzz_target!(|steps: Vec<Step>| {
    SERVER.with_borrow_mut(|server| play(server, &steps));
});

/// Goes through the handshake as a client that shares no memory.
fn connect(server: &mut Engine, application: &mut Application) -> UnixStream {
    let mut stream = UnixStream::connect(directory().join("server.sock")).unwrap();
    let hello = Hello {
        version_min: 0,
        version_max: u16::MAX,
        offered: Features::SOCKET,
        required: Features(0),
        crc: CRC,
        rings: [CAPACITY; RINGS],
        limits: Limits::DEFAULT,
        engine: [3; 16],
        token: Vec::new(),
    };
    stream.write_all(&sealed(control::HELLO, &hello.encode())).unwrap();
    stream.set_nonblocking(true).unwrap();
    let mut welcome = [0; HEADER_LEN];
    while stream.read_exact(&mut welcome).is_err() {
        server.drive(application);
    }
    stream.write_all(&sealed(control::READY, &[])).unwrap();
    while application.connected.is_none() {
        server.drive(application);
    }
    stream
}

fn play(server: &mut Engine, steps: &[Step]) {
    let mut application = Application::default();
    let mut stream = connect(server, &mut application);
    let link = application.connected.unwrap();
    let asked = id::join(0, 1);
    let code = server.code("question").unwrap();
    server.send(link, &draft(Lane::Normal, code, asked), b"question").unwrap();
    server.flush();

    let mut waiting = Vec::new();
    for step in steps {
        step.encode(&mut waiting);
        if let Step::Drive { len } = step {
            let rest = waiting.split_off(waiting.len().min(usize::from(*len)));
            // The server closes when it has received enough, and reads no faster than it is driven.
            let _ = stream.write(&waiting);
            waiting = rest;
            server.drive(&mut application);
            application.answer(server);
            let _ = stream.read(&mut [0; 4096]);
        }
    }
    let _ = stream.write(&waiting);
    drop(stream);
    application.end(server, link, asked);
}
