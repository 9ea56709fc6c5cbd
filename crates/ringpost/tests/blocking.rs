//! Clients and servers that wait, and whose lanes are full.

use std::path::PathBuf;
use std::sync::mpsc;
use std::thread::JoinHandle;
use std::time::Duration;

use ringpost::blocking::{Answer, Client, Requester, Server, Stopper, Ticket};
use ringpost::{CallOptions, Change, ClientConfig, LinkId, Reply, Sent, ServerConfig, Stream};

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
        let config = ClientConfig::new().directory(&self.0);
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
