//! Files of servers that are touched while they serve.

use std::fs;
use std::os::unix::net::UnixStream;
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ipc_core::{Code, Engine, Event, Host, LinkId, ListenOptions, Options, Transport};

use super::engines::{Side, rest};
use super::{Meeting, alone};

/// A server and the events it received.
struct Serving {
    engine: Engine,
    side: Watching,
    options: Options,
    directory: PathBuf,
}

/// Also remembers the loss of the name.
#[derive(Default)]
struct Watching {
    side: Side,
    lost: Vec<Code>,
}

impl Host for Watching {
    fn message(
        &mut self,
        link: LinkId,
        message: &ipc_core::Message,
        body: ipc_core::Body<'_>,
    ) -> Result<(), ipc_core::Corrupt> {
        self.side.message(link, message, body)
    }

    fn open(&mut self, link: LinkId, message: &ipc_core::Message) -> ipc_core::BufferId {
        self.side.open(link, message)
    }

    fn fill(
        &mut self,
        buffer: ipc_core::BufferId,
        offset: usize,
        body: ipc_core::Body<'_>,
    ) -> Result<(), ipc_core::Corrupt> {
        self.side.fill(buffer, offset, body)
    }

    fn finish(&mut self, link: LinkId, message: &ipc_core::Message, buffer: ipc_core::BufferId) {
        self.side.finish(link, message, buffer);
    }

    fn discard(&mut self, buffer: ipc_core::BufferId) {
        self.side.discard(buffer);
    }

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::ListenerLost { error, .. } => self.lost.push(error.code()),
            event => self.side.event(event),
        }
    }
}

impl Serving {
    fn new(meeting: &Meeting) -> Self {
        let options = meeting.options(Transport::Sealed);
        let mut engine = Engine::new().unwrap();
        engine.listen("server", &options, &ListenOptions::default()).unwrap();
        let directory = meeting.0.clone();
        Self { engine, side: Watching::default(), options, directory }
    }

    fn path(&self, file: &str) -> PathBuf {
        self.directory.join(file)
    }

    /// Sleeps and wakes as a host does, until it is so.
    fn until(&mut self, what: &str, mut is_so: impl FnMut(&mut Self) -> bool) {
        let since = Instant::now();
        while !is_so(self) {
            assert!(since.elapsed() < Duration::from_secs(10), "never {what}");
            self.engine.drive(&mut self.side);
            if self.engine.arm() {
                rest([&self.engine, &self.engine]);
            }
        }
    }

    /// A client connects, after as many attempts as it takes.
    fn is_reached(&mut self) {
        let (mut client, mut asking) = (Engine::new().unwrap(), Side::default());
        let mut link = None;
        self.until("reached", |this| {
            link = link
                .or_else(|| client.connect("server", &this.options, Duration::from_secs(10)).ok());
            client.drive(&mut asking);
            asking.connected.is_some()
        });
    }
}

#[test]
fn a_server_whose_files_are_removed_is_found_again() {
    let _alone = alone();
    let meeting = Meeting::new("cleaned");
    let mut serving = Serving::new(&meeting);
    let (lock, socket) = (serving.path("server.lock"), serving.path("server.sock"));
    serving.is_reached();
    for files in [vec![&socket], vec![&lock], vec![&lock, &socket]] {
        for file in &files {
            fs::remove_file(file).unwrap();
        }
        serving.until("put back", |_| lock.exists() && socket.exists());
        serving.is_reached();
    }
    fs::remove_dir_all(&serving.directory).unwrap();
    serving.until("put back", |_| lock.exists() && socket.exists());
    serving.is_reached();
    // Moved away as a whole, and files that others were moved to.
    let elsewhere = serving.path("").with_extension("moved");
    fs::rename(&serving.directory, &elsewhere).unwrap();
    serving.until("put back", |_| lock.exists() && socket.exists());
    fs::remove_dir_all(elsewhere).unwrap();
    serving.is_reached();
    fs::write(serving.path("other"), "").unwrap();
    fs::rename(serving.path("other"), &lock).unwrap();
    serving.is_reached();
    serving.until("its own again", |this| {
        fs::read(&lock).is_ok_and(|found| found == b"ringpost\n") && this.side.lost.is_empty()
    });
}

