//! What an arbitrary peer sends before the first frame: to the decoders, to a server, and to a
//! client. Whatever it sends, a connection has exactly one outcome.

#![no_main]

use std::cell::RefCell;
use std::io::Write;
use std::os::unix::net::{UnixListener, UnixStream};
use std::time::Duration;

use ipc_core::testing::{
    Features, Handover, Header, Hello, Policy, Reject, TakeOver, Welcome, control,
};
use ipc_core::{CrcMode, Engine, Kind, Limits, ListenOptions, Options, RINGS};
use ipc_core_fuzz::{Application, directory};
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

const DRIVES_MAX: usize = 100;

#[derive(Arbitrary, Debug)]
struct Script {
    role: Role,
    frames: Vec<Frame>,
}

/// Who is talked to.
#[derive(Arbitrary, Debug)]
enum Role {
    Server,
    Client,
}

#[derive(Arbitrary, Debug)]
enum Frame {
    /// A HELLO that may well be taken.
    Hello {
        versions: (u8, u8),
        features: (u8, u8),
        crc: u8,
        ring: u8,
        pending: u16,
        token: u8,
    },
    Sealed {
        word: u8,
        payload: Vec<u8>,
    },
    /// A server that may well get the name.
    TakeOver,
    Bytes(Vec<u8>),
}

impl Frame {
    fn encode(&self) -> Vec<u8> {
        let sealed = |code, payload: &[u8]| {
            let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
            [&header.to_bytes(payload)[..], payload].concat()
        };
        match self {
            Self::Bytes(bytes) => bytes.clone(),
            Self::Sealed { word, payload } => {
                let words = [
                    control::HELLO,
                    control::WELCOME,
                    control::REJECT,
                    control::READY,
                    control::TAKE_OVER,
                    control::HANDOVER,
                ];
                sealed(words[usize::from(*word) % words.len()], payload)
            }
            Self::TakeOver => sealed(control::TAKE_OVER, &TakeOver::new(Vec::new()).encode()),
            Self::Hello { versions, features, crc, ring, pending, token } => {
                let hello = Hello {
                    version_min: versions.0.into(),
                    version_max: versions.1.into(),
                    offered: Features(features.0.into()),
                    required: Features(features.1.into()),
                    crc: CrcMode::from_number(crc % 3).unwrap(),
                    rings: [1u32.wrapping_shl((*ring).into()); RINGS],
                    limits: Limits { pending_max: (*pending).into(), ..Limits::DEFAULT },
                    engine: [3; 16],
                    token: vec![7; (*token).into()],
                };
                sealed(control::HELLO, &hello.encode())
            }
        }
    }
}

/// Engines that last as long as the target: a handshake leaves nothing behind in them.
struct Meeting {
    options: Options,
    server: Engine,
    client: Engine,
    /// The server the client connects to.
    listener: UnixListener,
}

impl Meeting {
    fn new() -> Self {
        let options = Options { directory: Some(directory()), ..Options::default() };
        let (mut server, client) = (Engine::new().unwrap(), Engine::new().unwrap());
        server.listen("server", &options, &ListenOptions::default()).unwrap();
        let listener = UnixListener::bind(directory().join("rogue.sock")).unwrap();
        Self { options, server, client, listener }
    }
}

thread_local! {
    static MEETING: RefCell<Meeting> = RefCell::new(Meeting::new());
}

fuzz_target!(|script: Script| {
    for frame in &script.frames {
        if let Frame::Sealed { payload, .. } = frame {
            decode(payload);
        }
    }
    MEETING.with_borrow_mut(|meeting| match script.role {
        Role::Server => talk_to_server(meeting, &script.frames),
        Role::Client => talk_to_client(meeting, &script.frames),
    });
});

fn decode(payload: &[u8]) {
    let policy = Policy {
        features: Features(3),
        crc: CrcMode::Header,
        rings: [0; RINGS],
        rings_max: [0; RINGS],
        in_one_piece: false,
        limits: Limits::DEFAULT,
        token: None,
    };
    if let (Ok(consent), Ok(request)) = (policy.consent(payload), TakeOver::decode(payload)) {
        assert!((request.version_min..=request.version_max).contains(&consent.version));
        assert_eq!(TakeOver::decode(&request.encode()).unwrap(), request);
    }
    let _ = Handover::decode(payload);
    let terms = policy.negotiate(payload);
    if let Ok(hello) = Hello::decode(payload) {
        assert_eq!(Hello::decode(&hello.encode()).unwrap(), hello);
        let is_sane = hello.offered.0 & hello.required.0 == hello.required.0;
        if let (Ok(terms), true) = (terms, is_sane) {
            let welcome = Welcome {
                version: terms.version,
                transport: terms.transport,
                features: terms.features,
                agreement: terms.agreement,
                session: [1; 16],
                engine: [2; 16],
                address: None,
            };
            welcome.check(&hello).expect("a server agrees to nothing but what was offered");
        }
    }
    if let Ok(welcome) = Welcome::decode(payload) {
        assert_eq!(Welcome::decode(&welcome.encode()).unwrap(), welcome);
    }
    if let Ok(reject) = Reject::decode(payload) {
        assert!(!reject.into_error().to_string().contains(char::is_control));
    }
}

fn talk_to_server(meeting: &mut Meeting, frames: &[Frame]) {
    let stream = UnixStream::connect(directory().join("server.sock")).unwrap();
    let mut application = Application::default();
    say(stream, frames, &mut meeting.server, &mut application);
    let ends = u32::from(application.connected.is_some());
    assert_eq!(application.closed.values().sum::<u32>(), ends);
    if application.taken_over {
        // Nothing holds what was handed over any more.
        meeting.server.listen("server", &meeting.options, &ListenOptions::default()).unwrap();
    }
}

fn talk_to_client(meeting: &mut Meeting, frames: &[Frame]) {
    let timeout = Duration::from_secs(60);
    let link = meeting.client.connect("rogue", &meeting.options, timeout).unwrap();
    let (stream, _) = meeting.listener.accept().unwrap();
    let mut application = Application::default();
    say(stream, frames, &mut meeting.client, &mut application);
    assert_eq!(application.closed.get(&link), Some(&1));
}

/// Sends everything, one frame after the other, and closes.
fn say(
    mut stream: UnixStream,
    frames: &[Frame],
    engine: &mut Engine,
    application: &mut Application,
) {
    engine.drive(application);
    for frame in frames {
        // The other side closes when it has received enough.
        let _ = stream.write_all(&frame.encode());
        engine.drive(application);
    }
    drop(stream);
    for _ in 0..DRIVES_MAX {
        engine.drive(application);
        if engine.links().is_empty() {
            return;
        }
    }
    panic!("a connection that never ends");
}
