//! Names that are handed over, by servers and to servers that die, fail or lie in the middle of it.

use std::fs::{self, File};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::PathBuf;
use std::time::{Duration, Instant};

use ipc_core::testing::{Handover, Reject, TakeOver, control, faults};
use ipc_core::{Code, Engine, ListenOptions, Options, Transport};
use rustix::fs::FlockOperation;

use super::calls::fail_each_call;
use super::engines::{Side, rest};
use super::malicious_peer::{hello, is_hung_up, receive, send_frame};
use super::{Meeting, alone};

/// Long enough for whatever has to happen on a busy machine.
const BOUND: Duration = Duration::from_secs(60);

/// Drives in which calls fail at most: what is tried again goes well after them.
const DRIVES_FAILING: u32 = 100;

/// An engine with its host.
struct Serving(Engine, Side);

impl Serving {
    fn idle() -> Self {
        Self(Engine::new().unwrap(), Side::default())
    }

    fn listening(options: &Options, listen: &ListenOptions) -> Self {
        let mut this = Self::idle();
        this.0.listen("server", options, listen).unwrap();
        this
    }

    fn taking_over(options: &Options) -> Self {
        let mut this = Self::idle();
        this.0.take_over("server", options, &ListenOptions::default()).unwrap();
        this
    }

    fn drive(&mut self) {
        self.0.drive(&mut self.1);
    }
}

/// Drives both until it is so.
fn until(
    what: &str,
    one: &mut Serving,
    other: &mut Serving,
    mut is_so: impl FnMut(&mut Serving, &mut Serving) -> bool,
) {
    let end = Instant::now() + BOUND;
    while !is_so(one, other) {
        assert!(Instant::now() < end, "never {what}");
        one.drive();
        other.drive();
        if one.0.arm() & other.0.arm() {
            rest([&one.0, &other.0]);
        }
    }
}

/// Hands over from one to the other.
fn hand_over(old: &mut Serving, options: &Options) -> Serving {
    let mut young = Serving::taking_over(options);
    until("handed over", old, &mut young, |old, young| young.1.listening && old.1.taken_over);
    young
}

/// A client connects to whichever of the two accepts it.
fn is_reached(one: &mut Serving, other: &mut Serving, options: &Options) {
    let mut client = Serving::idle();
    client.0.connect("server", options, BOUND).unwrap();
    until("reached", one, other, |_, _| {
        client.drive();
        client.1.connected.is_some()
    });
}

fn options(meeting: &Meeting) -> Options {
    meeting.options(Transport::Sealed)
}

fn files(meeting: &Meeting) -> usize {
    fs::read_dir(&meeting.0).unwrap().count()
}

/// What a server sends that a new one has asked, and its rejection.
fn answer(socket: &UnixStream, old: &mut Serving) -> Result<Vec<OwnedFd>, Code> {
    let end = Instant::now() + BOUND;
    loop {
        old.drive();
        if let Some((code, payload, descriptors)) = receive(socket) {
            return match code {
                control::HANDOVER => Ok(descriptors),
                _ => Err(Reject::decode(&payload).unwrap().code),
            };
        }
        assert!(Instant::now() < end, "no answer");
    }
}

/// A new server that plays by its own rules.
fn ask(meeting: &Meeting) -> UnixStream {
    let socket = UnixStream::connect(meeting.0.join("server.sock")).unwrap();
    let request = TakeOver::new(Vec::new()).encode();
    send_frame(&socket, control::TAKE_OVER, &request, &[]);
    socket
}

#[test]
fn files_go_with_the_server_that_has_the_name() {
    let _alone = alone();
    let meeting = Meeting::new("handed-over");
    let options = options(&meeting);
    let mut old = Serving::listening(&options, &ListenOptions::default());
    let mut young = hand_over(&mut old, &options);
    is_reached(&mut young, &mut old, &options);
    drop(old);
    assert_eq!(files(&meeting), 3);
    let mut other = Serving::idle();
    is_reached(&mut young, &mut other, &options);
    let listening = other.0.listen("server", &options, &ListenOptions::default());
    assert_eq!(listening.err().unwrap().code(), Code::NameInUse);
    drop(young);
    assert_eq!(files(&meeting), 0);
}

