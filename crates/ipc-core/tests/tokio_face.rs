//! The asynchronous face, with its peer in another process.

mod two_processes;

use std::future::Future;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ipc_core::tokio::{Client, Handlers, Request, Server};
use ipc_core::{
    CallOptions, Change, Code, Codec, FaceOptions, Lane, ListenOptions, Options, Patience,
    RemoteError, Reply, Sent, Transport, blocking,
};
use tokio::runtime::{Builder, Runtime};
use tokio::task::JoinSet;
use two_processes::{Meeting, PATIENCE, Process, TRANSPORTS, eventually, noise, patiently, role};

const PLAIN: CallOptions =
    CallOptions { lane: Lane::Normal, codec: Codec::Bytes, timeout: None, trace: None };

// ---- the other process ----

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    match role.as_str() {
        "server" => several_threads().block_on(serve(&options, FaceOptions::default())),
        "patient server" => {
            let patience = Patience::NONE;
            one_thread().block_on(serve(&options, FaceOptions { patience, ..Default::default() }));
        }
        "deaf server" => be_deaf(&options),
        role => panic!("nobody knows how to be a {role}"),
    }
}

/// Counts handlers whose future was dropped before its end.
struct Dropped(Arc<AtomicU64>);

impl Drop for Dropped {
    fn drop(&mut self) {
        self.0.fetch_add(1, Ordering::SeqCst);
    }
}

async fn serve(options: &Options, face: FaceOptions) {
    let dropped = Arc::new(AtomicU64::new(0));
    let (at_work, counted) = (Arc::clone(&dropped), Arc::clone(&dropped));
    let handlers = Handlers::new()
        .handle("echo", |request: Request| async move {
            Ok(Reply { codec: request.message.codec, payload: request.payload })
        })
        .handle("fail", |_| async {
            let cause = RemoteError::new("EIO", "the disk is on fire");
            Err(RemoteError::new("ERR_NO_FILE", "no such file").caused_by(cause))
        })
        .handle("panic", |request: Request| async move {
            assert!(request.payload.is_empty(), "as it was asked to");
            Ok(Reply::default())
        })
        .handle("never", move |_| {
            let guard = Dropped(Arc::clone(&at_work));
            async move {
                let _guard = guard;
                std::future::pending().await
            }
        })
        .handle("dropped", move |_| {
            let count = counted.load(Ordering::SeqCst);
            async move { Ok(Reply::bytes(count.to_le_bytes())) }
        })
        .handle("ask back", |request: Request| async move {
            request.request("your turn", &request.payload, &PLAIN).await.map_err(RemoteError::from)
        })
        .handle("flood", |request: Request| async move {
            let [count, len] = [0, 1].map(|word| request.payload[word * 8..][..8].try_into());
            let [count, len] = [count, len].map(|bytes| u64::from_le_bytes(bytes.unwrap()));
            let mut payload = vec![0; usize::try_from(len).unwrap()];
            for number in 0..count {
                payload[..8].copy_from_slice(&number.to_le_bytes());
                while request.notify("drop", &payload, &PLAIN).is_err() {
                    tokio::time::sleep(Duration::from_millis(1)).await;
                }
            }
            Ok(Reply::default())
        });
    let listen = ListenOptions::default();
    let server = Server::bind_with("demo", options, &listen, face, handlers).await.unwrap();
    while server.next_change().await.is_some() {}
}

/// A server that takes its first client in, writes the file `deaf`, and then reads nothing before the
/// file `listen` is there.
fn be_deaf(options: &Options) {
    let mut server = blocking::Server::bind("demo", options, FaceOptions::default()).unwrap();
    server.handle("len", |request, reply| {
        reply.payload.extend(request.payload.len().to_le_bytes());
        Ok(blocking::Answer::Now)
    });
    while server.changes().is_empty() {
        server.turn(PATIENCE).unwrap();
    }
    let directory = options.directory.as_ref().unwrap();
    std::fs::write(directory.join("deaf"), "").unwrap();
    eventually("the sign to listen", || directory.join("listen").exists());
    server.run().unwrap();
}

// ---- how the tests run ----

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn several_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(3).enable_all().build().unwrap()
}

/// Runs a test to its end, or fails it.
fn bounded<T>(runtime: &Runtime, test: impl Future<Output = T>) -> T {
    two_processes::watch_dog();
    runtime.block_on(async { tokio::time::timeout(PATIENCE, test).await.expect("no end to it") })
}

