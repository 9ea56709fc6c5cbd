//! The real-time api: what it may be used for, and that it does nothing it must not do.

// A counting allocator and a sandbox.
#![allow(unsafe_code)]

#[path = "../../ipc-core/tests/two_processes/mod.rs"]
mod two_processes;

use std::alloc::{GlobalAlloc, Layout, System};
use std::cell::Cell;
use std::os::unix::fs::FileExt;
use std::sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering};
use std::sync::mpsc;
use std::time::{Duration, Instant};

use ipc_core::{RINGS, TRACE_LEN};
use ringpost::realtime::{Link, Method, TryRecvError, TrySendError, Wake, Waker};
use ringpost::{
    CallOptions, ClientConfig, Code, CrcMode, Lane, LinkId, ListenOptions, Options, ServerConfig,
    Trace, Transport, WaitPolicy, blocking,
};
use two_processes::{Meeting, SHARED, WAIT_POLICY, eventually, noise, patiently, role};

const BLOCK: usize = 512;
const MODES: [CrcMode; 3] = [CrcMode::Off, CrcMode::Header, CrcMode::Full];
/// Of a process in a role: what it has found.
const ALLOCATED: i32 = 76;
const NO_SANDBOX: i32 = 77;

// ---- counting what is allocated ----

struct Counting;

#[global_allocator]
static ALLOCATOR: Counting = Counting;
static ALLOCATIONS: AtomicU64 = AtomicU64::new(0);

thread_local! {
    static IS_COUNTED: Cell<bool> = const { Cell::new(false) };
}

// SAFETY: everything is left to the system's allocator.
unsafe impl GlobalAlloc for Counting {
    unsafe fn alloc(&self, layout: Layout) -> *mut u8 {
        ALLOCATIONS.fetch_add(u64::from(IS_COUNTED.get()), Ordering::Relaxed);
        // SAFETY: the caller keeps the promises, which are the same.
        unsafe { System.alloc(layout) }
    }

    unsafe fn dealloc(&self, pointer: *mut u8, layout: Layout) {
        ALLOCATIONS.fetch_add(u64::from(IS_COUNTED.get()), Ordering::Relaxed);
        // SAFETY: as above.
        unsafe { System.dealloc(pointer, layout) }
    }
}

// ---- a thread that may not make a system call ----

/// From now on any system call of this thread kills the process. Without such a sandbox nothing can be
/// shown, and the process ends with that.
fn enter_sandbox() {
    let kill = libc::sock_filter {
        code: libc::BPF_RET.try_into().expect("a short code"),
        jt: 0,
        jf: 0,
        k: libc::SECCOMP_RET_KILL_PROCESS,
    };
    let mut filter = [kill];
    let program = libc::sock_fprog { len: 1, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives until the calls have returned.
    let entered = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if !entered {
        std::process::exit(NO_SANDBOX);
    }
}

/// Where something was not as it should be in a thread that cannot say so; 0: nowhere.
static FAILED_AT: AtomicU32 = AtomicU32::new(0);

/// An assertion for a thread that may make no system call: what it finds is for another to say.
macro_rules! ensure {
    ($holds:expr) => {
        if !$holds {
            FAILED_AT.store(line!(), Ordering::SeqCst);
            rest_in_peace();
        }
    };
}

/// Even to end a thread takes a system call.
fn rest_in_peace() -> ! {
    loop {
        std::hint::spin_loop();
    }
}

/// Does `work` once in a thread that may make no system call, which keeps what that owns, while this one
/// wakes the peer, and ends the process with what was found.
fn in_sandbox(waker: &Waker, mut work: impl FnMut() + Send + 'static) -> ! {
    static DONE: AtomicBool = AtomicBool::new(false);
    std::thread::spawn(move || {
        enter_sandbox();
        IS_COUNTED.set(true);
        work();
        IS_COUNTED.set(false);
        DONE.store(true, Ordering::SeqCst);
        rest_in_peace();
    });
    eventually("the end", || {
        waker.wake();
        let line = FAILED_AT.load(Ordering::SeqCst);
        assert_eq!(line, 0, "what line {line} ensures does not hold");
        DONE.load(Ordering::SeqCst)
    });
    let allocations = ALLOCATIONS.load(Ordering::SeqCst);
    std::process::exit(if allocations == 0 { 0 } else { ALLOCATED });
}

/// Fails unless a process has done its work in the sandbox, and found nothing.
fn check_callback(what: &str, ended: Option<i32>) {
    match ended {
        Some(0) => {}
        Some(NO_SANDBOX) => panic!("{what}: there is no sandbox here (seccomp), nothing was shown"),
        Some(ALLOCATED) => panic!("{what}: something was allocated"),
        Some(code) => panic!("{what}: the callback failed with {code}"),
        None => panic!("{what}: a system call was made"),
    }
}

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    match role.as_str() {
        "callback" => play(&options, 100_000, false),
        "callback that yields" => play(&options, 100, true),
        "callback with a peer that does not read" => with_a_deaf_peer(&options),
        "callback with a peer that says other things" => with_a_talkative_peer(&options),
        "callback with a peer that has gone" => with_a_peer_that_has_gone(&options),
        "callback with a broken peer" => with_a_broken_peer(&options),
        "mute" => {
            let mut link = patiently(|| {
                Link::connect("band", &ClientConfig::from(&options).connect_timeout(WAIT_POLICY))
            });
            let block = method(&mut link, "block");
            for number in 0..100u8 {
                link.try_send(&block, &[number]).unwrap();
            }
            link.waker().wake();
            std::fs::write(options.directory.unwrap().join("said"), "").unwrap();
            std::thread::sleep(WAIT_POLICY);
        }
        role => panic!("unknown role {role}"),
    }
}

