//! Two engines driven by one thread.

use std::os::fd::AsFd;
use std::time::Duration;

use ipc_core::{
    Body, BufferId, Code, Codec, Corrupt, Draft, Engine, Event, Host, Kind, Lane, LinkId, Message,
    id,
};

/// One side of a conversation in which the client asks once, gets its answer, and closes.
#[derive(Default)]
pub struct Side {
    pub connected: Option<LinkId>,
    pub asked: Vec<(LinkId, Message, Vec<u8>)>,
    pub answer: Option<Vec<u8>>,
    pub ended: bool,
    pub closed: Vec<Option<Code>>,
    pub listening: bool,
    pub taken_over: bool,
    whole: Vec<u8>,
}

impl Host for Side {
    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut payload = Vec::new();
        body.append_to(&mut payload)?;
        if message.kind == Kind::Request {
            self.asked.push((link, *message, payload));
        } else {
            self.answer = Some(payload);
        }
        Ok(())
    }

    fn open(&mut self, _: LinkId, message: &Message) -> BufferId {
        self.whole = vec![0; message.len];
        BufferId(0)
    }

    fn fill(&mut self, _: BufferId, offset: usize, body: Body<'_>) -> Result<(), Corrupt> {
        let end = offset + body.len();
        body.copy_to(&mut self.whole[offset..end])
    }

    fn finish(&mut self, link: LinkId, message: &Message, _: BufferId) {
        let payload = std::mem::take(&mut self.whole);
        self.asked.push((link, *message, payload));
    }

    fn discard(&mut self, _: BufferId) {}

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Connected { link, .. } | Event::Accepted { link, .. } => {
                self.connected = Some(link);
            }
            Event::Listening { .. } => self.listening = true,
            Event::TakenOver { .. } => self.taken_over = true,
            Event::Ended { .. } => self.ended = true,
            Event::Closed { error, .. } => self.closed.push(error.map(|error| error.code())),
            _ => {}
        }
    }
}

pub fn request(code: u32) -> Draft {
    Draft {
        kind: Kind::Request,
        lane: Lane::Normal,
        codec: Codec::Bytes,
        code,
        id: id::join(0, 1),
        timeout: Some(Duration::from_millis(50)),
        trace: None,
        replayed: None,
        window: None,
        compress: false,
    }
}

/// Answers what was asked with the same bytes.
pub fn answer_all(engine: &mut Engine, side: &mut Side) {
    for (link, message, payload) in side.asked.drain(..) {
        let draft = Draft { kind: Kind::Reply, id: message.id, timeout: None, ..request(0) };
        let _ = engine.send(link, &draft, &payload);
    }
    engine.flush();
}

/// Waits a moment for either engine, as a host would.
pub fn rest(engines: [&Engine; 2]) {
    let mut fds = engines.map(|engine| {
        rustix::event::PollFd::from_borrowed_fd(engine.as_fd(), rustix::event::PollFlags::IN)
    });
    let span = rustix::event::Timespec { tv_sec: 0, tv_nsec: 1_000_000 };
    let _ = rustix::event::poll(&mut fds, Some(&span));
}
