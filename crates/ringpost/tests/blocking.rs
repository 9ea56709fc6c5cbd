//! Clients and servers that wait: full lanes, and how connections end.

use std::os::unix::fs::DirBuilderExt;
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, mpsc};
use std::thread::JoinHandle;
use std::time::Duration;

use ringpost::blocking::{Answer, Client, Requester, Server, Stopper, Ticket};
use ringpost::{
    CallOptions, Change, ClientConfig, Code, LinkId, Options, Reply, Sent, ServerConfig, Stream,
    Trace,
};

const PLAIN: CallOptions = CallOptions::new();
const NUMBERS: Stream<u64, u64> = Stream::new("numbers");
/// How long anything may take before a test has failed.
const PATIENCE: Duration = Duration::from_secs(60);

struct Meeting(PathBuf);

impl Meeting {
    fn new(name: &str) -> Self {
        let directory = format!("ringpost-blocking-{name}-{}", std::process::id());
        Self(std::env::temp_dir().join(directory))
    }

    fn server(&self) -> Server {
        Server::bind("demo", &ServerConfig::new().directory(&self.0)).unwrap()
    }

    /// A client, which connects while the server takes turns, and its connection there.
    fn client_of(&self, server: &mut Server) -> (Client, LinkId) {
        self.client_by(ClientConfig::new(), server)
    }

    fn client_by(&self, config: ClientConfig, server: &mut Server) -> (Client, LinkId) {
        let config = config.directory(&self.0);
        let connecting = std::thread::spawn(move || Client::connect("demo", &config).unwrap());
        let mut changes = Vec::new();
        while changes.is_empty() {
            server.turn(PATIENCE).unwrap();
            changes = server.changes();
        }
        let [Change::Connected(link, _)] = changes[..] else { panic!("{changes:?}") };
        (connecting.join().unwrap(), link)
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        drop(std::fs::remove_dir_all(&self.0));
    }
}

/// Makes a client return with an error where its wait has no end.
fn bounded<T>(client: &mut Client, work: impl FnOnce(&mut Client) -> T) -> T {
    let (stopper, (done, end)) = (client.stopper(), mpsc::channel::<()>());
    let watching = std::thread::spawn(move || {
        if end.recv_timeout(PATIENCE) == Err(mpsc::RecvTimeoutError::Timeout) {
            stopper.stop();
        }
    });
    let outcome = work(client);
    drop(done);
    watching.join().unwrap();
    outcome
}

/// Sends one-way messages until some wait in private memory. Returns how many were sent.
fn fill(mut notify: impl FnMut(&[u8]) -> Sent) -> usize {
    let payload = vec![7; 64 << 10];
    (1..).find(|_| notify(&payload) == Sent::Queued).unwrap()
}

fn run(mut server: Server) -> (Stopper, JoinHandle<Server>) {
    let stopper = server.stopper();
    let running = std::thread::spawn(move || {
        server.run().unwrap();
        server
    });
    (stopper, running)
}

/// Later answers to `name`, by ticket.
fn ask_later(server: &mut Server, name: &str) -> mpsc::Receiver<Ticket> {
    let (asked, asking) = mpsc::channel();
    server.handle(name, move |request, _| {
        asked.send(request.ticket()).unwrap();
        Ok(Answer::Later)
    });
    asking
}

#[test]
fn an_item_that_waits_for_room_in_its_lane_is_sent_once_there_is_some() {
    let meeting = Meeting::new("room");
    let mut server = meeting.server();
    let asking = ask_later(&mut server, "upload");
    let (mut client, _) = meeting.client_of(&mut server);
    fill(|payload| client.notify("filler", payload, &PLAIN).unwrap());
    let uploading = std::thread::spawn(move || {
        bounded(&mut client, |client| {
            let mut items = client.stream("upload", b"", &PLAIN)?;
            items.send(b"one")?;
            items.reply()
        })
    });
    // The client waits by now, or this test shows less.
    std::thread::sleep(Duration::from_millis(50));
    let ticket = loop {
        server.turn(PATIENCE).unwrap();
        if let Ok(ticket) = asking.try_recv() {
            break ticket;
        }
    };
    let served = server.take_stream(&ticket).and_then(|mut items| {
        let item = items.next()?.expect("one is on its way");
        assert_eq!(items.next()?, None);
        Ok(Reply::bytes(item.payload))
    });
    server.answer(&ticket, served.as_ref()).unwrap();
    assert_eq!(uploading.join().unwrap().unwrap(), Reply::bytes("one"));
}

#[test]
fn a_stream_that_is_served_into_a_full_lane_goes_on_once_there_is_room() {
    let meeting = Meeting::new("served");
    let mut server = meeting.server();
    server.serve_stream(&NUMBERS, |end, _| Ok((0..end).map(Ok)));
    let (mut client, link) = meeting.client_of(&mut server);
    fill(|payload| server.notify(link, "filler", payload, &PLAIN).unwrap());
    bounded(&mut client, |client| {
        let mut items = client.open(&NUMBERS, &3).unwrap();
        // Its handler runs, and finds no room.
        assert!(server.turn(PATIENCE).unwrap());
        let (stopper, running) = run(server);
        for number in 0..3 {
            assert_eq!(items.next().unwrap(), Some(number));
        }
        assert_eq!(items.next().unwrap(), None);
        stopper.stop();
        running.join().unwrap();
    });
}

