//! Clients that outlive their sessions. Servers die by SIGKILL.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringpost::tokio::{Client, ClientChange, ClientState, Handlers, Request, Server};
use ringpost::{
    CallOptions, Change, ClientConfig, Code, Lane, Options, Overflow, Reply, Sent, ServerConfig,
    Transport, WhileAway,
};

use super::two_processes::{Meeting, Process, TRANSPORTS, WAIT_POLICY, eventually};
use super::{PLAIN, bounded, one_thread, several_threads};

const IDEMPOTENT: CallOptions = PLAIN.idempotent(true);
const RESUMABLE: CallOptions = PLAIN.resumable(true);

/// By how much a deadline that is far away may come too late.
const TICKS: Duration = Duration::from_millis(20);

/// How many items there are, and how many a handler sends that is to be killed.
const ITEMS: u64 = 500;
const SENT_FIRST: u64 = 200;

pub fn handlers(options: &Options, handlers: Handlers) -> Handlers {
    let sign = |name: &str| options.directory.as_ref().unwrap().join(name);
    let (asked, sent) = (sign("asked"), sign("sent"));
    handlers
        .handle("once more", move |request: Request| {
            let asked = asked.clone();
            async move {
                if !request.replayed() {
                    put(&asked);
                    return std::future::pending().await;
                }
                let left = request.remaining().expect("it has a deadline");
                Ok(Reply::bytes(left.as_nanos().to_le_bytes()))
            }
        })
        .handle("replayed", |request: Request| async move {
            Ok(Reply::bytes([u8::from(request.replayed())]))
        })
        .handle("numbers", move |mut request: Request| {
            let sent = sent.clone();
            async move {
                let items = request.take_stream()?;
                for number in request.items_taken()..ITEMS {
                    items.send(&number.to_le_bytes()).await?;
                    if !request.replayed() && number + 1 == SENT_FIRST {
                        put(&sent);
                        return std::future::pending().await;
                    }
                }
                Ok(Reply::bytes(request.items_taken().to_le_bytes()))
            }
        })
}

fn put(sign: &PathBuf) {
    std::fs::write(sign, "").unwrap();
}

/// A server, and a client that goes on without it.
async fn begin(meeting: &Meeting, config: ClientConfig) -> (Process, Client) {
    let server = meeting.run("server");
    let client = Client::connect("demo", &config.wait_for_server(WAIT_POLICY)).await.unwrap();
    (server, client)
}

/// Runs a test for both transports and both kinds of runtime.
fn everywhere<F: Future<Output = ()>>(test: impl Fn(Meeting) -> F) {
    for transport in TRANSPORTS {
        for runtime in [one_thread(), several_threads()] {
            bounded(&runtime, test(Meeting::new(transport)));
        }
    }
}

/// Kills the server, and waits until its client has noticed.
async fn lose(server: &mut Process, client: &Client) {
    server.kill();
    assert_eq!(client.state_changed(ClientState::Open).await, ClientState::Reconnecting);
}