/// Sends blocks from a sandbox and takes them back there. Ends the process.
fn play(options: &Options, blocks: u64, yields: bool) {
    let (mut link, block) = introduced(options);
    let waker = link.waker();
    in_sandbox(&waker, move || {
        let mut sent = [0; BLOCK];
        sent.iter_mut().enumerate().for_each(|(at, byte)| *byte = at.to_le_bytes()[0]);
        let mut back = [0; BLOCK];
        let (mut out, mut home) = (0, 0);
        while home < blocks {
            if out < blocks {
                match link.try_send(&block, &sent) {
                    Ok(_) => out += 1,
                    Err(error) => ensure!(error == TrySendError::Full),
                }
            }
            while link
                .try_recv(|arrival| {
                    ensure!(arrival.name == "return" && arrival.message.len == BLOCK);
                    arrival.body.copy_to(&mut back)
                })
                .unwrap()
            {
                ensure!(back[..] == sent[..]);
                home += 1;
            }
            if yields {
                std::thread::yield_now();
            }
        }
    });
}

/// A link to "band", and one block there and back, so that both have heard of the other's name.
fn introduced(options: &Options) -> (Link, Method) {
    let mut link = patiently(|| {
        Link::connect("band", &ClientConfig::from(options).connect_timeout(WAIT_POLICY))
    });
    let block = method(&mut link, "block");
    link.try_send(&block, &[]).unwrap();
    link.waker().wake();
    eventually("the first block", || {
        link.maintenance().unwrap();
        matches!(link.try_recv(|_| Ok(())), Ok(true))
    });
    (link, block)
}