#[test]
fn a_server_that_has_its_connections_hands_over_all_the_same() {
    let _alone = alone();
    let meeting = Meeting::new("full");
    let options = options(&meeting);
    let listen = ListenOptions { connections_max: 1, ..ListenOptions::default() };
    let mut old = Serving::listening(&options, &listen);
    let mut other = Serving::idle();
    let mut client = Serving::idle();
    client.0.connect("server", &options, BOUND).unwrap();
    until("full", &mut old, &mut client, |old, _| old.1.connected.is_some());
    let mut refused = Serving::idle();
    refused.0.connect("server", &options, BOUND).unwrap();
    until("refused", &mut old, &mut refused, |_, refused| !refused.1.closed.is_empty());
    assert_eq!(refused.1.closed, [Some(Code::TooManyConnections)]);
    let mut young = hand_over(&mut old, &options);
    is_reached(&mut young, &mut other, &options);
}

#[test]
fn one_engine_hands_over_to_itself() {
    let _alone = alone();
    let meeting = Meeting::new("itself");
    let options = options(&meeting);
    let mut both = Serving::listening(&options, &ListenOptions::default());
    for _ in 0..3 {
        (both.1.listening, both.1.taken_over) = (false, false);
        both.0.take_over("server", &options, &ListenOptions::default()).unwrap();
        let mut other = Serving::idle();
        until("handed over", &mut both, &mut other, |both, _| {
            both.1.listening && both.1.taken_over
        });
        is_reached(&mut both, &mut other, &options);
    }
    drop(both);
    assert_eq!(files(&meeting), 0);
}

#[test]
fn clients_that_had_come_before_are_in_when_the_name_is_reported_as_gone() {
    let _alone = alone();
    let meeting = Meeting::new("unfinished");
    let options = options(&meeting);
    let listen = ListenOptions { hello_timeout: BOUND, ..ListenOptions::default() };
    let mut old = Serving::listening(&options, &listen);
    let slow = UnixStream::connect(meeting.0.join("server.sock")).unwrap();
    old.drive();
    let mut young = Serving::taking_over(&options);
    until("listening", &mut old, &mut young, |_, young| young.1.listening);
    for _ in 0..10 {
        old.drive();
    }
    assert!(!old.1.taken_over);
    send_frame(&slow, control::HELLO, &hello(Transport::Sealed).encode(), &[]);
    until("welcomed", &mut old, &mut young, |_, _| receive(&slow).is_some());
    assert!(!old.1.taken_over && old.1.connected.is_none());
    send_frame(&slow, control::READY, &[], &[]);
    until("in", &mut old, &mut young, |old, _| old.1.taken_over);
    assert!(old.1.connected.is_some() && young.1.connected.is_none());
}

/// A new server takes the name while a client is half in, and the old one reads that in one turn with
/// what happens behind it. Returns the client, and the socket, which is the new server's by then.
fn take_in_one_turn(
    old: &mut Serving,
    meeting: &Meeting,
    behind: impl FnOnce(),
) -> (UnixStream, UnixListener) {
    let half_in = UnixStream::connect(meeting.0.join("server.sock")).unwrap();
    old.drive();
    let young = ask(meeting);
    let lent = answer(&young, old).unwrap();
    // What was ready before would be reported first.
    while old.0.drive(&mut old.1) {}
    send_frame(&young, control::READY, &[], &[]);
    behind();
    old.drive();
    assert!(!old.1.taken_over);
    (half_in, lent.into_iter().next().unwrap().into())
}

