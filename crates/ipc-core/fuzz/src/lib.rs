//! What the targets that drive an engine share: an application that answers every request with its
//! own bytes, and counts what it received; and frames that a peer may well send.

use std::collections::BTreeMap;
use std::num::NonZeroU32;
use std::path::PathBuf;

use ipc_core::testing::{Header, Options};
use ipc_core::{
    Body, BufferId, Codec, Corrupt, CrcMode, Draft, Engine, Event, HEADER_LEN, Host, Kind, Lane,
    LinkId, Message, id,
};
use libfuzzer_sys::arbitrary::{self, Arbitrary};

const DRIVES_MAX: usize = 1000;

/// A directory to meet in; it goes with the temporary directory it lies in.
pub fn directory() -> PathBuf {
    std::env::temp_dir().join(format!("ringpost-fuzz-{}", std::process::id()))
}

#[derive(Default)]
pub struct Application {
    pub connected: Option<LinkId>,
    /// A new server has taken the name over.
    pub taken_over: bool,
    /// How often each link was closed.
    pub closed: BTreeMap<LinkId, u32>,
    /// How often each request of this side had an outcome.
    pub outcomes: BTreeMap<u64, u32>,
    /// Called whenever a payload is about to be copied.
    pub meanwhile: Option<Box<dyn FnMut()>>,
    asked: Vec<(LinkId, Message, Vec<u8>)>,
    buffers: BTreeMap<u32, (LinkId, Vec<u8>)>,
    opened: u32,
}

impl Application {
    /// Answers what was asked since the last time.
    pub fn answer(&mut self, engine: &mut Engine) {
        for (link, message, payload) in self.asked.drain(..) {
            let answer = Draft { kind: Kind::Reply, ..draft(message.lane, 0, message.id) };
            // It may have been given up, or its connection be over.
            let _ = engine.send(link, &answer, &payload);
        }
        engine.flush();
    }

    /// The peer of the only link is gone: the link comes to exactly one end, and so does what this
    /// side had `asked`.
    pub fn end(&mut self, engine: &mut Engine, link: LinkId, asked: u64) {
        for _ in 0..DRIVES_MAX {
            engine.drive(self);
            self.answer(engine);
            if engine.links().is_empty() {
                break;
            }
        }
        assert_eq!(self.closed.get(&link), Some(&1), "a connection ends once");
        assert_eq!(self.outcomes.get(&asked), Some(&1), "a request has one outcome");
        assert_eq!(engine.stats().links, 0);
    }

    fn take(&mut self, link: LinkId, message: &Message, payload: Vec<u8>) {
        assert_eq!(payload.len(), message.len);
        match message.kind {
            Kind::Request => self.asked.push((link, *message, payload)),
            Kind::Reply | Kind::Error => *self.outcomes.entry(message.id).or_default() += 1,
            Kind::OneWay | Kind::RequestItem | Kind::ReplyItem => {}
            Kind::Control => panic!("a control frame was delivered"),
        }
    }

    fn scribble(&mut self) {
        if let Some(meanwhile) = &mut self.meanwhile {
            meanwhile();
        }
    }
}

impl Host for Application {
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        self.scribble();
        let mut payload = Vec::new();
        body.append_to(&mut payload)?;
        self.take(link, message, payload);
        Ok(())
    }

    fn open(&mut self, link: LinkId, message: &Message) -> BufferId {
        self.opened += 1;
        self.buffers.insert(self.opened, (link, vec![0; message.len]));
        BufferId(self.opened)
    }

    fn fill(&mut self, buffer: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        self.scribble();
        let (_, bytes) = self.buffers.get_mut(&buffer.0).expect("a buffer that is open");
        let end = offset + body.len();
        body.copy_to(&mut bytes[offset..end])
    }

    fn finish(&mut self, link: LinkId, message: &Message, buffer: BufferId) {
        let (opened_for, payload) = self.buffers.remove(&buffer.0).expect("a buffer that is open");
        assert_eq!(opened_for, link);
        self.take(link, message, payload);
    }

    fn discard(&mut self, buffer: BufferId) {
        self.buffers.remove(&buffer.0).expect("a buffer that is open");
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Connected { link, .. } | Event::Accepted { link, .. } => {
                self.connected = Some(link);
            }
            Event::TakenOver { .. } => self.taken_over = true,
            Event::Ended { id, .. } => *self.outcomes.entry(id).or_default() += 1,
            Event::Closed { link, .. } => {
                *self.closed.entry(link).or_default() += 1;
                let leaked = self.buffers.values().any(|(opened_for, _)| *opened_for == link);
                assert!(!leaked, "a buffer stays open after its connection");
            }
            _ => {}
        }
    }
}

/// A request of bytes, without a timeout.
pub fn draft(lane: Lane, code: u32, id: u64) -> Draft {
    let (kind, codec) = (Kind::Request, Codec::Bytes);
    Draft {
        kind,
        lane,
        codec,
        code,
        id,
        timeout: None,
        trace: None,
        replayed: None,
        window: None,
        compress: false,
    }
}

/// A frame in good form, whatever it says.
#[derive(Arbitrary, Debug)]
pub struct Frame {
    /// Which it is to go to.
    pub ring: u8,
    kind: u8,
    code: u8,
    id: (u8, u8),
    more: bool,
    budget_us: Option<u32>,
    total_len: Option<u16>,
    window: Option<u16>,
    unpacked_len: Option<u16>,
    replayed: Option<u8>,
    payload: Vec<u8>,
}

impl Frame {
    /// Its bytes as they are in a ring.
    pub fn encode(&self, crc: CrcMode) -> Vec<u8> {
        let kinds = [Kind::Request, Kind::Reply, Kind::Error, Kind::OneWay, Kind::Control];
        let code = if self.code == u8::MAX { u16::MAX } else { u16::from(self.code) };
        let options = Options {
            budget_us: self.budget_us.map(u64::from),
            total_len: self.total_len.map(u64::from),
            trace: None,
            window: self.window.and_then(|window| NonZeroU32::new(window.into())),
            unpacked_len: self.unpacked_len.and_then(|len| NonZeroU32::new(len.into())),
            replayed: self.replayed.map(u64::from),
        };
        let block = options.encode();
        let payload = [block.as_bytes(), &self.payload].concat();
        let id = id::join(u32::from(self.id.0), u32::from(self.id.1));
        let header = Header::new(kinds[usize::from(self.kind) % kinds.len()], code, id)
            .with_more(self.more)
            .with_options(options != Options::default())
            .with_len(payload.len());
        let words = header.sealed(crc, &[&payload]).map(u64::to_le_bytes);
        let mut bytes = [words.as_flattened(), &payload].concat();
        bytes.resize((HEADER_LEN + payload.len()).next_multiple_of(8), 0);
        bytes
    }
}