/// All ways to send, on all lanes, until all of them have been full for long.
fn with_a_deaf_peer(options: &Options) {
    let mut link = patiently(|| {
        Link::connect("band", &ClientConfig::from(options).connect_timeout(WAIT_POLICY))
    });
    let too_long = usize::try_from(link.peer().agreement.limits.message_len_max).unwrap() + 1;
    let trace = [None, Some(Trace([9; TRACE_LEN]))];
    let methods = trace.map(|trace| {
        Lane::ALL.map(|lane| {
            let options = CallOptions::new().lane(lane).trace(trace);
            link.method("block", &options).unwrap()
        })
    });
    let waker = link.waker();
    in_sandbox(&waker, move || {
        let block = [1; BLOCK];
        let (mut sent, mut len, mut refused) = (0, 0, 0);
        while refused < 1000 {
            for method in methods.iter().flatten() {
                len = (len + 37) % BLOCK;
                let outcome = if len % 2 == 0 {
                    link.try_send(method, &block[..len])
                } else {
                    // One that is given up, and then one that is filled in two ways.
                    drop(link.loan(method, len));
                    link.loan(method, len).map(|mut loan| {
                        loan.write(0, &block[..len / 2]);
                        for at in len / 2..loan.len() {
                            // SAFETY: that place is in the loan, which lives on.
                            unsafe { loan.as_ptr().add(at).write(1) };
                        }
                        loan.send()
                    })
                };
                ensure!(matches!(outcome, Ok(_) | Err(TrySendError::Full)));
                sent += u32::from(outcome.is_ok());
                refused += u32::from(outcome.is_err());
            }
        }
        ensure!(sent > 500);
        ensure!(matches!(link.loan(&methods[0][0], too_long), Err(TrySendError::TooLarge)));
        ensure!(link.try_recv(|_| Ok(())) == Ok(false));
    });
}

/// What comes is nothing this half of a link can take: again and again it says so.
fn with_a_talkative_peer(options: &Options) {
    let (mut link, block) = introduced(options);
    let waker = link.waker();
    in_sandbox(&waker, move || {
        while link.try_recv(|_| Ok(())) != Err(TryRecvError::MaintenanceNeeded) {
            std::hint::spin_loop();
        }
        for _ in 0..100 {
            ensure!(link.try_recv(|_| Ok(())) == Err(TryRecvError::MaintenanceNeeded));
            ensure!(link.try_send(&block, &[7; BLOCK]).is_ok());
        }
    });
}

fn with_a_peer_that_has_gone(options: &Options) {
    let (mut link, block) = introduced(options);
    eventually("the end", || link.maintenance().is_err());
    let waker = link.waker();
    in_sandbox(&waker, move || check_closed(&mut link, &block));
}

/// The peer breaks the protocol while the callback looks.
fn with_a_broken_peer(options: &Options) {
    let (mut link, block) = introduced(options);
    let waker = link.waker();
    std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(20));
        write_over_the_segment();
    });
    in_sandbox(&waker, move || {
        while link.try_recv(|_| Ok(())) != Err(TryRecvError::Closed) {
            std::hint::spin_loop();
        }
        check_closed(&mut link, &block);
    });
}

fn check_closed(link: &mut Link, block: &Method) {
    ensure!(link.try_send(block, &[1; BLOCK]) == Err(TrySendError::Closed));
    ensure!(matches!(link.loan(block, 8), Err(TrySendError::Closed)));
    ensure!(link.try_recv(|_| Ok(())) == Err(TryRecvError::Closed));
}

/// Whatever a peer may write, in the memory that is shared with it.
fn write_over_the_segment() {
    let maps = std::fs::read_to_string("/proc/self/maps").unwrap();
    let memory = std::fs::File::options().write(true).open("/proc/self/mem").unwrap();
    for line in maps.lines().filter(|line| line.contains("ringpost") && line.contains("rw-s")) {
        let (from, to) = line.split_once(' ').unwrap().0.split_once('-').unwrap();
        let [from, to] = [from, to].map(|text| u64::from_str_radix(text, 16).unwrap());
        let noise = vec![0xff; usize::try_from(to - from).unwrap()];
        memory.write_all_at(&noise, from).unwrap();
    }
}

/// Sends back what a callback sends, until it is gone. Returns how many blocks that were.
fn send_back(options: &Options) -> u64 {
    let mut server = blocking::Server::bind("band", &ServerConfig::from(options)).unwrap();
    let (heard, hearing) = mpsc::channel();
    server.handle("block", move |request, _| {
        heard.send((request.link, request.payload.to_vec())).unwrap();
        Ok(blocking::Answer::Now)
    });
    let mut count = 0;
    let since = Instant::now();
    loop {
        assert!(since.elapsed() < WAIT_POLICY, "{count} blocks came");
        server.turn(WAIT_POLICY).unwrap();
        for (link, block) in hearing.try_iter() {
            // Gone by now, perhaps.
            let _ = server.notify(link, "return", &block, &CallOptions::default());
            count += 1;
        }
        if server.changes().iter().any(|it| matches!(it, blocking::Change::Closed(..))) {
            assert_eq!(server.engine_stats().lost_wakeups, 0);
            return count;
        }
    }
}

