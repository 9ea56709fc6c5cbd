//! Two engines, a server's and a client's, that a test drives by itself.

#![allow(dead_code, reason = "each test uses a part of it")]

use std::path::PathBuf;
use std::time::{Duration, Instant};

use ipc_core::{
    Body, BufferId, Code, Codec, Corrupt, Draft, Engine, Error, Event, HEADER_LEN, Host, Kind,
    Lane, LinkId, ListenOptions, Message, Options, Overflow, Readiness, id_and_len, take_frame,
};

/// Keeps the messages and events it received.
#[derive(Default)]
pub struct Side {
    pub links: Vec<LinkId>,
    pub messages: Vec<(LinkId, u64)>,
    /// Of those that came as one frame.
    pub payloads: Vec<Vec<u8>>,
    pub closed: Vec<(LinkId, Option<Code>)>,
    pub abandoned: Vec<u64>,
    /// Requests of its own that ended without an answer.
    pub ended: Vec<(u64, Code)>,
    /// It takes nothing.
    pub is_full: bool,
    /// It takes no requests and no one-way messages.
    pub is_busy: bool,
    /// Memory for messages that are alike; none is offered if it is empty.
    pub room: Vec<u8>,
    /// How many came there, and what lay behind their payloads.
    pub alike: usize,
    pub behind: Vec<u8>,
}

impl Host for Side {
    fn readiness(&mut self, _: LinkId) -> Readiness {
        match (self.is_full, self.is_busy) {
            (true, _) => Readiness::Nothing,
            (false, true) => Readiness::Answers,
            (false, false) => Readiness::All,
        }
    }

    fn accepts_packed(&mut self, _: LinkId, _: &str) -> bool {
        true
    }

    fn message(&mut self, link: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut payload = Vec::new();
        body.append_to(&mut payload)?;
        self.payloads.push(payload);
        self.messages.push((link, message.id));
        Ok(())
    }

    fn room_for_alike(&mut self, _: LinkId, _: &Message, len: usize) -> Option<&mut [u8]> {
        self.room.get_mut(..len)
    }

    fn received_alike(&mut self, link: LinkId, _: &Message, len: usize) {
        let mut frames = &self.room[..len];
        while let Some((id, payload)) = take_frame(&mut frames) {
            self.payloads.push(payload.to_vec());
            self.messages.push((link, id));
            self.alike += 1;
        }
        let mut rest = &self.room[..len];
        while let Some((header, behind)) = rest.split_first_chunk::<HEADER_LEN>() {
            let end = HEADER_LEN + id_and_len(header).1;
            self.behind.extend(&rest[end..end.next_multiple_of(8)]);
            rest = &behind[end.next_multiple_of(8) - HEADER_LEN..];
        }
    }

    fn open(&mut self, _: LinkId, _: &Message) -> BufferId {
        BufferId(0)
    }

    fn fill(&mut self, _: BufferId, _: usize, body: Body<'_>) -> Result<(), Corrupt> {
        body.append_to(&mut Vec::new())
    }

    fn finish(&mut self, link: LinkId, message: &Message, _: BufferId) {
        self.messages.push((link, message.id));
    }

    fn discard(&mut self, _: BufferId) {}

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Connected { link, .. } | Event::Accepted { link, .. } => self.links.push(link),
            Event::Closed { link, error, .. } => {
                self.closed.push((link, error.map(|error| error.code())));
            }
            Event::Abandoned { id, .. } => self.abandoned.push(id),
            Event::Ended { id, ending, .. } => self.ended.push((id, Error::from(ending).code())),
            _ => {}
        }
    }
}

/// A server's engine and a client's, both driven by this thread.
pub struct Pair {
    pub server: Engine,
    pub client: Engine,
    pub serving: Side,
    pub asking: Side,
    pub options: Options,
}

impl Pair {
    /// With so many connections between the two.
    pub fn connected(name: &str, connections: usize) -> Self {
        Self::connected_with(name, connections, |_| ())
    }

    /// The same with other options.
    pub fn connected_with(
        name: &str,
        connections: usize,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        Self::serving(name, connections, &ListenOptions::default(), change)
    }

    /// The same with options of the server besides.
    pub fn serving(
        name: &str,
        connections: usize,
        listen: &ListenOptions,
        change: impl FnOnce(&mut Options),
    ) -> Self {
        let directory = std::env::temp_dir().join(format!("ringpost-host-{}", std::process::id()));
        let mut options = Options { directory: Some(directory.join(name)), ..Options::default() };
        options.bounds.overflow = [Overflow::Wait(Duration::MAX); Lane::ALL.len()];
        change(&mut options);
        std::fs::create_dir_all(&directory).unwrap();
        let (mut server, client) = (Engine::new().unwrap(), Engine::new().unwrap());
        server.listen("host", &options, listen).unwrap();
        let (serving, asking) = (Side::default(), Side::default());
        let mut pair = Self { server, client, serving, asking, options };
        for count in 1..=connections {
            pair.client.connect("host", &pair.options, Duration::from_secs(5)).unwrap();
            pair.drive_until("connected", |pair| {
                pair.asking.links.len() == count && pair.serving.links.len() == count
            });
        }
        pair
    }

    pub fn drive_until(&mut self, what: &str, is_so: impl Fn(&Self) -> bool) {
        let until = Instant::now() + Duration::from_secs(10);
        while !is_so(self) {
            assert!(Instant::now() < until, "never {what}");
            self.client.drive(&mut self.asking);
            self.server.drive(&mut self.serving);
        }
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(self.options.directory.as_ref().unwrap_or(&PathBuf::new())));
    }
}

pub fn draft(kind: Kind, code: u32, id: u64) -> Draft {
    Draft {
        kind,
        lane: Lane::Normal,
        codec: Codec::Bytes,
        code,
        id,
        timeout: None,
        trace: None,
        replayed: None,
        window: None,
        compress: false,
    }
}

/// Asks, and has the other side take the request.
pub fn ask(engine: &mut Engine, link: LinkId, id: u64) {
    let code = engine.code("ask").unwrap();
    engine.send(link, &draft(Kind::Request, code, id), &[]).unwrap();
    engine.flush();
}