#[test]
fn clients_waiting_at_a_removed_socket_are_accepted() {
    let _alone = alone();
    let meeting = Meeting::new("queue-removed");
    let mut serving = Serving::new(&meeting);
    let (mut client, mut asking) = (Engine::new().unwrap(), Side::default());
    let options = serving.options.clone();
    client.connect("server", &options, Duration::from_secs(10)).unwrap();
    fs::remove_file(serving.path("server.sock")).unwrap();
    serving.until("let in", |_| {
        client.drive(&mut asking);
        asking.connected.is_some()
    });
}

#[test]
fn a_server_reports_that_another_has_taken_its_name() {
    let _alone = alone();
    let meeting = Meeting::new("taken-over");
    let mut old = Serving::new(&meeting);
    old.is_reached();
    for file in ["server.lock", "server.sock"] {
        fs::remove_file(old.path(file)).unwrap();
    }
    let mut young = Serving::new(&meeting);
    old.until("reported", |old| !old.side.lost.is_empty());
    assert_eq!(old.side.lost, [Code::NameInUse]);
    young.is_reached();
    drop(old);
    young.is_reached();
    let again = Engine::new().unwrap().listen("server", &young.options, &ListenOptions::default());
    assert_eq!(again.err().unwrap().code(), Code::NameInUse);
}

#[test]
fn a_name_whose_file_another_process_took_is_lost() {
    let _alone = alone();
    let meeting = Meeting::new("squatted");
    let mut serving = Serving::new(&meeting);
    fs::remove_dir_all(&serving.directory).unwrap();
    fs::write(&serving.directory, "").unwrap();
    serving.until("reported", |serving| !serving.side.lost.is_empty());
    assert_eq!(serving.side.lost, [Code::UnsafeDirectory]);
    fs::remove_file(&serving.directory).unwrap();
}

#[test]
fn a_server_that_is_left_alone_sleeps() {
    let _alone = alone();
    let meeting = Meeting::new("sleeps");
    let mut serving = Serving::new(&meeting);
    serving.until("asleep", |this| this.engine.arm());
    // What others do beside it is none of its affair.
    for number in 0..50 {
        let mut other = Engine::new().unwrap();
        other.listen(&format!("s{number}"), &serving.options, &ListenOptions::default()).unwrap();
    }
    let socket = UnixStream::connect(serving.path("server.sock")).unwrap();
    drop(socket);
    serving.until("asleep", |this| this.engine.arm());
    let since = Instant::now();
    let mut wakings = 0;
    while since.elapsed() < Duration::from_millis(300) {
        rest([&serving.engine, &serving.engine]);
        wakings += u32::from(serving.engine.drive(&mut serving.side));
    }
    assert!(wakings < 10, "woken {wakings} times for nothing");
}

#[test]
fn the_next_attempt_to_connect_removes_leftovers() {
    let _alone = alone();
    let meeting = Meeting::new("left");
    let options = meeting.options(Transport::Sealed);
    let directory = &meeting.0;
    drop(Serving::new(&meeting));
    for name in ["one", "two"] {
        fs::write(directory.join(format!("{name}.lock")), "ringpost\n").unwrap();
        fs::write(directory.join(format!("{name}.status")), "").unwrap();
        drop(std::os::unix::net::UnixListener::bind(directory.join(format!("{name}.sock"))));
    }
    let mut client = Engine::new().unwrap();
    let failed = client.connect("three", &options, Duration::from_secs(1)).err().unwrap();
    assert_eq!(failed.code(), Code::NoServer);
    assert!(failed.to_string().contains(&directory.display().to_string()), "{failed}");
    assert_eq!(fs::read_dir(directory).unwrap().count(), 0);
    assert_eq!(client.stats().servers_reclaimed, 2);
    // A client alone makes no directory.
    fs::remove_dir(directory).unwrap();
    let failed = client.connect("three", &options, Duration::from_secs(1)).err().unwrap();
    assert_eq!(failed.code(), Code::NoServer);
    assert!(!directory.exists());
}