#[test]
fn a_handler_sees_that_its_reader_has_left() {
    let meeting = Meeting::new("left");
    let mut server = meeting.server();
    let asking = ask_later(&mut server, "upload");
    let (mut client, _) = meeting.client_of(&mut server);
    let mut items = client.stream("upload", b"", &PLAIN).unwrap();
    assert!(items.is_open());
    server.turn(PATIENCE).unwrap();
    let ticket = asking.try_recv().unwrap();
    assert!(server.take_stream(&ticket).unwrap().is_open());
    drop(items);
    while server.take_stream(&ticket).unwrap().is_open() {
        assert!(server.turn(PATIENCE).unwrap(), "it does not see it");
    }

    let calling = std::thread::spawn(move || client.request("upload", b"", &PLAIN));
    server.turn(PATIENCE).unwrap();
    let ticket = asking.try_recv().unwrap();
    let refused = server.take_stream(&ticket).map(drop).unwrap_err();
    server.answer(&ticket, Err(&refused)).unwrap();
    let error = calling.join().unwrap().unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn a_server_that_closes_writes_what_waits_and_its_client_sees_a_graceful_end() {
    let meeting = Meeting::new("close");
    let mut server = meeting.server();
    let (mut client, link) = meeting.client_of(&mut server);
    let sent = fill(|payload| server.notify(link, "filler", payload, &PLAIN).unwrap());
    let error = server.drain(link, Duration::from_millis(1)).unwrap_err();
    assert_eq!(error.code(), Code::Timeout);
    let received = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&received);
    client.on("filler", move |_| {
        counted.fetch_add(1, Ordering::SeqCst);
    });
    let closing = std::thread::spawn(move || {
        server.drain(link, PATIENCE)?;
        server.close()
    });
    bounded(&mut client, |client| {
        assert!(client.closed().is_none());
        assert!(client.closed().is_none(), "it stays so");
    });
    closing.join().unwrap().unwrap();
    assert!(client.is_closed());
    assert_eq!(received.load(Ordering::SeqCst), sent);
}

#[test]
fn a_server_whose_name_is_taken_over_keeps_its_connections() {
    let meeting = Meeting::new("taken-over");
    let mut old = meeting.server();
    let (mut client, _) = meeting.client_of(&mut old);
    let taking = ServerConfig::new().directory(&meeting.0).take_over(true);
    let wrong = taking.clone().token("");
    assert_eq!(Server::bind("demo", &wrong).err().unwrap().code(), Code::InvalidArgument);
    let binding = std::thread::spawn(move || Server::bind("demo", &taking).unwrap());
    let mut changes = Vec::new();
    while changes.is_empty() {
        old.turn(PATIENCE).unwrap();
        changes = old.changes();
    }
    assert!(matches!(changes[..], [Change::TakenOver]), "{changes:?}");
    let mut young = binding.join().unwrap();
    let (late, _) = meeting.client_of(&mut young);
    old.handle("who", |_, _| Ok(Answer::Now));
    let (stopper, running) = run(old);
    bounded(&mut client, |client| client.request("who", b"", &PLAIN)).unwrap();
    stopper.stop();
    drop(running.join().unwrap());
    assert_eq!(std::fs::read_dir(&meeting.0).unwrap().count(), 3);
    drop((late, young));
    assert_eq!(std::fs::read_dir(&meeting.0).unwrap().count(), 0);
}

#[test]
fn a_wait_for_the_end_can_be_stopped() {
    let meeting = Meeting::new("stopped");
    let mut server = meeting.server();
    let (mut client, _) = meeting.client_of(&mut server);
    client.stopper().stop();
    let error = client.closed().expect("the connection is not over");
    assert_eq!(error.code(), Code::Cancelled);
    assert!(!client.is_closed());
}

#[test]
fn a_request_that_is_made_for_another_has_what_is_left_of_its_time_and_its_trace() {
    let meeting = Meeting::new("within");
    let mut server = meeting.server();
    let asking = ask_later(&mut server, "later");
    let (own, trace) = (Duration::from_millis(7), Trace([7; 26]));
    server.handle("now", move |request, _| {
        let (left, made) = (request.remaining(), request.within(&PLAIN));
        assert!(made.timeout.is_some() && made.timeout <= left && made.trace == Some(trace));
        assert_eq!(request.within(&PLAIN.timeout(own)).timeout, Some(own));
        Ok(Answer::Now)
    });
    let (mut client, _) = meeting.client_of(&mut server);
    let (stopper, running) = run(server);
    let options = PLAIN.timeout(PATIENCE).trace(trace);
    client.request("now", b"", &options).unwrap();
    let _later = client.stream("later", b"", &options).unwrap();
    let ticket = asking.recv_timeout(PATIENCE).unwrap();
    let left = ticket.remaining();
    assert!(ticket.within(&PLAIN).timeout.is_some_and(|made| Some(made) <= left));
    assert_eq!(ticket.within(&options.trace(None)).trace, Some(trace));
    stopper.stop();
    running.join().unwrap();
}