async fn appears(sign: PathBuf) {
    while !sign.exists() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn a_client_goes_on_with_the_server_that_takes_the_place_of_a_killed_one() {
    everywhere(|meeting| async move {
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        client.handle("your turn", |request| async move { Ok(Reply::bytes(request.payload)) });
        let first = client.peer().pid;
        let in_flight = client.request("never", b"", &PLAIN);
        lose(&mut server, &client).await;
        assert_eq!(in_flight.await.unwrap_err().code(), Code::PeerLost);
        assert!(client.link_stats().is_none() && !client.is_closed());
        let Some(ClientChange::Disconnected { reason, .. }) = client.next_change().await else {
            panic!()
        };
        assert_eq!(reason.map(|error| error.code()), Some(Code::PeerLost));
        assert_eq!(client.peer().pid, first, "while there is none it is the last");

        let _server = meeting.run("server");
        let Some(ClientChange::Reconnected { peer, .. }) = client.next_change().await else {
            panic!()
        };
        assert_ne!(peer.pid, first);
        assert_eq!((client.state(), client.peer().pid), (ClientState::Open, peer.pid));
        let reply = client.request("ask back", b"handlers stay", &PLAIN).await.unwrap();
        assert_eq!(reply.payload, b"handlers stay");
        assert_eq!(client.session_stats().reconnects, 1);
        client.close().await;
        assert!(client.next_change().await.is_none());
        assert_eq!(client.state(), ClientState::Closed);
    });
}

#[test]
fn what_is_asked_while_the_server_is_away_waits_for_the_next_one_in_order() {
    everywhere(|meeting| async move {
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        lose(&mut server, &client).await;
        let calls: Vec<_> =
            (0..50u8).map(|number| client.request("echo", &[number], &PLAIN)).collect();
        let dropped = client.request("echo", b"", &PLAIN);
        let stream = client.stream("both ways", b"", &PLAIN).unwrap();
        assert!(stream.is_open());
        let ended = client.stream("both ways", b"", &PLAIN).unwrap();
        ended.finish();
        let sent = client.notify("nothing", b"", &PLAIN).unwrap();
        assert_eq!((sent, client.session_stats().waiting), (Sent::Queued, 54));
        drop(dropped);
        assert_eq!(client.session_stats().waiting, 53, "a dropped call waits no longer");
        let waiting = client.send("nothing", b"", &PLAIN);
        let uploading = async {
            stream.send(b"item").await.unwrap();
            assert_eq!(stream.next().await.unwrap().unwrap().payload, b"item");
            stream.reply().await.unwrap()
        };
        let restarting = async {
            tokio::task::yield_now().await;
            meeting.run("server")
        };
        let (sent, reply, _server) = tokio::join!(waiting, uploading, restarting);
        sent.unwrap();
        assert_eq!(reply.payload, 1u64.to_le_bytes());
        assert!(ended.next().await.unwrap().is_none(), "it has sent nothing");
        for (number, call) in (0..).zip(calls) {
            assert_eq!(call.await.unwrap().payload, [number]);
        }
        assert_eq!(client.session_stats().waiting, 0);
        let replayed = client.request("replayed", b"", &IDEMPOTENT).await.unwrap();
        assert_eq!(replayed.payload, [0], "it was sent once");
    });
}

#[test]
fn an_idempotent_request_is_sent_again_with_the_time_it_has_left() {
    everywhere(|meeting| async move {
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        let start = Instant::now();
        let call = client.request("once more", b"", &IDEMPOTENT.timeout(WAIT_POLICY));
        appears(meeting.path("asked")).await;
        // Much longer than the ticks of the clock that long spans are measured with.
        tokio::time::sleep(10 * TICKS).await;
        server.kill();
        let passed = start.elapsed();
        let _server = meeting.run("server");
        let left = u128::from_le_bytes(call.await.unwrap().payload.try_into().unwrap());
        let left_max = WAIT_POLICY - passed + TICKS;
        assert!(left > 0 && left <= left_max.as_nanos(), "{left} ns after {passed:?}");
    });
}

#[test]
fn a_resumable_stream_goes_on_after_the_items_that_have_come() {
    everywhere(|meeting| async move {
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        // So narrow that grants are needed, also for what came before.
        let stream = client.stream("numbers", b"", &RESUMABLE.window(4096)).unwrap();
        let mut next = 0;
        let mut first = None;
        while let Some(item) = stream.next().await.unwrap() {
            assert_eq!(item.payload, u64::to_le_bytes(next));
            next += 1;
            if next == SENT_FIRST - 20 {
                appears(meeting.path("sent")).await;
                server.kill();
                first = Some(meeting.run("server"));
            }
        }
        assert!(first.is_some());
        assert_eq!(next, ITEMS);
        let taken = stream.reply().await.unwrap().payload;
        assert_eq!(taken, SENT_FIRST.to_le_bytes(), "as many as have arrived");
    });
}

#[test]
fn what_is_not_declared_to_outlive_its_session_ends_with_it() {
    everywhere(|meeting| async move {
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        let stream = client.stream("numbers", b"", &PLAIN).unwrap();
        let call = client.request("never", b"", &PLAIN);
        stream.next().await.unwrap().unwrap();
        lose(&mut server, &client).await;
        let error = loop {
            match stream.next().await {
                Ok(item) => assert!(item.is_some()),
                Err(error) => break error,
            }
        };
        assert_eq!(error.code(), Code::PeerLost);
        assert_eq!(call.await.unwrap_err().code(), Code::PeerLost);
    });
}

#[test]
fn what_waits_ends_with_its_time_or_with_the_client() {
    everywhere(|meeting| async move {
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        lose(&mut server, &client).await;
        let brief = PLAIN.timeout(Duration::from_millis(20));
        let error = client.request("echo", b"", &brief).await.unwrap_err();
        assert_eq!(error.code(), Code::Timeout);
        let stream = client.stream("both ways", b"", &brief).unwrap();
        assert_eq!(stream.next().await.unwrap_err().code(), Code::Timeout);
        let error = client.drain(Duration::from_millis(20)).await.unwrap_err();
        assert_eq!(error.code(), Code::Timeout);
        let call = client.request("echo", b"", &PLAIN);
        let stream = client.stream("both ways", b"", &PLAIN).unwrap();
        client.close().await;
        assert_eq!(call.await.unwrap_err().code(), Code::Closed);
        assert_eq!(stream.next().await.unwrap_err().code(), Code::Closed);
        assert_eq!(client.request("echo", b"", &PLAIN).await.unwrap_err().code(), Code::Closed);
        assert!(client.closed().await.is_none());
    });
}

#[test]
fn a_stream_that_has_ended_while_it_waited_for_a_session_takes_no_items() {
    everywhere(|meeting| async move {
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        lose(&mut server, &client).await;
        let brief = PLAIN.timeout(Duration::from_millis(20));
        let stream = client.stream("both ways", b"", &brief).unwrap();
        assert_eq!(stream.send(b"item").await.unwrap_err().code(), Code::Cancelled);
        assert!(!stream.is_open());
        assert_eq!(stream.send(b"item").await.unwrap_err().code(), Code::Cancelled);
        assert_eq!(stream.reply().await.unwrap_err().code(), Code::Timeout);
    });
}

#[test]
fn one_way_messages_wait_as_their_lane_says_and_all_within_the_bound() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let mut options = meeting.options.clone();
        options.bounds.overflow[Lane::High as usize] = Overflow::Wait(Duration::from_millis(10));
        options.bounds.overflow[Lane::Low as usize] = Overflow::DropNewest;
        options.bounds.backlog_max = 1 << 20;
        let (mut server, client) = begin(&meeting, ClientConfig::from(&options)).await;
        lose(&mut server, &client).await;
        let low = client.notify("nothing", b"", &PLAIN.lane(Lane::Low)).unwrap();
        assert_eq!(low, Sent::Dropped);
        let late = client.send("nothing", b"", &PLAIN.lane(Lane::High)).await.unwrap_err();
        assert_eq!(late.code(), Code::Timeout);
        assert_eq!(client.session_stats().dropped, [0, 1, 0, 1]);
        client.notify("nothing", &[0; 1 << 19], &PLAIN).unwrap();
        let refused = client.notify("nothing", &[0; 1 << 19], &PLAIN).unwrap_err();
        assert_eq!(refused.code(), Code::Full);
        let refused = client.request("echo", &[0; 1 << 19], &PLAIN).await.unwrap_err();
        assert_eq!(refused.code(), Code::Full);
    });
}