#[test]
fn a_callback_makes_no_system_call_and_allocates_nothing() {
    two_processes::watch_dog();
    for transport in SHARED {
        for crc in MODES {
            let meeting = Meeting::with_crc(transport, crc);
            let mut callback = meeting.run("callback");
            let count = send_back(&meeting.options);
            check_callback("plain", callback.wait());
            assert_eq!(count, 100_001);
        }
    }
}

/// A situation that is rare, in which a callback makes no system call either. Beside the callback runs
/// `play`, the peer's part.
fn rarely(role: &str, play: fn(&mut blocking::Server)) {
    two_processes::watch_dog();
    for transport in SHARED {
        for crc in MODES {
            let meeting = Meeting::with_crc(transport, crc);
            let mut server = blocking::Server::bind(
                "band",
                &ServerConfig::from(&meeting.options).timeout(Duration::from_millis(50)),
            )
            .unwrap();
            let mut callback = meeting.run(role);
            play(&mut server);
            check_callback(role, callback.wait());
        }
    }
}

/// Waits for a callback and sends its first block back, unless it is to be deaf.
fn welcome(server: &mut blocking::Server) -> LinkId {
    let (heard, hearing) = mpsc::channel();
    server.handle("block", move |request, _| {
        // The first is waited for, no other.
        let _ = heard.send(request.link);
        Ok(blocking::Answer::Now)
    });
    let link = loop {
        assert!(server.turn(WAIT_POLICY).unwrap(), "no block comes");
        if let Ok(link) = hearing.try_recv() {
            break link;
        }
    };
    server.notify(link, "return", b"", &CallOptions::default()).unwrap();
    link
}

#[test]
fn a_callback_whose_lanes_are_full_makes_no_system_call() {
    rarely("callback with a peer that does not read", |server| {
        while server.peers().is_empty() {
            assert!(server.turn(WAIT_POLICY).unwrap(), "no client connects");
        }
    });
}

#[test]
fn a_callback_that_is_sent_names_and_requests_makes_no_system_call() {
    rarely("callback with a peer that says other things", |server| {
        let link = welcome(server);
        for number in 0..3 {
            let name = format!("name {number}");
            server.notify(link, &name, b"", &CallOptions::default()).unwrap();
        }
        let refused = server.request(link, "anything", b"", &CallOptions::default());
        assert!(matches!(refused.unwrap_err().code(), Code::Timeout | Code::PeerLost));
    });
}

#[test]
fn a_callback_whose_peer_has_gone_makes_no_system_call() {
    rarely("callback with a peer that has gone", |server| {
        let link = welcome(server);
        server.disconnect(link).unwrap();
    });
}

#[test]
fn a_callback_whose_peer_breaks_the_protocol_makes_no_system_call() {
    rarely("callback with a broken peer", |server| {
        welcome(server);
    });
}

#[test]
fn the_sandbox_notices_a_system_call() {
    two_processes::watch_dog();
    let meeting = Meeting::new(Transport::Sealed);
    let mut callback = meeting.run("callback that yields");
    send_back(&meeting.options);
    assert_eq!(callback.wait(), None, "a system call was not noticed");
}

// ---- what it promises ----

fn method(link: &mut Link, name: &str) -> Method {
    link.method(name, &CallOptions::default()).unwrap()
}

/// Two real-time links with each other.
fn pair(meeting: &Meeting) -> (Link, Link) {
    let options = meeting.options.clone();
    let accepting = std::thread::spawn(move || {
        Link::accept("band", &ServerConfig::from(&options), WAIT_POLICY).unwrap()
    });
    let connected = patiently(|| {
        Link::connect("band", &ClientConfig::from(&meeting.options).connect_timeout(WAIT_POLICY))
    });
    (connected, accepting.join().unwrap())
}