#[test]
fn a_server_that_was_stopped_leaves_in_good_order() {
    let meeting = Meeting::new("leaving");
    let mut server = meeting.server();
    server.handle("echo", |request, reply| {
        reply.payload.extend_from_slice(request.payload);
        Ok(Answer::Now)
    });
    let asking = ask_later(&mut server, "later");
    let (mut client, _) = meeting.client_of(&mut server);
    let (idle, _) = meeting.client_of(&mut server);
    let (stopper, running) = run(server);
    let waiting = std::thread::spawn(move || {
        let answer = bounded(&mut client, |client| client.request("later", b"", &PLAIN));
        // The farewell has come with the answer, or comes now.
        let refused = loop {
            match client.request("echo", b"", &PLAIN) {
                Ok(_) => {}
                Err(error) => break error,
            }
        };
        (answer.map(|reply| reply.payload), refused.code(), client.is_closed())
    });
    let ticket = asking.recv().unwrap();
    stopper.stop();
    let mut server = running.join().unwrap();
    server.answer(&ticket, Ok(&Reply::bytes("done"))).unwrap();
    // The other client takes no turn, and is left then.
    server.close_gracefully(Duration::from_millis(200)).unwrap();
    let (answer, refused, _) = waiting.join().unwrap();
    assert_eq!(answer.unwrap(), b"done");
    assert!(matches!(refused, Code::Closed | Code::PeerLost), "{refused:?}");
    drop(idle);
}

#[test]
fn a_client_that_has_just_connected_is_served_by_a_server_that_leaves() {
    let meeting = Meeting::new("just-connected");
    for _ in 0..20 {
        let mut server = meeting.server();
        server.handle("work", |_, reply| {
            reply.payload.extend_from_slice(b"done");
            Ok(Answer::Now)
        });
        let (connected, connecting) = mpsc::channel();
        let config = ClientConfig::new().directory(&meeting.0);
        let asking = std::thread::spawn(move || {
            let mut client = Client::connect("demo", &config)?;
            connected.send(()).unwrap();
            client.request("work", b"", &PLAIN)
        });
        // Some turns end between what lets a client in and what makes it a connection.
        while connecting.try_recv().is_err() {
            server.turn(Duration::from_micros(50)).unwrap();
        }
        server.close_gracefully(PATIENCE).unwrap();
        assert_eq!(asking.join().unwrap().unwrap().payload, b"done");
    }
}

#[test]
fn servers_that_follow_each_other_at_a_socket_that_was_handed_over() {
    let meeting = Meeting::new("handed");
    std::fs::DirBuilder::new().mode(0o700).create(&meeting.0).unwrap();
    let socket = UnixListener::bind(meeting.0.join("demo.sock")).unwrap();
    let config = ServerConfig::new().directory(&meeting.0).socket(socket);
    for _ in 0..2 {
        let waits = ClientConfig::new().directory(&meeting.0).connect_timeout(PATIENCE);
        let connecting = std::thread::spawn(move || Client::connect("demo", &waits));
        let mut server = Server::bind("demo", &config).unwrap();
        let mut changes = Vec::new();
        while changes.is_empty() {
            server.turn(PATIENCE).unwrap();
            changes = server.changes();
        }
        drop(connecting.join().unwrap().unwrap());
        drop(server);
        assert!(meeting.0.join("demo.sock").exists());
    }
    let taking = config.clone().take_over(true);
    assert_eq!(Server::bind("demo", &taking).err().unwrap().code(), Code::InvalidArgument);
    let link = ringpost::realtime::Link::accept("demo", &config, Duration::from_millis(1));
    assert_eq!(link.err().unwrap().code(), Code::InvalidArgument);
}

#[test]
fn a_stream_that_is_never_dropped_takes_no_room_from_another_connection() {
    let meeting = Meeting::new("forgotten");
    let mut server = meeting.server();
    let (_wide, to_wide) = meeting.client_of(&mut server);
    let mut options = Options::default();
    options.limits.pending_max = 1;
    let (mut narrow, to_narrow) = meeting.client_by(ClientConfig::from(&options), &mut server);
    narrow.handle("echo", |request, reply| {
        reply.payload.extend_from_slice(request.payload);
        Ok(Answer::Now)
    });
    let answering = std::thread::spawn(move || {
        while narrow.closed().is_none() && !narrow.is_closed() {
            narrow.turn(PATIENCE).unwrap();
        }
    });
    let mut wide = server.connection(to_wide);
    std::mem::forget(wide.stream("numbers", b"", &PLAIN).unwrap());
    let mut narrow = server.connection(to_narrow);
    for payload in [b"1", b"2"] {
        assert_eq!(narrow.request("echo", payload, &PLAIN).unwrap().payload, payload);
    }
    let stream = narrow.stream("echo", b"", &PLAIN).unwrap();
    assert!(stream.reply().unwrap().payload.is_empty());
    server.close().unwrap();
    answering.join().unwrap();
}