#[test]
fn a_client_that_is_not_to_wait_fails_at_once_and_still_reconnects() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let config = ClientConfig::from(&meeting.options).while_away(WhileAway::Fail);
        let (mut server, client) = begin(&meeting, config).await;
        let in_flight = client.request("never", b"", &IDEMPOTENT);
        lose(&mut server, &client).await;
        assert_eq!(in_flight.await.unwrap_err().code(), Code::NoServer);
        let error = client.request("echo", b"", &PLAIN).await.unwrap_err();
        assert_eq!(error.code(), Code::NoServer);
        assert_eq!(client.stream("count", b"", &PLAIN).unwrap_err().code(), Code::NoServer);
        assert_eq!(client.notify("nothing", b"", &PLAIN).unwrap_err().code(), Code::NoServer);
        let _server = meeting.run("server");
        assert_eq!(client.state_changed(ClientState::Reconnecting).await, ClientState::Open);
        assert_eq!(client.request("echo", b"back", &PLAIN).await.unwrap().payload, b"back");
    });
}

#[test]
fn a_client_gives_up_when_its_time_is_over_or_it_is_refused_for_good() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let config = ClientConfig::from(&meeting.options);
        let config = config.give_up_after(Duration::from_millis(50));
        let (mut server, client) = begin(&meeting, config).await;
        server.kill();
        let waiting = client.request("echo", b"", &IDEMPOTENT).await.unwrap_err();
        assert_eq!(waiting.code(), Code::NoServer);
        assert_eq!(client.closed().await.unwrap().code(), Code::NoServer);
        assert_eq!(client.request("echo", b"", &PLAIN).await.unwrap_err().code(), Code::NoServer);
    });
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (mut server, client) = begin(&meeting, ClientConfig::from(&meeting.options)).await;
        lose(&mut server, &client).await;
        let waiting = client.request("echo", b"", &PLAIN);
        let config = ServerConfig::from(&meeting.options).token("a secret");
        let _server = Server::bind("demo", &config).await.unwrap();
        assert_eq!(waiting.await.unwrap_err().code(), Code::Token);
        assert_eq!(client.closed().await.unwrap().code(), Code::Token);
    });
}