async fn connect(options: &Options) -> Client {
    let since = Instant::now();
    loop {
        match Client::connect("demo", options, FaceOptions::default()).await {
            Ok(client) => return client,
            Err(error) if error.code() == Code::NoServer && since.elapsed() < PATIENCE => {
                tokio::time::sleep(Duration::from_millis(5)).await;
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Runs a test against a server in another process, with both transports and both kinds of runtime.
fn against_a_server<F: Future<Output = ()>>(test: impl Fn(Client, Options) -> F) {
    for transport in TRANSPORTS {
        for runtime in [one_thread(), several_threads()] {
            let meeting = Meeting::new(transport);
            let _server = meeting.run("server");
            bounded(&runtime, async {
                let client = connect(&meeting.options).await;
                assert_eq!(client.peer().transport, transport);
                test(client.clone(), meeting.options.clone()).await;
                assert_eq!(client.engine_stats().lost_wakeups, 0);
            });
        }
    }
}

// ---- requests ----

#[test]
fn requests_are_answered() {
    against_a_server(|client, _| async move {
        for round in 0..200u64 {
            let options = CallOptions { codec: Codec::Json, ..PLAIN };
            let reply = client.request("echo", &round.to_le_bytes(), &options).await.unwrap();
            assert_eq!((reply.codec, reply.payload), (Codec::Json, round.to_le_bytes().to_vec()));
        }
        let empty = client.request("echo", b"", &PLAIN).await.unwrap();
        assert!(empty.payload.is_empty());
    });
}

#[test]
fn requests_are_answered_by_one_who_never_looks_before_it_sleeps() {
    let meeting = Meeting::new(Transport::Sealed);
    let _server = meeting.run("patient server");
    bounded(&one_thread(), async {
        let patience = Patience::NONE;
        let face = FaceOptions { patience, ..FaceOptions::default() };
        drop(connect(&meeting.options).await);
        let client = Client::connect("demo", &meeting.options, face).await.unwrap();
        for round in 0..200u64 {
            let reply = client.request("echo", &round.to_le_bytes(), &PLAIN).await.unwrap();
            assert_eq!(reply.payload, round.to_le_bytes());
            if round % 50 == 0 {
                tokio::time::sleep(Duration::from_millis(3)).await;
            }
        }
    });
}

#[test]
fn a_thousand_requests_are_in_flight_at_once() {
    against_a_server(|client, _| async move {
        let calls: Vec<_> = (0..1000u64)
            .map(|number| (number, client.request("echo", &number.to_le_bytes(), &PLAIN)))
            .collect();
        for (number, call) in calls {
            assert_eq!(call.await.unwrap().payload, number.to_le_bytes());
        }
        assert_eq!(client.stats().unwrap().calls, 0);
    });
}

#[test]
fn tasks_and_threads_share_a_client() {
    against_a_server(|client, _| async move {
        let mut tasks = JoinSet::new();
        for task in 0..16u64 {
            let client = client.clone();
            tasks.spawn(async move {
                for round in 0..100u64 {
                    let payload = noise(usize::try_from(round * 7).unwrap(), task << 32 | round);
                    let reply = client.request("echo", &payload, &PLAIN).await.unwrap();
                    assert_eq!(reply.payload, payload);
                }
            });
        }
        // Threads without a runtime of their own, and with another one.
        let threads: Vec<_> = (0..2)
            .map(|_| {
                let client = client.clone();
                std::thread::spawn(move || {
                    for round in 0..100u64 {
                        let call = client.request("echo", &round.to_le_bytes(), &PLAIN);
                        let reply = one_thread().block_on(call).unwrap();
                        assert_eq!(reply.payload, round.to_le_bytes());
                    }
                })
            })
            .collect();
        while let Some(task) = tasks.join_next().await {
            task.unwrap();
        }
        tokio::task::spawn_blocking(|| threads.into_iter().for_each(|it| it.join().unwrap()))
            .await
            .unwrap();
    });
}

#[test]
fn long_messages_come_back_as_they_went() {
    against_a_server(|client, _| async move {
        for (seed, len) in [(1, 1 << 10), (2, 200_000), (3, 1 << 20)] {
            let payload = noise(len, seed);
            let reply = client.request("echo", &payload, &PLAIN).await.unwrap();
            assert!(reply.payload == payload, "{len} bytes");
        }
    });
}

#[test]
fn the_longest_message_comes_back_as_it_went() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let _server = meeting.run("server");
        bounded(&one_thread(), async {
            let client = connect(&meeting.options).await;
            let mut payload = noise(64 << 20, 4);
            let reply = client.request("echo", &payload, &PLAIN).await.unwrap();
            assert!(reply.payload == payload);
            payload.push(0);
            let error = client.request("echo", &payload, &PLAIN).await.unwrap_err();
            assert_eq!(error.code(), Code::TooLarge, "{error}");
        });
    }
}

#[test]
fn failures_of_handlers_have_their_code_and_cause() {
    against_a_server(|client, _| async move {
        let error = client.request("fail", b"", &PLAIN).await.unwrap_err();
        assert_eq!((error.code(), error.to_string().as_str()), (Code::Handler, "no such file"));
        let remote = error.as_remote().unwrap();
        assert_eq!(remote.code.as_deref(), Some("ERR_NO_FILE"));
        assert_eq!(remote.cause.as_ref().unwrap().code.as_deref(), Some("EIO"));

        let error = client.request("nobody does this", b"", &PLAIN).await.unwrap_err();
        assert_eq!(error.code(), Code::UnknownMethod);

        let error = client.request("panic", b"now", &PLAIN).await.unwrap_err();
        assert_eq!(error.code(), Code::Handler);
        client.request("panic", b"", &PLAIN).await.expect("the next one is unharmed");
    });
}

#[test]
fn a_request_without_an_answer_ends_in_time_and_its_handler_too() {
    against_a_server(|client, _| async move {
        let timeout = Duration::from_millis(50);
        let since = Instant::now();
        let options = CallOptions { timeout: Some(timeout), ..PLAIN };
        let error = client.request("never", b"", &options).await.unwrap_err();
        assert_eq!(error.code(), Code::Timeout);
        assert!((timeout..10 * timeout).contains(&since.elapsed()), "{:?}", since.elapsed());
        until_dropped(&client, 1).await;
    });
}

#[test]
fn dropping_a_call_drops_its_handler_over_there() {
    against_a_server(|client, _| async move {
        let calls: Vec<_> = (0..10).map(|_| client.request("never", b"", &PLAIN)).collect();
        let polled = client.request("never", b"", &PLAIN);
        let in_vain = tokio::time::timeout(Duration::from_millis(20), polled).await;
        assert!(in_vain.is_err());
        until_dropped(&client, 1).await;
        assert_eq!(client.stats().unwrap().calls, 10);
        drop(calls);
        until_dropped(&client, 11).await;
        assert_eq!(client.stats().unwrap().calls, 0);
    });
}

async fn until_dropped(client: &Client, expected: u64) {
    loop {
        let reply = client.request("dropped", b"", &PLAIN).await.unwrap();
        let count = u64::from_le_bytes(reply.payload.try_into().unwrap());
        assert!(count <= expected, "{count} handlers were dropped");
        if count == expected {
            return;
        }
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn every_request_has_an_outcome_when_the_server_is_killed() {
    for transport in TRANSPORTS {
        for runtime in [one_thread(), several_threads()] {
            let meeting = Meeting::new(transport);
            let mut server = meeting.run("server");
            bounded(&runtime, async {
                let client = connect(&meeting.options).await;
                let calls: Vec<_> =
                    (0..500).map(|_| client.request("never", b"", &PLAIN)).collect();
                // So that they are known to have arrived.
                client.request("echo", b"", &PLAIN).await.unwrap();
                server.kill();
                for call in calls {
                    assert_eq!(call.await.unwrap_err().code(), Code::PeerLost);
                }
                assert_eq!(client.closed().await.unwrap().code(), Code::PeerLost);
                let error = client.request("echo", b"", &PLAIN).await.unwrap_err();
                assert_eq!(error.code(), Code::Closed);
            });
        }
    }
}

// ---- both ways ----

#[test]
fn the_server_asks_back_while_it_is_asked() {
    against_a_server(|client, _| async move {
        client.handle("your turn", |request: Request| async move {
            tokio::time::sleep(Duration::from_millis(1)).await;
            Ok(Reply::bytes([request.payload.as_slice(), b"!"].concat()))
        });
        let calls: Vec<_> = (0..50u8).map(|it| client.request("ask back", &[it], &PLAIN)).collect();
        for (number, call) in (0..50u8).zip(calls) {
            assert_eq!(call.await.unwrap().payload, [number, b'!']);
        }
    });
}

#[test]
fn one_way_messages_are_handled_one_by_one_in_order() {
    against_a_server(|client, _| async move {
        let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
        client.handle("drop", move |request: Request| {
            let heard = heard.clone();
            async move {
                let number = u64::from_le_bytes(request.payload[..8].try_into().unwrap());
                // The earlier ones take longer.
                if number < 20 {
                    tokio::time::sleep(Duration::from_millis(20 - number)).await;
                }
                heard.send(number).unwrap();
                assert!(number != 10, "a handler that fails does not keep up the others");
                Ok(Reply::default())
            }
        });
        client.request("flood", &flood(5000, 64), &PLAIN).await.unwrap();
        for number in 0..5000 {
            assert_eq!(hearing.recv().await, Some(number));
        }
    });
}

#[test]
fn a_handler_gets_an_answer_that_lies_behind_a_flood() {
    against_a_server(|client, _| async move {
        let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
        let asking = Arc::new(std::sync::OnceLock::new());
        let asked = Arc::clone(&asking);
        let number = AtomicU64::new(0);
        client.handle("drop", move |_| {
            let (heard, asked) = (heard.clone(), Arc::clone(&asked));
            let is_first = number.fetch_add(1, Ordering::SeqCst) == 0;
            async move {
                // Late, so that the flood has filled what there is to fill.
                if is_first {
                    tokio::time::sleep(Duration::from_millis(200)).await;
                }
                let client: &Client = asked.get().unwrap();
                heard.send(client.request("echo", b"?", &PLAIN).await.is_ok()).unwrap();
                Ok(Reply::default())
            }
        });
        asking.set(client.clone()).ok().unwrap();
        // More than may wait in private memory while nothing is asked, and more than the ring holds.
        // Asked for by a one-way message, because a request would be one that is in flight.
        client.notify("flood", &flood(6000, 1000), &PLAIN).unwrap();
        for _ in 0..6000 {
            assert_eq!(hearing.recv().await, Some(true));
        }
        // The handler holds a handle of its own client.
        client.close().await;
    });
}

/// Asks for so many messages of so many bytes.
fn flood(count: u64, len: u64) -> Vec<u8> {
    [count.to_le_bytes(), len.to_le_bytes()].concat()
}

// ---- flow ----

#[test]
fn a_server_that_does_not_read_is_felt_and_forgiven() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let _server = meeting.run("deaf server");
        bounded(&one_thread(), async {
            let mut options = meeting.options.clone();
            options.flow.backlog_max = 1 << 20;
            let client = connect(&options).await;
            eventually("deafness", || meeting.path("deaf").exists());
            let payload = noise(60_000, 7);
            let mut sent = Vec::new();
            let refusal = loop {
                match client.notify("len", &payload, &PLAIN) {
                    Ok(how) => sent.push(how),
                    Err(error) => break error,
                }
            };
            assert_eq!(refusal.code(), Code::Full);
            assert_eq!((sent[0], *sent.last().unwrap()), (Sent::Written, Sent::Queued));
            let queued = client.stats().unwrap().queued;
            assert!((1 << 20..(1 << 20) + 70_000).contains(&queued), "{queued} bytes wait");
            let error = client.drain(Duration::from_millis(50)).await.unwrap_err();
            assert_eq!(error.code(), Code::Timeout);

            // A request is refused just so, and one on another lane is not.
            let refused = client.request("len", &payload, &PLAIN).await.unwrap_err();
            assert_eq!(refused.code(), Code::Full);
            let urgent = CallOptions { lane: Lane::High, ..PLAIN };
            let call = client.request("len", b"123", &urgent);

            std::fs::write(meeting.path("listen"), "").unwrap();
            client.drain(PATIENCE).await.unwrap();
            assert_eq!(client.stats().unwrap().queued, 0);
            assert_eq!(call.await.unwrap().payload, 3usize.to_le_bytes());
            assert_eq!(client.notify("len", &payload, &PLAIN).unwrap(), Sent::Written);
            let reply = client.request("len", &payload, &PLAIN).await.unwrap();
            assert_eq!(reply.payload, payload.len().to_le_bytes());
        });
    }
}

#[test]
fn a_handler_that_takes_its_time_is_felt_by_the_sender() {
    for runtime in [one_thread(), several_threads()] {
        bounded(&runtime, async {
            let meeting = Meeting::new(Transport::Sealed);
            let gate = Arc::new(tokio::sync::Semaphore::new(0));
            let handled = Arc::new(AtomicU64::new(0));
            let (opening, counted) = (Arc::clone(&gate), Arc::clone(&handled));
            let handlers = Handlers::new().handle("work", move |_| {
                let (gate, counted) = (Arc::clone(&opening), Arc::clone(&counted));
                async move {
                    drop(gate.acquire().await);
                    counted.fetch_add(1, Ordering::SeqCst);
                    Ok(Reply::default())
                }
            });
            let (listen, face) = (ListenOptions::default(), FaceOptions::default());
            let server =
                Server::bind_with("demo", &meeting.options, &listen, face, handlers).await.unwrap();
            let client = connect(&meeting.options).await;
            let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
            for _ in 0..10_000 {
                client.notify("work", &[0; 1000], &PLAIN).unwrap();
            }
            let drained = client.drain(Duration::from_millis(100)).await;
            assert_eq!(drained.unwrap_err().code(), Code::Timeout);
            let taken = server.link_stats(link).unwrap().received;
            assert!((500..1100).contains(&taken), "{taken} messages were taken in");
            assert_eq!(handled.load(Ordering::SeqCst), 0);
            gate.add_permits(1);
            client.drain(PATIENCE).await.unwrap();
            while handled.load(Ordering::SeqCst) < 10_000 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
}

#[test]
fn a_busy_server_lets_newcomers_in() {
    against_a_server(|client, options| async move {
        let busy = tokio::spawn(async move {
            loop {
                client.request("echo", b"", &PLAIN).await.unwrap();
            }
        });
        for _ in 0..5 {
            let newcomer = connect(&options).await;
            newcomer.request("echo", b"", &PLAIN).await.unwrap();
        }
        busy.abort();
    });
}

#[test]
fn a_blocking_server_that_is_busy_lets_newcomers_in() {
    let meeting = Meeting::new(Transport::Sealed);
    let _server = meeting.run("deaf server");
    let mut first =
        patiently(|| blocking::Client::connect("demo", &meeting.options, FaceOptions::default()));
    std::fs::write(meeting.path("listen"), "").unwrap();
    let busy = Arc::new(());
    let is_over = Arc::downgrade(&busy);
    let flood = std::thread::spawn(move || {
        while is_over.strong_count() > 0 {
            for _ in 0..64 {
                first.notify("len", b"", &PLAIN).unwrap();
            }
            first.drain(PATIENCE).unwrap();
        }
    });
    for _ in 0..20 {
        let face = FaceOptions::default();
        blocking::Client::connect("demo", &meeting.options, face).unwrap();
    }
    drop(busy);
    flood.join().unwrap();
}

#[test]
fn an_idle_connection_costs_no_processor_time() {
    let meeting = Meeting::new(Transport::Sealed);
    let server = meeting.run("server");
    bounded(&one_thread(), async {
        let client = connect(&meeting.options).await;
        for _ in 0..1000 {
            client.request("echo", b"", &PLAIN).await.unwrap();
        }
        tokio::time::sleep(Duration::from_millis(100)).await;
        let before = server.processor_time();
        tokio::time::sleep(Duration::from_millis(1000)).await;
        let spent = server.processor_time() - before;
        assert!(spent <= Duration::from_millis(20), "{spent:?} in a second");
    });
}

// ---- endings ----

#[test]
fn a_closed_client_says_goodbye_and_says_so() {
    against_a_server(|client, _| async move {
        let waiting = client.request("never", b"", &PLAIN);
        client.close().await;
        assert_eq!(waiting.await.unwrap_err().code(), Code::Closed);
        assert!(client.closed().await.is_none());
        assert!(client.is_closed() && client.stats().is_none());
        assert_eq!(client.notify("echo", b"", &PLAIN).unwrap_err().code(), Code::Closed);
        assert_eq!(client.request("echo", b"", &PLAIN).await.unwrap_err().code(), Code::Closed);
        client.close().await;
    });
}

#[test]
fn what_was_sent_before_a_close_arrives() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (heard, mut hearing) = tokio::sync::mpsc::unbounded_channel();
        let handlers = Handlers::new().handle("say", move |request: Request| {
            let heard = heard.clone();
            async move {
                tokio::time::sleep(Duration::from_micros(100)).await;
                heard.send(request.payload.len()).unwrap();
                Ok(Reply::default())
            }
        });
        let (listen, face) = (ListenOptions::default(), FaceOptions::default());
        let server =
            Server::bind_with("demo", &meeting.options, &listen, face, handlers).await.unwrap();
        let client = connect(&meeting.options).await;
        let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
        for len in 0..200 {
            client.notify("say", &vec![0; len], &PLAIN).unwrap();
        }
        drop(client);
        for len in 0..200 {
            assert_eq!(hearing.recv().await, Some(len));
        }
        let change = server.next_change().await;
        assert!(matches!(change, Some(Change::Closed(of, None)) if of == link), "{change:?}");
        server.close().await;
        assert!(server.next_change().await.is_none());
    });
}

#[test]
fn a_server_that_closes_ends_what_is_in_flight_both_ways() {
    for runtime in [one_thread(), several_threads()] {
        bounded(&runtime, async {
            let meeting = Meeting::new(Transport::Sealed);
            let [started, dropped] = [(), ()].map(|()| Arc::new(AtomicU64::new(0)));
            let counted = [Arc::clone(&started), Arc::clone(&dropped)];
            let face = FaceOptions::default();
            let server = Server::bind("demo", &meeting.options, face).await.unwrap();
            server.handle("never", move |request: Request| {
                counted[0].fetch_add(1, Ordering::SeqCst);
                let guard = Dropped(Arc::clone(&counted[1]));
                async move {
                    let _guard = guard;
                    // A handler may hold on to the question without holding on to the server.
                    request.cancelled().await;
                    std::future::pending().await
                }
            });
            let client = connect(&meeting.options).await;
            client.handle("never", |_| std::future::pending());
            let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
            let ours = server.request(link, "never", b"", &PLAIN);
            let theirs: Vec<_> = (0..100).map(|_| client.request("never", b"", &PLAIN)).collect();
            while started.load(Ordering::SeqCst) < 100 {
                tokio::task::yield_now().await;
            }
            assert_eq!(server.link_stats(link).unwrap().serving, 100);
            server.close().await;
            assert_eq!(ours.await.unwrap_err().code(), Code::Closed);
            for call in theirs {
                assert_eq!(call.await.unwrap_err().code(), Code::PeerLost);
            }
            assert!(client.closed().await.is_none());
            while dropped.load(Ordering::SeqCst) < 100 {
                tokio::task::yield_now().await;
            }
        });
    }
}

#[test]
fn the_last_handle_closes_the_server_and_the_name_is_free() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        for _ in 0..3 {
            let face = FaceOptions::default();
            let server = Server::bind("demo", &meeting.options, face).await.unwrap();
            let clone = server.clone();
            let client = connect(&meeting.options).await;
            // The client may be through with the handshake before the server is.
            assert!(matches!(server.next_change().await, Some(Change::Connected(..))));
            drop(server);
            assert!(!client.is_closed());
            drop(clone);
            assert!(client.closed().await.is_none());
        }
    });
}