#[test]
fn a_client_that_comes_in_the_turn_in_which_a_name_is_taken_is_the_new_servers() {
    let _alone = alone();
    let meeting = Meeting::new("client-in-turn");
    let listen = ListenOptions { hello_timeout: BOUND, ..ListenOptions::default() };
    let mut old = Serving::listening(&options(&meeting), &listen);
    let mut client = None;
    let (_half_in, listener) = take_in_one_turn(&mut old, &meeting, || {
        client = UnixStream::connect(meeting.0.join("server.sock")).ok();
    });
    assert!(listener.accept().is_ok(), "the old server has accepted it");
}

#[test]
fn files_that_are_touched_in_the_turn_in_which_a_name_is_taken_are_the_new_servers() {
    let _alone = alone();
    let meeting = Meeting::new("files-in-turn");
    let listen = ListenOptions { hello_timeout: BOUND, ..ListenOptions::default() };
    let mut old = Serving::listening(&options(&meeting), &listen);
    let path = meeting.0.join("server.sock");
    let _taken = take_in_one_turn(&mut old, &meeting, || fs::remove_file(&path).unwrap());
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(500) {
        old.drive();
    }
    assert!(!path.exists(), "the old server has put it back");
}

#[test]
fn a_new_server_that_does_not_confirm_loses_its_chance() {
    let _alone = alone();
    let meeting = Meeting::new("unconfirmed");
    let options = options(&meeting);
    let listen =
        ListenOptions { ready_timeout: Duration::from_millis(50), ..ListenOptions::default() };
    let mut old = Serving::listening(&options, &listen);
    let lazy = ask(&meeting);
    assert_eq!(answer(&lazy, &mut old).unwrap().len(), 2);
    let mut other = Serving::idle();
    until("withdrawn", &mut old, &mut other, |_, _| {
        receive(&lazy).is_some_and(|(code, ..)| code == control::REJECT)
    });
    assert!(is_hung_up(&lazy));
    is_reached(&mut old, &mut other, &options);
    // One that confirms in time has the name, however late that is read.
    let prompt = ask(&meeting);
    let lent = answer(&prompt, &mut old).unwrap();
    send_frame(&prompt, control::READY, &[], &[]);
    std::thread::sleep(2 * listen.ready_timeout);
    until("let go", &mut old, &mut other, |old, _| old.1.taken_over);
    drop((old, lent));
    // As they were: the new server has replaced nothing.
    assert_eq!(files(&meeting), 3);
}

#[test]
fn a_name_is_lent_to_one_at_a_time_and_lent_again_when_that_one_has_died() {
    let _alone = alone();
    let meeting = Meeting::new("one-at-a-time");
    let options = options(&meeting);
    let mut old = Serving::listening(&options, &ListenOptions::default());
    let first = ask(&meeting);
    answer(&first, &mut old).unwrap();
    assert_eq!(answer(&ask(&meeting), &mut old).unwrap_err(), Code::NameInUse);
    // A server that asks in earnest waits for its turn.
    let mut young = Serving::taking_over(&options);
    for _ in 0..10 {
        old.drive();
        young.drive();
    }
    assert!(!young.1.listening && young.1.closed.is_empty());
    drop(first);
    until("handed over", &mut old, &mut young, |old, young| young.1.listening && old.1.taken_over);
}

#[test]
fn what_is_not_asked_for_ends_the_handshake_and_nothing_else() {
    let _alone = alone();
    let meeting = Meeting::new("nonsense");
    let options = options(&meeting);
    let mut old = Serving::listening(&options, &ListenOptions::default());
    let path = meeting.0.join("server.sock");
    let null = File::open("/dev/null").unwrap();
    let request = TakeOver::new(Vec::new()).encode();
    let malformed: [(&[u8], usize); 3] = [(&[], 0), (&[1, 0, 1, 0, 9, 9, 1], 0), (&request, 1)];
    for (payload, descriptors) in malformed {
        let socket = UnixStream::connect(&path).unwrap();
        let beside = vec![null.as_fd(); descriptors];
        send_frame(&socket, control::TAKE_OVER, payload, &beside);
        if descriptors == 0 {
            assert_eq!(answer(&socket, &mut old).unwrap_err(), Code::Handshake);
        }
        let mut other = Serving::idle();
        until("hung up", &mut old, &mut other, |_, _| is_hung_up(&socket));
    }
    // Asking twice, and confirming with something beside it, take the name back.
    for (code, descriptors) in [(control::TAKE_OVER, 0), (control::READY, 1)] {
        let socket = ask(&meeting);
        answer(&socket, &mut old).unwrap();
        send_frame(&socket, code, &request, &vec![null.as_fd(); descriptors]);
        let mut other = Serving::idle();
        until("hung up", &mut old, &mut other, |_, _| is_hung_up(&socket));
    }
    hand_over(&mut old, &options);
}