/// Receives one message, with maintenance where it is needed.
fn receive(link: &mut Link) -> Vec<u8> {
    let mut payload = Vec::new();
    let since = Instant::now();
    loop {
        match link.try_recv(|arrival| arrival.body.append_to(&mut payload)) {
            Ok(true) => return payload,
            Ok(false) => std::thread::yield_now(),
            Err(TryRecvError::MaintenanceNeeded) => link.maintenance().unwrap(),
            Err(TryRecvError::Closed) => panic!("{}", link.maintenance().unwrap_err()),
        }
        assert!(since.elapsed() < WAIT_POLICY, "no message comes");
    }
}

#[test]
fn a_link_over_a_socket_is_refused_by_either_end() {
    let meeting = Meeting::new(Transport::Socket);
    let (client, server) =
        (ClientConfig::from(&meeting.options), ServerConfig::from(&meeting.options));
    for refused in [Link::connect("band", &client), Link::accept("band", &server, WAIT_POLICY)] {
        let error = refused.err().unwrap();
        assert_eq!(error.code(), Code::InvalidArgument);
        assert!(error.to_string().contains("a system call"), "{error}");
    }
    // One that shares memory takes no client that does not.
    let options = Options { transport: None, ..meeting.options.clone() };
    let accepting = std::thread::spawn(move || {
        Link::accept("band", &ServerConfig::from(&options), WAIT_POLICY).map(drop)
    });
    eventually("the server is there", || {
        let refused = blocking::Client::connect("band", &client).err().unwrap();
        assert!([Code::NoServer, Code::Feature].contains(&refused.code()), "{refused}");
        refused.code() == Code::Feature
    });
    let options = Options { transport: None, ..meeting.options.clone() };
    drop(Link::connect("band", &ClientConfig::from(&options)).unwrap());
    accepting.join().unwrap().unwrap();
}

#[test]
fn a_name_that_is_taken_over_is_waited_at_no_more() {
    let meeting = Meeting::new(Transport::Sealed);
    let config = ServerConfig::from(&meeting.options);
    let taking = config.clone().take_over(true);
    let refused = Link::accept("band", &taking, WAIT_POLICY).err().unwrap();
    assert_eq!(refused.code(), Code::InvalidArgument);
    let accepting = std::thread::spawn(move || Link::accept("band", &config, WAIT_POLICY).err());
    eventually("it listens", || meeting.path("band.sock").exists());
    let _server = blocking::Server::bind("band", &taking).unwrap();
    assert_eq!(accepting.join().unwrap().unwrap().code(), Code::NameInUse);
}

#[test]
fn two_threads_poll_each_other() {
    two_processes::watch_dog();
    for transport in SHARED {
        let (mut here, mut there) = pair(&Meeting::new(transport));
        let echo = std::thread::spawn(move || {
            let back = method(&mut there, "back");
            for _ in 0..20_000 {
                let payload = receive(&mut there);
                there.try_send(&back, &payload).unwrap();
            }
            there
        });
        let ask = here.method("ask", &CallOptions::new().lane(Lane::Critical));
        let ask = ask.unwrap();
        for round in 0..20_000u64 {
            here.try_send(&ask, &round.to_le_bytes()).unwrap();
            assert_eq!(receive(&mut here), round.to_le_bytes());
        }
        let there = echo.join().unwrap();
        let (sent, received) = (here.link_stats().unwrap(), there.link_stats().unwrap());
        assert_eq!((sent.sent, received.received), (20_000, 20_000));
    }
}

