//! Whether an engine's peers are there, and leaving them in good order.

use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use ipc_core::{
    Body, BufferId, Code, Codec, Corrupt, Draft, Engine, Event, Host, Kind, Lane, LinkId,
    ListenOptions, ListenerId, Message, Options, Sent, Transport, id,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

const SPAN: Duration = Duration::from_millis(80);

/// Keeps what it received, by name.
#[derive(Default)]
struct Side {
    link: Option<LinkId>,
    events: Vec<&'static str>,
    pongs: Vec<u64>,
    asked: Vec<Message>,
}

impl Host for Side {
    fn message(&mut self, _: LinkId, message: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        body.append_to(&mut Vec::new())?;
        match message.kind {
            Kind::Request => self.asked.push(*message),
            Kind::Reply => self.events.push("reply"),
            _ => self.events.push("message"),
        }
        Ok(())
    }

    fn open(&mut self, _: LinkId, _: &Message) -> BufferId {
        BufferId(0)
    }

    fn fill(&mut self, _: BufferId, _: usize, body: Body<'_>) -> Result<(), Corrupt> {
        body.append_to(&mut Vec::new())
    }

    fn finish(&mut self, _: LinkId, _: &Message, _: BufferId) {}

    fn discard(&mut self, _: BufferId) {}

    fn event(&mut self, event: Event<'_>) {
        self.events.push(match event {
            Event::Connected { link, .. } | Event::Accepted { link, .. } => {
                self.link = Some(link);
                return;
            }
            Event::Pong { number, .. } => {
                self.pongs.push(number);
                return;
            }
            Event::Unresponsive { .. } => "unresponsive",
            Event::Responsive { .. } => "responsive",
            Event::Leaving { .. } => "leaving",
            Event::Idle { .. } => "idle",
            Event::Closed { .. } => "closed",
            Event::Retired { .. } => "retired",
            _ => return,
        });
    }
}

/// A server's engine and a client's, each driven by the test alone.
struct Pair {
    server: Engine,
    client: Engine,
    serving: Side,
    asking: Side,
    directory: std::path::PathBuf,
}

impl Pair {
    fn connected(name: &str) -> Self {
        let (mut pair, _) = Self::connecting(name);
        pair.both_until(|pair| pair.asking.link.is_some() && pair.serving.link.is_some());
        pair
    }

    /// The same before either has been driven.
    fn connecting(name: &str) -> (Self, ListenerId) {
        Self::connecting_over(name, None)
    }

    fn over_a_socket(name: &str) -> Self {
        let (mut pair, _) = Self::connecting_over(name, Some(Transport::Socket));
        pair.both_until(|pair| pair.asking.link.is_some() && pair.serving.link.is_some());
        pair
    }

    fn connecting_over(name: &str, transport: Option<Transport>) -> (Self, ListenerId) {
        let process = std::process::id();
        let directory = std::env::temp_dir().join(format!("ringpost-liveness-{process}-{name}"));
        let chosen = Some(directory.clone());
        let mut options = Options { directory: chosen, transport, ..Options::default() };
        options.bounds.unresponsive_after = SPAN;
        let (mut server, mut client) = (Engine::new().unwrap(), Engine::new().unwrap());
        let listener = server.listen("alive", &options, &ListenOptions::default()).unwrap();
        client.connect("alive", &options, Duration::from_secs(5)).unwrap();
        let (serving, asking) = (Side::default(), Side::default());
        (Self { server, client, serving, asking, directory }, listener)
    }

    fn links(&self) -> (LinkId, LinkId) {
        (self.client_link(), self.serving.link.unwrap())
    }

    fn client_link(&self) -> LinkId {
        self.asking.link.unwrap()
    }

    /// Drives both, as their hosts would.
    fn both_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        self.until(is_so, |pair| {
            pair.server.drive(&mut pair.serving);
            pair.drive_client();
        });
    }

    /// Drives the client alone: the server does not turn.
    fn client_until(&mut self, is_so: impl Fn(&Self) -> bool) {
        self.until(is_so, Self::drive_client);
    }

    fn until(&mut self, is_so: impl Fn(&Self) -> bool, mut act: impl FnMut(&mut Self)) {
        let until = Instant::now() + Duration::from_secs(30);
        while !is_so(self) {
            assert!(Instant::now() < until, "never so: {:?}", self.asking.events);
            act(self);
        }
    }

    fn drive_client(&mut self) {
        self.client.drive(&mut self.asking);
        if self.client.arm() {
            let mut fds = [PollFd::from_borrowed_fd(self.client.as_fd(), PollFlags::IN)];
            let _ = poll(&mut fds, Some(&Timespec { tv_sec: 0, tv_nsec: 1_000_000 }));
        }
    }

    /// Sends the server a one-way message, while this side rests.
    fn tell(&mut self) {
        self.client_until(|pair| !pair.client.is_hot());
        let (link, code) = (self.client_link(), self.client.code("tick").unwrap());
        self.client.send(link, &Draft::one_way(code, Lane::Normal, Codec::Bytes), b"1").unwrap();
        self.client.flush();
        assert!(!self.client.is_hot());
    }

    fn ask(&mut self, slot: u32) -> ipc_core::Result<()> {
        let (link, code) = (self.client_link(), self.client.code("ask").unwrap());
        let draft = Draft::one_way(code, Lane::Normal, Codec::Bytes);
        let draft = Draft { kind: Kind::Request, id: id::join(slot, 1), ..draft };
        let sent = self.client.send(link, &draft, b"?");
        self.client.flush();
        sent.map(drop)
    }

    fn answer(&mut self) {
        let link = self.serving.link.unwrap();
        for message in self.serving.asked.drain(..) {
            self.server.send(link, &Draft::reply(&message, Codec::Bytes), b"!").unwrap();
        }
        self.server.flush();
    }
}