#[test]
fn a_server_that_ends_while_its_name_is_lent_leaves_the_files() {
    let _alone = alone();
    let meeting = Meeting::new("lent");
    let options = options(&meeting);
    let mut old = Serving::listening(&options, &ListenOptions::default());
    let heir = ask(&meeting);
    let lent = answer(&heir, &mut old).unwrap();
    drop(old);
    assert_eq!(files(&meeting), 2);
    // As long as it lives, the name is held.
    let mut other = Engine::new().unwrap();
    let listening = other.listen("server", &options, &ListenOptions::default());
    assert_eq!(listening.err().unwrap().code(), Code::NameInUse);
    drop((lent, heir));
    other.listen("server", &options, &ListenOptions::default()).unwrap();
}

// ---- old servers that are none ----

/// A server that plays by its own rules.
struct Impostor {
    directory: PathBuf,
    listener: UnixListener,
    lock: File,
}

impl Impostor {
    fn new(meeting: &Meeting) -> Self {
        use std::os::unix::fs::DirBuilderExt;
        let directory = meeting.0.clone();
        fs::DirBuilder::new().mode(0o700).create(&directory).unwrap();
        let listener = UnixListener::bind(directory.join("server.sock")).unwrap();
        let lock = directory.join("server.lock");
        fs::write(&lock, "ringpost\n").unwrap();
        let lock = File::options().read(true).write(true).open(lock).unwrap();
        rustix::fs::flock(&lock, FlockOperation::LockExclusive).unwrap();
        Self { directory, listener, lock }
    }