#[test]
fn a_client_with_one_session_ends_with_it() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let config = ClientConfig::from(&meeting.options).reconnect(false);
        let (mut server, client) = begin(&meeting, config).await;
        let call = client.request("never", b"", &IDEMPOTENT);
        server.kill();
        assert_eq!(call.await.unwrap_err().code(), Code::PeerLost);
        assert_eq!(client.closed().await.unwrap().code(), Code::PeerLost);
    });
}

#[test]
fn a_server_that_closes_one_connection_ends_its_client_and_no_other() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let server = Server::bind("demo", &ServerConfig::from(&meeting.options)).await.unwrap();
        server.handle("never", |_| std::future::pending());
        let config = ClientConfig::from(&meeting.options);
        let client = Client::connect("demo", &config).await.unwrap();
        let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
        let other = Client::connect("demo", &config).await.unwrap();
        let lost = client.request("never", b"", &PLAIN);
        let repeated = client.request("never", b"", &IDEMPOTENT);
        client.ping().await.unwrap();

        server.disconnect(link).await.unwrap();
        assert!(client.closed().await.is_none());
        assert_eq!(lost.await.unwrap_err().code(), Code::PeerLost);
        assert_eq!(repeated.await.unwrap_err().code(), Code::Closed);
        assert!(client.next_change().await.is_none(), "it is not lost");
        assert_eq!(client.state(), ClientState::Closed);
        assert_eq!(client.request("never", b"", &PLAIN).await.unwrap_err().code(), Code::Closed);
        other.ping().await.unwrap();
        assert_eq!(other.state(), ClientState::Open);
    });
}

#[test]
fn a_server_that_is_dropped_is_looked_for_again() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let config = ServerConfig::from(&meeting.options);
        let tokio = Server::bind("demo", &config).await.unwrap();
        let client = Client::connect("demo", &ClientConfig::from(&meeting.options)).await.unwrap();
        drop(tokio);
        assert_eq!(client.state_changed(ClientState::Open).await, ClientState::Reconnecting);
        let blocking = ringpost::blocking::Server::bind("demo", &config).unwrap();
        let stopper = blocking.stopper();
        // It is dropped in the end.
        let serving = tokio::task::spawn_blocking(move || { blocking }.run());
        assert_eq!(client.state_changed(ClientState::Reconnecting).await, ClientState::Open);
        stopper.stop();
        serving.await.unwrap().unwrap();
        assert_eq!(client.state_changed(ClientState::Open).await, ClientState::Reconnecting);
        let _last = Server::bind("demo", &config).await.unwrap();
        assert_eq!(client.state_changed(ClientState::Reconnecting).await, ClientState::Open);
        assert_eq!(client.session_stats().reconnects, 2);
    });
}