#[test]
fn a_runtime_that_goes_away_leaves_nobody_waiting() {
    let meeting = Meeting::new(Transport::Sealed);
    let _server = meeting.run("server");
    let (gone, stays) = (several_threads(), one_thread());
    let client = bounded(&gone, connect(&meeting.options));
    let call = client.request("never", b"", &PLAIN);
    gone.shutdown_timeout(PATIENCE);
    bounded(&stays, async {
        assert_eq!(call.await.unwrap_err().code(), Code::Closed);
        assert!(client.closed().await.is_none());
        assert_eq!(client.request("echo", b"", &PLAIN).await.unwrap_err().code(), Code::Closed);
        client.close().await;
    });
}

#[test]
fn nobody_to_connect_to_is_an_error_at_once() {
    let meeting = Meeting::new(Transport::Sealed);
    bounded(&one_thread(), async {
        let face = FaceOptions::default();
        let error = Client::connect("demo", &meeting.options, face).await.err().unwrap();
        assert_eq!(error.code(), Code::NoServer);
    });
    let connecting = Client::connect("demo", &meeting.options, FaceOptions::default());
    let mut connecting = std::pin::pin!(connecting);
    let mut context = std::task::Context::from_waker(std::task::Waker::noop());
    let std::task::Poll::Ready(Err(error)) = connecting.as_mut().poll(&mut context) else {
        panic!("there is no runtime here")
    };
    assert_eq!(error.code(), Code::InvalidArgument);
}

#[test]
fn everything_here_can_be_sent_to_other_threads() {
    fn is_shared<T: Send + Sync + 'static>() {}
    is_shared::<Client>();
    is_shared::<Server>();
    is_shared::<Request>();
    is_shared::<Handlers>();
    is_shared::<ipc_core::tokio::Cancellation>();
    fn is_sent<T: Send + 'static>() {}
    is_sent::<ipc_core::tokio::Call>();
    let _ = Process::kill;
}
