//! Connecting to servers that are not there yet, or not any more.

use std::os::fd::AsFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use ipc_core::{
    Body, BufferId, Code, Corrupt, Dialing, Engine, Error, Event, Host, LinkId, ListenOptions,
    ListenerId, Message, Options,
};
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::net::{
    AddressFamily, SocketAddrUnix, SocketFlags, SocketType, accept, bind, listen, socket_with,
};

const LONG: Duration = Duration::from_secs(60);
const PATIENT: Dialing = Dialing { timeout: LONG, attempt_timeout: LONG, insists: true };

/// Remembers what became of its links.
#[derive(Default)]
struct Side {
    connected: Vec<LinkId>,
    closed: Vec<(LinkId, Option<Error>)>,
}

impl Host for Side {
    fn message(&mut self, _: LinkId, _: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        body.append_to(&mut Vec::new())
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
        match event {
            Event::Connected { link, .. } => self.connected.push(link),
            Event::Closed { link, error, .. } => self.closed.push((link, error)),
            _ => {}
        }
    }
}

/// A client's engine, and a place to meet servers.
struct Scene {
    engine: Engine,
    side: Side,
    directory: PathBuf,
}

impl Scene {
    fn new(name: &str) -> Self {
        let process = std::process::id();
        let directory = std::env::temp_dir().join(format!("ringpost-dialing-{process}-{name}"));
        let _ = std::fs::remove_dir_all(&directory);
        Self { engine: Engine::new().unwrap(), side: Side::default(), directory }
    }

    fn options(&self) -> Options {
        Options { directory: Some(self.directory.clone()), ..Options::default() }
    }

    fn dial(&mut self, name: &str, dialing: Dialing) -> LinkId {
        let options = self.options();
        self.engine.dial(name, &options, dialing).unwrap()
    }

    fn serve(&self, name: &str) -> (Engine, ListenerId) {
        let mut server = Engine::new().unwrap();
        let listener = server.listen(name, &self.options(), &ListenOptions::default()).unwrap();
        (server, listener)
    }

    /// Drives the client, which sleeps in between, and the servers until it is so.
    fn until(&mut self, servers: &mut [&mut Engine], is_so: impl Fn(&Side) -> bool) {
        let start = Instant::now();
        while !is_so(&self.side) {
            assert!(start.elapsed() < LONG, "it did not come about: {:?}", self.side.closed);
            for server in &mut *servers {
                server.drive(&mut Side::default());
                server.flush();
            }
            self.turn(Duration::from_millis(5));
        }
    }

    /// One turn, after sleeping as long as there is nothing to do. Returns whether it was woken.
    fn turn(&mut self, longest: Duration) -> bool {
        let woken = !self.engine.arm() || sleeps_until_woken(&self.engine, longest);
        self.engine.drive(&mut self.side);
        self.engine.flush();
        woken
    }
}

fn sleeps_until_woken(engine: &Engine, longest: Duration) -> bool {
    let fd = engine.as_fd();
    let mut set = [PollFd::new(&fd, PollFlags::IN)];
    let limit = Timespec { tv_sec: 0, tv_nsec: longest.subsec_nanos().into() };
    poll(&mut set, Some(&limit)).unwrap() > 0
}