#[test]
fn what_does_not_fit_is_refused_at_once_and_waits_nowhere() {
    for transport in SHARED {
        let (mut here, mut there) = pair(&Meeting::new(transport));
        let block = method(&mut here, "block");
        let most = here.peer().agreement.limits.message_len_max;
        let payload = noise(usize::try_from(most).unwrap() + 1, 1);
        assert_eq!(here.try_send(&block, &payload), Err(TrySendError::TooLarge));
        let payload = &payload[1..];
        let mut sent = 0u32;
        let refusal = loop {
            match here.try_send(&block, payload) {
                Ok(_) => sent += 1,
                Err(error) => break error,
            }
        };
        assert_eq!(refusal, TrySendError::Full);
        assert!(sent > 10, "{sent} messages of {most} bytes fit");
        assert_eq!(here.link_stats().unwrap().queued, 0);
        // The rest of a lap may be too short for one more, and so may be what was given back.
        for _ in 0..sent {
            assert!(receive(&mut there) == payload);
        }
        assert_eq!(there.try_recv(|_| panic!("nothing was sent")), Ok(false));
        here.try_send(&block, payload).unwrap();
        assert!(receive(&mut there) == payload);
    }
}

#[test]
fn a_loan_is_filled_where_it_lies() {
    for transport in SHARED {
        for crc in MODES {
            let (mut here, mut there) = pair(&Meeting::with_crc(transport, crc));
            let block = method(&mut here, "block");
            let payload = noise(3000, 2);
            let mut loan = here.loan(&block, payload.len()).unwrap();
            assert_eq!(loan.len(), 3000);
            loan.write(1000, &payload[1000..]);
            // SAFETY: the loan has 3000 bytes and lives on.
            unsafe { loan.as_ptr().copy_from_nonoverlapping((&payload[0]).into(), 1000) };
            loan.send();
            here.loan(&block, 10).unwrap().write(0, b"never sent");
            here.try_send(&block, b"next").unwrap();
            assert!(receive(&mut there) == payload);
            assert_eq!(receive(&mut there), b"next");
        }
    }
}

#[test]
fn a_peer_that_sleeps_is_woken_by_whoever_holds_the_waker() {
    for transport in SHARED {
        let meeting = Meeting::new(transport);
        let mut server = blocking::Server::bind(
            "band",
            &ServerConfig::from(&meeting.options).wait_policy(WaitPolicy::NONE),
        )
        .unwrap();
        let (heard, hearing) = mpsc::channel();
        server.handle("block", move |request, _| {
            heard.send(request.payload.len()).unwrap();
            Ok(blocking::Answer::Now)
        });
        let stopper = server.stopper();
        let serving = std::thread::spawn(move || {
            server.run().unwrap();
            server.engine_stats()
        });
        let mut link = Link::connect(
            "band",
            &ClientConfig::from(&meeting.options).connect_timeout(WAIT_POLICY),
        )
        .unwrap();
        let block = method(&mut link, "block");
        let waker = link.waker();
        for len in 1..20 {
            // A server that has read everything goes to sleep, on a busy machine a little later.
            let sleeps = (0..1000).any(|_| {
                std::thread::sleep(Duration::from_millis(5));
                assert!(!waker.is_needed());
                let wake = link.try_send(&block, &[0; 20][..len]).unwrap();
                wake == Wake::Needed || hearing.recv_timeout(WAIT_POLICY) != Ok(len)
            });
            assert!(sleeps && waker.is_needed());
            assert!(hearing.recv_timeout(Duration::from_millis(5)).is_err(), "no bell was rung");
            waker.wake();
            assert_eq!(hearing.recv_timeout(WAIT_POLICY), Ok(len));
        }
        stopper.stop();
        assert_eq!(serving.join().unwrap().lost_wakeups, 0);
    }
}

