//! What the targets that drive an engine share: an application that answers every request with its
//! own bytes, and counts what it received.

use std::collections::BTreeMap;
use std::path::PathBuf;

use ipc_core::{
    Body, BufferId, Codec, Corrupt, Draft, Engine, Event, Host, Kind, Lane, LinkId, Message,
};

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
    Draft { kind, lane, codec, code, id, timeout: None, trace: None, replayed: None, window: None, compress: false }
}