impl Drop for Scene {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn code(closed: &(LinkId, Option<Error>)) -> Option<Code> {
    closed.1.as_ref().map(Error::code)
}

#[test]
fn a_server_that_comes_is_found() {
    let mut scene = Scene::new("comes");
    std::fs::create_dir(&scene.directory).unwrap();
    make_private(&scene.directory);
    let link = scene.dial("late", PATIENT);
    for _ in 0..50 {
        scene.turn(Duration::from_millis(1));
    }
    let (mut server, _) = scene.serve("late");
    scene.until(&mut [&mut server], |side| side.connected == [link]);
}

#[test]
fn its_directory_may_be_missing_and_may_be_removed_meanwhile() {
    let mut scene = Scene::new("missing");
    let link = scene.dial("late", PATIENT);
    scene.turn(Duration::from_millis(1));
    drop(scene.serve("another"));
    for _ in 0..20 {
        scene.turn(Duration::from_millis(1));
    }
    std::fs::remove_dir_all(&scene.directory).unwrap();
    for _ in 0..20 {
        scene.turn(Duration::from_millis(1));
    }
    let (mut server, _) = scene.serve("late");
    scene.until(&mut [&mut server], |side| side.connected == [link]);
}

#[test]
fn a_server_that_takes_its_time_between_its_name_and_listening_is_found() {
    let mut scene = Scene::new("stalls");
    std::fs::create_dir(&scene.directory).unwrap();
    make_private(&scene.directory);
    scene.dial("late", PATIENT);
    let address = SocketAddrUnix::new(scene.directory.join("late.sock")).unwrap();
    let (family, flags) = (AddressFamily::UNIX, SocketFlags::CLOEXEC | SocketFlags::NONBLOCK);
    let server = socket_with(family, SocketType::STREAM, flags, None).unwrap();
    bind(&server, &address).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_secs(1) {
        scene.turn(Duration::from_millis(50));
    }
    listen(&server, 1).unwrap();
    while accept(&server).is_err() {
        assert!(start.elapsed() < LONG, "it is asleep, and nothing will wake it up");
        scene.turn(Duration::from_millis(50));
    }
}

#[test]
fn waiting_for_a_server_wakes_nobody_in_the_end() {
    let mut scene = Scene::new("quiet");
    std::fs::create_dir(&scene.directory).unwrap();
    make_private(&scene.directory);
    scene.dial("late", PATIENT);
    // After a few attempts there is nothing to do but to watch.
    let start = Instant::now();
    let mut quiet = 0;
    while quiet < 3 {
        assert!(start.elapsed() < LONG, "it wakes up again and again");
        quiet = if scene.turn(Duration::from_millis(500)) { 0 } else { quiet + 1 };
    }
    // Others that come concern nobody who waits for this one.
    let other = scene.serve("other");
    scene.turn(Duration::from_millis(500));
    assert!(!scene.turn(Duration::from_millis(500)));
    drop(other);
}

#[test]
fn it_is_given_up_with_the_reason_of_the_last_attempt() {
    let mut scene = Scene::new("given-up");
    let link = scene.dial("late", Dialing { timeout: Duration::from_millis(30), ..PATIENT });
    scene.until(&mut [], |side| !side.closed.is_empty());
    assert_eq!(scene.side.closed[0].0, link);
    assert_eq!(code(&scene.side.closed[0]), Some(Code::NoServer));
}

#[test]
fn what_has_come_of_the_last_attempt_is_the_reason_also_if_its_time_is_over() {
    let mut scene = Scene::new("last");
    std::fs::create_dir(&scene.directory).unwrap();
    make_private(&scene.directory);
    let path = scene.directory.join("last.sock");
    let full = UnixListener::bind(&path).unwrap();
    listen(&full, 0).unwrap();
    let _waiting = UnixStream::connect(&path).unwrap();
    let timeout = Duration::from_millis(20);
    scene.dial("last", Dialing { timeout, attempt_timeout: LONG, insists: false });
    scene.engine.drive(&mut scene.side);
    drop(full);
    std::thread::sleep(timeout);
    scene.until(&mut [], |side| !side.closed.is_empty());
    let error = scene.side.closed[0].1.as_ref().unwrap();
    assert_eq!(error.code(), Code::NoServer, "{error}");
    assert!(error.to_string().contains("; tried for "), "{error}");
}

#[test]
fn a_refusal_that_will_not_change_ends_it_and_another_does_not() {
    let mut scene = Scene::new("refused");
    let mut server = Engine::new().unwrap();
    let guarded = Options { token: Some(b"right".to_vec()), ..scene.options() };
    server.listen("guarded", &guarded, &ListenOptions::default()).unwrap();
    let full = ListenOptions { connections_max: 1, ..ListenOptions::default() };
    server.listen("full", &scene.options(), &full).unwrap();

    let refused = scene.dial("guarded", PATIENT);
    scene.until(&mut [&mut server], |side| !side.closed.is_empty());
    assert_eq!(scene.side.closed[0].0, refused);
    assert_eq!(code(&scene.side.closed[0]), Some(Code::Token));

    let first = scene.dial("full", PATIENT);
    scene.until(&mut [&mut server], |side| side.connected == [first]);
    let second = scene.dial("full", PATIENT);
    let meek = scene.dial("full", Dialing { insists: false, ..PATIENT });
    scene.until(&mut [&mut server], |side| side.closed.len() == 2);
    assert_eq!(scene.side.closed[1].0, meek);
    assert_eq!(code(&scene.side.closed[1]), Some(Code::TooManyConnections));
    scene.engine.close(first, &mut scene.side);
    scene.until(&mut [&mut server], |side| side.connected.contains(&second));
}

#[test]
fn it_is_closed_while_it_waits() {
    let mut scene = Scene::new("closed");
    let waiting: Vec<_> = (0..10).map(|_| scene.dial("late", PATIENT)).collect();
    scene.turn(Duration::from_millis(1));
    for link in waiting {
        scene.engine.close(link, &mut scene.side);
    }
    assert_eq!(scene.side.closed.len(), 10);
    assert!(scene.side.closed.iter().all(|closed| closed.1.is_none()));
    assert!(scene.engine.links().is_empty());
}

fn make_private(directory: &Path) {
    use std::os::unix::fs::PermissionsExt;
    std::fs::set_permissions(directory, std::fs::Permissions::from_mode(0o700)).unwrap();
}