impl Drop for Pair {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.directory));
    }
}

#[test]
fn pings_made_while_one_is_on_its_way_share_the_one_that_follows() {
    let mut pair = Pair::connected("pings");
    let link = pair.client_link();
    let first = pair.client.ping(link).unwrap();
    let second = pair.client.ping(link).unwrap();
    assert_ne!(first, second);
    for _ in 0..10_000 {
        assert_eq!(pair.client.ping(link).unwrap(), second);
    }
    pair.both_until(|pair| pair.asking.pongs.len() == 2);
    assert_eq!(pair.asking.pongs, [first, second]);
    // Both directions are alike.
    let (_, back) = pair.links();
    pair.server.ping(back).unwrap();
    pair.both_until(|pair| pair.serving.pongs.len() == 1);
    assert_eq!(pair.client.ping(LinkId(u32::MAX)).unwrap_err().code(), Code::Closed);
}

#[test]
fn a_peer_that_does_not_turn_is_unresponsive_until_it_reads_again() {
    let mut pair = Pair::connected("unresponsive");
    pair.tell();
    pair.client_until(|pair| !pair.asking.events.is_empty());
    assert_eq!(pair.asking.events, ["unresponsive"]);
    assert!(pair.client.is_unresponsive(pair.client_link()));
    // Once, however long it takes.
    let later = Instant::now() + 3 * SPAN;
    pair.client_until(|_| Instant::now() > later);
    assert_eq!(pair.asking.events, ["unresponsive"]);
    pair.server.drive(&mut pair.serving);
    pair.client_until(|pair| pair.asking.events.len() == 2);
    assert_eq!(pair.asking.events, ["unresponsive", "responsive"]);
    assert!(!pair.client.is_unresponsive(pair.client_link()));
}