#[test]
fn requests_and_long_messages_are_answered_for_what_they_are() {
    let meeting = Meeting::new(Transport::Sealed);
    let options = meeting.options.clone();
    let polling = std::thread::spawn(move || {
        let mut link = Link::accept("band", &ServerConfig::from(&options), WAIT_POLICY).unwrap();
        while link.maintenance().is_ok() {
            let _ = link.try_recv(|_| Ok(()));
        }
        assert_eq!(link.maintenance().unwrap_err().code(), Code::Closed);
        let block = link.method("block", &CallOptions::default());
        assert_eq!(block.unwrap_err().code(), Code::Closed);
        (link.skipped(), link.try_recv(|_| Ok(())))
    });
    let mut client =
        patiently(|| blocking::Client::connect("band", &ClientConfig::from(&meeting.options)));
    for _ in 0..10 {
        let error = client.request("anything", b"", &CallOptions::default()).unwrap_err();
        assert_eq!(error.code(), Code::UnknownMethod);
        client.notify("anything", b"", &CallOptions::default()).unwrap();
    }
    let long = vec![0; 100_000];
    let error = client.notify("anything", &long, &CallOptions::default()).unwrap_err();
    assert_eq!(error.code(), Code::TooLarge);
    client.close().unwrap();
    assert_eq!(polling.join().unwrap(), (0, Err(TryRecvError::Closed)));
}

#[test]
fn messages_that_would_not_be_one_piece_in_the_rings_a_server_gives_are_a_typed_error() {
    let meeting = Meeting::new(Transport::Sealed);
    let listen = ListenOptions { rings_max: [4096; RINGS], ..ListenOptions::default() };
    let own = Options { rings: [4096; RINGS], ..meeting.options.clone() };
    let mut server =
        blocking::Server::bind("band", &ServerConfig::from(&own).listen(listen)).unwrap();
    let stopper = server.stopper();
    let serving = std::thread::spawn(move || server.run().unwrap());
    let connect = |rings| {
        let options = Options { rings, ..meeting.options.clone() };
        Link::connect("band", &ClientConfig::from(&options).connect_timeout(WAIT_POLICY))
    };
    let error = connect([65_536; RINGS]).err().expect("less was given than was asked for");
    assert_eq!(error.code(), Code::NoSpace);
    let message = error.to_string();
    assert!(message.contains("16232") && message.contains("4096"), "{message}");
    let limits = connect([4096; RINGS]).unwrap().peer().agreement.limits;
    assert_eq!(limits.message_len_max, 1024 - 24 - 128);
    stopper.stop();
    serving.join().unwrap();
}

#[test]
fn a_client_with_smaller_rings_agrees_on_shorter_messages() {
    for transport in SHARED {
        let meeting = Meeting::new(transport);
        let options = meeting.options.clone();
        let polling = std::thread::spawn(move || {
            let mut link =
                Link::accept("band", &ServerConfig::from(&options), WAIT_POLICY).unwrap();
            let payload = receive(&mut link);
            (payload.len(), link.skipped())
        });
        let small = Options { rings: [4096; RINGS], ..meeting.options.clone() };
        let mut client =
            patiently(|| blocking::Client::connect("band", &ClientConfig::from(&small)));
        let most = usize::try_from(client.peer().agreement.limits.message_len_max).unwrap();
        assert_eq!(most, 1024 - 24 - 128);
        let call = CallOptions::default();
        let error = client.notify("note", &vec![0; most + 1], &call).unwrap_err();
        assert_eq!(error.code(), Code::TooLarge);
        client.notify("note", &vec![0; most], &call).unwrap();
        assert_eq!(polling.join().unwrap(), (most, 0));
    }
}

#[test]
fn the_last_words_of_one_who_was_killed_are_received() {
    for transport in SHARED {
        let meeting = Meeting::new(transport);
        let mut mute = meeting.run("mute");
        let mut link =
            Link::accept("band", &ServerConfig::from(&meeting.options), WAIT_POLICY).unwrap();
        // The first is behind the definition of its name.
        eventually("a message", || {
            link.maintenance().unwrap();
            link.link_stats().unwrap().received == 0
                && link.try_recv(|arrival| arrival.body.copy_to(&mut [0])) == Ok(true)
        });
        eventually("the others", || meeting.path("said").exists());
        mute.kill();
        for number in 1..100 {
            // The end is known, but there is more to read.
            link.maintenance().unwrap();
            assert_eq!(receive(&mut link), [number]);
        }
        eventually("the end", || link.maintenance().is_err());
        assert_eq!(link.maintenance().unwrap_err().code(), Code::PeerLost);
        assert_eq!(link.try_recv(|_| Ok(())), Err(TryRecvError::Closed));
    }
}