    /// Answers the next that asks with these descriptors.
    fn answer(&self, descriptors: &[BorrowedFd<'_>]) -> UnixStream {
        let (socket, _) = self.listener.accept().unwrap();
        let (code, ..) = receive(&socket).unwrap();
        assert_eq!(code, control::TAKE_OVER);
        send_frame(&socket, control::HANDOVER, &Handover { version: 1 }.encode(), descriptors);
        socket
    }
}

#[test]
fn the_name_of_a_server_that_dies_with_its_last_word_goes_on() {
    let _alone = alone();
    let meeting = Meeting::new("last-word");
    let options = options(&meeting);
    let impostor = Impostor::new(&meeting);
    let mut young = Serving::taking_over(&options);
    young.drive();
    let waiting = UnixStream::connect(meeting.0.join("server.sock")).unwrap();
    send_frame(&waiting, control::HELLO, &hello(Transport::Sealed).encode(), &[]);
    drop(impostor.answer(&[impostor.listener.as_fd(), impostor.lock.as_fd()]));
    drop(impostor);
    let mut other = Serving::idle();
    until("welcomed", &mut young, &mut other, |_, _| receive(&waiting).is_some());
    assert!(young.1.listening);
    is_reached(&mut young, &mut other, &options);
    drop(young);
    assert_eq!(files(&meeting), 0);
}

#[test]
fn a_name_that_was_withdrawn_is_not_taken() {
    let _alone = alone();
    let meeting = Meeting::new("withdrawn");
    let options = options(&meeting);
    let impostor = Impostor::new(&meeting);
    let (mut young, mut other) = (Serving::taking_over(&options), Serving::idle());
    young.drive();
    let socket = impostor.answer(&[impostor.listener.as_fd(), impostor.lock.as_fd()]);
    socket.shutdown(std::net::Shutdown::Read).unwrap();
    for _ in 0..10 {
        young.drive();
    }
    assert!(!young.1.listening && young.1.closed.is_empty(), "it waits for the last word");
    let code = Code::Handshake;
    let reject = Reject { code, versions: (1, 1), reason: "too late".into() };
    send_frame(&socket, control::REJECT, &reject.encode(), &[]);
    drop(socket);
    until("over", &mut young, &mut other, |young, _| !young.1.closed.is_empty());
    assert_eq!(young.1.closed, [Some(Code::Handshake)]);
    drop(young);
    assert_eq!(files(&meeting), 2);
}

#[test]
fn descriptors_that_are_not_the_name_are_refused() {
    let _alone = alone();
    let meeting = Meeting::new("impostor");
    let options = options(&meeting);
    let impostor = Impostor::new(&meeting);
    let path = |name: &str| impostor.directory.join(name);
    let (listener, lock) = (impostor.listener.as_fd(), impostor.lock.as_fd());
    let elsewhere = UnixListener::bind(path("other.sock")).unwrap();
    let connected = UnixStream::connect(path("server.sock")).unwrap();
    let _ = impostor.listener.accept().unwrap();
    let (pipe, _writing) = rustix::pipe::pipe().unwrap();
    let other_lock = File::create(path("other.lock")).unwrap();
    // It is the very file, but another holds it.
    let unlocked = File::open(path("server.lock")).unwrap();
    let internet = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let wrong: [&[BorrowedFd<'_>]; 12] = [
        &[],
        &[listener],
        &[lock],
        &[listener, lock, lock],
        &[listener, lock, lock, listener, lock],
        &[lock, listener],
        &[pipe.as_fd(), lock],
        &[listener, pipe.as_fd()],
        &[elsewhere.as_fd(), lock],
        &[connected.as_fd(), lock],
        &[internet.as_fd(), lock],
        &[listener, other_lock.as_fd()],
    ];
    let held = [&[listener, unlocked.as_fd()][..]];
    for descriptors in wrong.iter().chain(&held) {
        let (mut young, mut other) = (Serving::taking_over(&options), Serving::idle());
        young.drive();
        let _socket = impostor.answer(descriptors);
        until("over", &mut young, &mut other, |young, _| !young.1.closed.is_empty());
        assert_eq!(young.1.closed, [Some(Code::Handshake)], "{descriptors:?}");
        assert!(young.0.links().is_empty());
        drop(young);
        assert!(path("server.sock").exists() && path("server.lock").exists());
    }
}

// ---- calls that fail ----

/// Takes a name over within this thread. Whatever fails, one of the two serves it afterwards.
fn take_over_with(options: &Options, start: impl FnOnce()) -> (bool, bool) {
    let mut old = Serving::listening(options, &ListenOptions::default());
    let mut young = Serving::idle();
    start();
    let asked = young.0.take_over("server", options, &ListenOptions::default());
    let is_over = |old: &Serving, young: &Serving| {
        old.1.taken_over || asked.is_err() || !young.1.closed.is_empty()
    };
    for _ in 0..DRIVES_FAILING {
        old.drive();
        young.drive();
        if is_over(&old, &young) {
            break;
        }
    }
    let failed = faults::stop();
    until("over", &mut old, &mut young, |old, young| is_over(old, young));
    is_reached(&mut old, &mut young, options);
    until("in", &mut old, &mut young, |old, young| {
        old.1.connected.is_some() || young.1.connected.is_some()
    });
    assert_eq!(old.1.taken_over, young.1.listening);
    assert_ne!(old.1.connected.is_some(), young.1.connected.is_some());
    (failed, young.1.listening)
}

#[test]
fn a_call_that_fails_in_a_handover_leaves_one_server_and_nothing_behind() {
    let _alone = alone();
    let meeting = Meeting::new("handover-calls");
    let options = options(&meeting);
    fail_each_call(&meeting, move |plan| {
        let (failed, taken) = take_over_with(&options, || plan.start());
        assert!(failed || taken, "nothing failed and nothing was taken over");
        failed
    });
}