#[test]
fn a_peer_that_leaves_its_lanes_unread_and_turns_is_not_unresponsive() {
    let mut pair = Pair::connected("busy");
    // More than the server takes at once, so that the rest lies in the ring.
    let max = ipc_core::Bounds::DEFAULT.serving_max;
    for slot in 0..max + 10 {
        pair.ask(slot).unwrap();
    }
    let later = Instant::now() + 5 * SPAN;
    pair.both_until(|_| Instant::now() > later);
    assert_eq!(pair.serving.asked.len(), max as usize);
    assert!(pair.asking.events.is_empty(), "{:?}", pair.asking.events);
}

#[test]
fn a_side_that_was_stopped_itself_accuses_nobody() {
    let mut pair = Pair::connected("stopped");
    pair.tell();
    // Long enough for the first of two looks.
    let later = Instant::now() + SPAN * 3 / 4;
    pair.client_until(|_| Instant::now() > later);
    // As for a process that is suspended, or whose handlers compute.
    std::thread::sleep(3 * SPAN);
    pair.client.drive(&mut pair.asking);
    assert!(pair.asking.events.is_empty(), "the peer has had no time since");
    pair.both_until(|pair| pair.serving.events == ["message"]);
    let later = Instant::now() + 2 * SPAN;
    pair.both_until(|_| Instant::now() > later);
    assert!(pair.asking.events.is_empty(), "{:?}", pair.asking.events);
}

#[test]
fn nothing_is_due_once_all_was_read() {
    let mut pair = Pair::connected("quiet");
    pair.tell();
    pair.both_until(|pair| pair.serving.events == ["message"]);
    let later = Instant::now() + 2 * SPAN;
    pair.both_until(|_| Instant::now() > later);
    // Beside what counts lost wake-ups, which ends after a second.
    let far = ipc_core::Time::now() + Duration::from_secs(3600);
    assert!(!pair.client.is_due(far), "an idle engine would wake up");
}

#[test]
fn over_a_socket_a_peer_is_asked_once_what_it_has_read_and_then_nothing_is_due() {
    let mut pair = Pair::over_a_socket("asked");
    pair.tell();
    pair.both_until(|pair| pair.serving.events == ["message"] && !pair.asking.pongs.is_empty());
    let later = Instant::now() + 3 * SPAN;
    pair.both_until(|_| Instant::now() > later);
    assert_eq!((pair.asking.pongs.len(), pair.serving.pongs.len()), (1, 0));
    let far = ipc_core::Time::now() + Duration::from_secs(3600);
    assert!(!pair.client.is_due(far), "an idle engine would wake up");
    assert!(pair.asking.events.is_empty(), "{:?}", pair.asking.events);
}

#[test]
fn over_a_socket_a_peer_that_does_not_turn_is_unresponsive_until_it_does() {
    let mut pair = Pair::over_a_socket("turns");
    pair.tell();
    pair.client_until(|pair| pair.asking.events == ["unresponsive"]);
    pair.both_until(|pair| pair.asking.events == ["unresponsive", "responsive"]);
    assert_eq!(pair.serving.events, ["message"]);
}

#[test]
fn leaving_is_reported_once_and_what_is_in_flight_ends_first() {
    let mut pair = Pair::connected("leaving");
    let (link, back) = pair.links();
    pair.ask(0).unwrap();
    pair.both_until(|pair| pair.serving.asked.len() == 1);
    assert!(pair.server.leave(back) && pair.server.leave(back));
    pair.both_until(|pair| !pair.asking.events.is_empty());
    assert!(pair.client.is_peer_leaving(link) && !pair.server.is_peer_leaving(back));
    pair.client.quiesce(link);
    let refused = pair.ask(1).unwrap_err();
    assert_eq!(refused.code(), Code::Closed);
    assert!(refused.to_string().contains("the peer is leaving"), "{refused}");
    // One-way messages still go.
    pair.tell();
    pair.both_until(|pair| pair.serving.events == ["message"]);
    assert!(!pair.client.is_idle(link));
    assert_eq!(pair.asking.events, ["leaving"]);
    pair.answer();
    pair.both_until(|pair| pair.asking.events.len() == 3);
    assert_eq!(pair.asking.events, ["leaving", "reply", "idle"]);
    assert!(pair.client.is_idle(link));
    pair.client.close(link, &mut pair.asking);
    pair.both_until(|pair| pair.serving.events.contains(&"closed"));
}

