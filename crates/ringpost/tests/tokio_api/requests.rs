//! Requests, their outcomes, and both directions at once.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use ringpost::tokio::{Client, Request};
use ringpost::{ClientConfig, Code, Codec, Reply, Transport, WaitPolicy};
use tokio::task::JoinSet;

use super::two_processes::{Meeting, TRANSPORTS, noise};
use super::{PLAIN, against_a_server, bounded, connect, one_thread, several_threads};

#[test]
fn requests_are_answered() {
    against_a_server(|client, _| async move {
        for round in 0..200u64 {
            let options = PLAIN.codec(Codec::Json);
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
        let wait_policy = WaitPolicy::NONE;
        drop(connect(&meeting.options).await);
        let client =
            Client::connect("demo", &ClientConfig::from(&meeting.options).wait_policy(wait_policy))
                .await
                .unwrap();
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
        assert_eq!(client.link_stats().unwrap().calls, 0);
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
        // On a busy machine its time may be over before its handler starts, and then there is none.
        while handlers(&client).await.0 == 0 {
            let since = Instant::now();
            let error = client.request("never", b"", &PLAIN.timeout(timeout)).await.unwrap_err();
            assert_eq!(error.code(), Code::Timeout);
            assert!(since.elapsed() >= timeout, "{:?}", since.elapsed());
        }
        until_handlers(&client, |started, dropped| started == dropped).await;
    });
}

#[test]
fn dropping_a_call_drops_its_handler_over_there() {
    against_a_server(|client, _| async move {
        let calls: Vec<_> = (0..10).map(|_| client.request("never", b"", &PLAIN)).collect();
        tokio::select! {
            _ = client.request("never", b"", &PLAIN) => panic!("it was answered"),
            // A call that ends before its handler has started has none to drop.
            () = until_handlers(&client, |started, _| started == 11) => {}
        }
        until_handlers(&client, |_, dropped| dropped > 0).await;
        assert_eq!(client.link_stats().unwrap().calls, 10);
        assert_eq!(handlers(&client).await, (11, 1));
        drop(calls);
        until_handlers(&client, |started, dropped| started == dropped).await;
        assert_eq!(client.link_stats().unwrap().calls, 0);
    });
}

/// How many handlers of `never` the server has started, and how many of them are dropped.
async fn handlers(client: &Client) -> (u64, u64) {
    let reply = client.request("started and dropped", b"", &PLAIN).await.unwrap();
    let (counts, _) = reply.payload.as_chunks();
    (u64::from_le_bytes(counts[0]), u64::from_le_bytes(counts[1]))
}

async fn until_handlers(client: &Client, are_so: impl Fn(u64, u64) -> bool) {
    loop {
        let (started, dropped) = handlers(client).await;
        assert!(dropped <= started, "{dropped} of {started} handlers were dropped");
        if are_so(started, dropped) {
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