#[test]
fn a_server_that_closes_is_lost_like_one_that_was_killed() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let config = ServerConfig::from(&meeting.options);
        let asked = Arc::new(AtomicU64::new(0));
        let counted = Arc::clone(&asked);
        let server = Server::bind("demo", &config).await.unwrap();
        server.handle("number", move |_| {
            counted.fetch_add(1, Ordering::SeqCst);
            std::future::pending()
        });
        let client = Client::connect("demo", &ClientConfig::from(&meeting.options)).await.unwrap();
        let call = client.request("number", b"", &IDEMPOTENT);
        while asked.load(Ordering::SeqCst) == 0 {
            tokio::task::yield_now().await;
        }
        server.close().await;
        let Some(ClientChange::Disconnected { reason, .. }) = client.next_change().await else {
            panic!()
        };
        assert!(reason.is_none(), "{reason:?}");
        let handlers = Handlers::new().handle("number", |request: Request| async move {
            Ok(Reply::bytes([u8::from(request.replayed())]))
        });
        let _server = Server::bind_with("demo", &config, handlers).await.unwrap();
        assert_eq!(call.await.unwrap().payload, [1]);
    });
}

#[test]
fn bytes_that_a_killed_server_has_not_read_are_counted() {
    let meeting = Meeting::new(Transport::Sealed);
    bounded(&one_thread(), async {
        let mut server = meeting.run("deaf server");
        let config = ClientConfig::from(&meeting.options).wait_for_server(WAIT_POLICY);
        let client = Client::connect("demo", &config).await.unwrap();
        eventually("a deaf server", || meeting.path("deaf").exists());
        client.notify("nothing", &[0; 1000], &PLAIN.lane(Lane::High)).unwrap();
        server.kill();
        let Some(ClientChange::Disconnected { undelivered, .. }) = client.next_change().await
        else {
            panic!()
        };
        let [critical, high, normal, low] = undelivered;
        assert!(high >= 1000, "{undelivered:?}");
        assert_eq!([critical, normal, low], [0; 3]);
    });
}

#[test]
fn when_a_server_leaves_what_is_in_flight_stays_and_all_else_goes_to_the_next() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let config = ServerConfig::from(&meeting.options);
        let (go, going) = tokio::sync::watch::channel(false);
        let handlers = Handlers::new()
            .handle("work", move |_| {
                let mut going = going.clone();
                async move {
                    going.wait_for(|go| *go).await.unwrap();
                    Ok(Reply::bytes("old"))
                }
            })
            .handle("replayed", |_| std::future::pending());
        let old = Server::bind_with("demo", &config, handlers).await.unwrap();
        let client = Client::connect("demo", &ClientConfig::from(&meeting.options)).await.unwrap();
        let work = client.request("work", b"", &PLAIN);
        let repeated = client.request("replayed", b"", &IDEMPOTENT);
        client.ping().await.unwrap();

        let closing = tokio::spawn({
            let old = old.clone();
            async move { old.close_gracefully(WAIT_POLICY).await }
        });
        assert!(client.leaving().await && client.is_leaving());
        assert_eq!(client.state(), ClientState::Reconnecting);
        assert_eq!(client.ping().await.unwrap_err().code(), Code::NoServer);
        let waiting = client.request("work", b"", &PLAIN);
        assert_eq!(client.session_stats().waiting, 1);

        let handlers = Handlers::new()
            .handle("work", |_| async { Ok(Reply::bytes("new")) })
            .handle("replayed", |request: Request| async move {
                Ok(Reply::bytes([u8::from(request.replayed())]))
            });
        let next = Server::bind_with("demo", &config, handlers).await.unwrap();
        assert_eq!(waiting.await.unwrap().payload, b"new");
        assert!(!client.is_leaving() && client.stats().connections == 2);
        client.ping().await.unwrap();
        go.send(true).unwrap();
        assert_eq!(work.await.unwrap().payload, b"old");
        old.close().await;
        closing.await.unwrap();
        assert_eq!(repeated.await.unwrap().payload, [1], "the next session was there already");
        assert_eq!((client.state(), client.session_stats().reconnects), (ClientState::Open, 1));

        next.close().await;
        assert_eq!(client.state_changed(ClientState::Open).await, ClientState::Reconnecting);
        let waiting = client.request("work", b"", &PLAIN);
        client.close_gracefully(WAIT_POLICY).await;
        assert_eq!(waiting.await.unwrap_err().code(), Code::Closed);
        assert!(client.is_closed() && client.closed().await.is_none());
    });
}