#[test]
fn an_idle_link_is_reported_at_once_and_again_when_asked_again() {
    let mut pair = Pair::connected("idle");
    let link = pair.client_link();
    for count in 1..4 {
        pair.client.quiesce(link);
        pair.both_until(|pair| pair.asking.events.len() == count);
        assert_eq!(pair.asking.events[count - 1], "idle");
    }
    let refused = pair.ask(0).unwrap_err();
    assert!(refused.to_string().contains("this side is leaving"), "{refused}");
    pair.client.close(link, &mut pair.asking);
    pair.both_until(|pair| pair.serving.events == ["closed"]);
}

#[test]
fn who_leaves_at_once_says_so_behind_all_that_has_waited() {
    let mut pair = Pair::connected("at once");
    let (link, back) = pair.links();
    let code = pair.server.code("tick").unwrap();
    let draft = Draft::one_way(code, Lane::Normal, Codec::Bytes);
    let mut sent = vec![Sent::Written];
    while *sent.last().unwrap() == Sent::Written || sent.len() % 100 != 0 {
        sent.push(pair.server.send(back, &draft, &[1; 60_000]).unwrap());
    }
    pair.server.leave_now(back, &mut pair.serving);
    let has = |pair: &Pair, what| pair.asking.events.contains(&what);
    pair.until(
        |pair| has(pair, "closed") && !pair.server.is_open(back),
        |pair| {
            pair.server.drive(&mut pair.serving);
            // It reads all there is before the server writes on, and closes where it may.
            for _ in 0..100 {
                pair.client.drive(&mut pair.asking);
                if has(pair, "leaving") && pair.client.is_idle(link) {
                    pair.client.close(link, &mut pair.asking);
                }
            }
        },
    );
    let messages = pair.asking.events.iter().filter(|event| **event == "message").count();
    assert_eq!(messages, sent.len() - 1);
    assert!(has(&pair, "leaving"));
    assert_eq!(pair.serving.events, ["closed"]);
}

#[test]
fn who_closes_a_connection_does_not_leave() {
    let mut pair = Pair::connected("no farewell");
    let (_, back) = pair.links();
    pair.server.close(back, &mut pair.serving);
    pair.both_until(|pair| !pair.asking.events.is_empty());
    assert_eq!(pair.asking.events, ["closed"]);
}

#[test]
fn a_listener_is_retired_behind_the_last_client_it_has_let_in() {
    let (mut pair, listener) = Pair::connecting("retired");
    // The client was sent WELCOME, and has not read it.
    pair.client.drive(&mut pair.asking);
    (0..10).for_each(|_| _ = pair.server.drive(&mut pair.serving));
    pair.server.retire_listener(listener, &mut pair.serving);
    assert_eq!(pair.serving.events, [""; 0]);
    pair.both_until(|pair| !pair.serving.events.is_empty());
    assert_eq!(pair.serving.events, ["retired"]);
    assert!(pair.serving.link.is_some(), "it comes behind the connection");
    pair.ask(0).unwrap();
    pair.both_until(|pair| pair.serving.asked.len() == 1);
    pair.server.retire_listener(listener, &mut pair.serving);
    assert_eq!(pair.serving.events, ["retired"; 2], "and at once where there is none");
}

#[test]
fn a_listener_is_retired_also_if_who_was_let_in_is_gone() {
    let (mut pair, listener) = Pair::connecting("let in and gone");
    pair.client.drive(&mut pair.asking);
    (0..10).for_each(|_| _ = pair.server.drive(&mut pair.serving));
    pair.server.retire_listener(listener, &mut pair.serving);
    pair.client = Engine::new().unwrap();
    pair.both_until(|pair| pair.serving.events == ["retired"]);
    assert!(pair.serving.link.is_none());
}
