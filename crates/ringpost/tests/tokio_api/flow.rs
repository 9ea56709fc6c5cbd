//! Peers that do not read, take their time, or are busy with others.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringpost::tokio::Handlers;
use ringpost::{CallOptions, ClientConfig, Code, Lane, Overflow, Reply, Sent, Transport, blocking};

use super::two_processes::{Meeting, TRANSPORTS, WAIT_POLICY, eventually, noise, patiently};
use super::{
    PLAIN, against_a_server, bounded, connect, one_thread, several_threads, with_a_client,
};

#[test]
fn a_server_that_does_not_read_is_felt_and_forgiven() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let _server = meeting.run("deaf server");
        bounded(&one_thread(), async {
            let mut options = meeting.options.clone();
            options.bounds.backlog_max = 1 << 20;
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
            let queued = client.link_stats().unwrap().queued;
            assert!((1 << 20..(1 << 20) + 70_000).contains(&queued), "{queued} bytes wait");
            let error = client.drain(Duration::from_millis(50)).await.unwrap_err();
            assert_eq!(error.code(), Code::Timeout);

            // A request is refused just so, and one on another lane is not.
            let refused = client.request("len", &payload, &PLAIN).await.unwrap_err();
            assert_eq!(refused.code(), Code::Full);
            let urgent = PLAIN.lane(Lane::High);
            let call = client.request("len", b"123", &urgent);

            std::fs::write(meeting.path("listen"), "").unwrap();
            client.drain(WAIT_POLICY).await.unwrap();
            assert_eq!(client.link_stats().unwrap().queued, 0);
            assert_eq!(call.await.unwrap().payload, 3usize.to_le_bytes());
            // What is drained is in the ring, which may still be full.
            assert_ne!(client.notify("len", &payload, &PLAIN).unwrap(), Sent::Unwanted);
            let reply = client.request("len", &payload, &PLAIN).await.unwrap();
            assert_eq!(reply.payload, payload.len().to_le_bytes());
        });
    }
}

#[test]
fn a_thread_that_waits_for_room_does_so_as_long_as_its_lane_allows() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let _server = meeting.run("deaf server");
        let mut options = meeting.options.clone();
        options.bounds.overflow[Lane::Normal as usize] = Overflow::Wait(Duration::from_millis(100));
        options.bounds.overflow[Lane::High as usize] = Overflow::DropOldest;
        let connect = || blocking::Client::connect("demo", &ClientConfig::from(&options));
        let mut client = patiently(connect);
        eventually("deafness", || meeting.path("deaf").exists());
        let payload = noise(1000, 7);
        let mut taken = 0;
        while client.notify("len", &payload, &PLAIN).unwrap() == Sent::Written {
            taken += 1;
        }
        assert_eq!(client.send("len", &payload, &PLAIN).unwrap_err().code(), Code::Full);
        let stats = client.link_stats().unwrap();
        assert_eq!((stats.queued, stats.dropped), (0, [0, 0, 2, 0]), "after {taken}");

        let high = PLAIN.lane(Lane::High);
        for _ in 0..2000 {
            client.notify("len", &payload, &high).unwrap();
        }
        let stats = client.link_stats().unwrap();
        assert!(stats.dropped[Lane::High as usize] > 1000 && stats.queued <= 64 << 10, "{stats:?}");

        std::fs::write(meeting.path("listen"), "").unwrap();
        eventually("room", || client.send("len", &payload, &PLAIN).is_ok());
        client.drain(WAIT_POLICY).unwrap();
    }
}

/// A ring much smaller than the window of a stream, and items of which it takes six.
const NARROW_RING: u32 = 64 << 10;
const ITEM_LEN: usize = 10_000;
const WIDE: CallOptions = PLAIN.window(1 << 20);

#[test]
fn items_are_not_put_on_top_of_what_waits_for_room_already() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let _server = meeting.run("deaf server");
        let mut options = meeting.options.clone();
        options.rings[Lane::Normal as usize] = NARROW_RING;
        bounded(&one_thread(), async {
            let client = connect(&options).await;
            eventually("deafness", || meeting.path("deaf").exists());
            let stream = client.stream("both ways", b"", &WIDE).unwrap();
            let mut sent = 0;
            let waits = async {
                loop {
                    stream.send(&[7; ITEM_LEN]).await.unwrap();
                    sent += 1;
                }
            };
            let waited = tokio::time::timeout(Duration::from_millis(100), waits).await;
            assert!(waited.is_err());
            let queued = client.link_stats().unwrap().queued;
            assert!((1..8).contains(&sent) && queued < 2 * ITEM_LEN, "{sent} sent, {queued} wait");
        });
    }
}

#[test]
fn a_thread_does_not_put_items_on_top_of_what_waits_for_room_either() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let _server = meeting.run("deaf server");
        let mut options = meeting.options.clone();
        options.rings[Lane::Normal as usize] = NARROW_RING;
        let connect = || blocking::Client::connect("demo", &ClientConfig::from(&options));
        let mut client = patiently(connect);
        eventually("deafness", || meeting.path("deaf").exists());
        let stopper = client.stopper();
        let mut stream = client.stream("both ways", b"", &WIDE).unwrap();
        let mut sent = 0;
        std::thread::scope(|scope| {
            scope.spawn(|| {
                std::thread::sleep(Duration::from_millis(100));
                stopper.stop();
            });
            while stream.send(&[7; ITEM_LEN]).is_ok() {
                sent += 1;
            }
        });
        drop(stream);
        let queued = client.link_stats().unwrap().queued;
        assert!((1..8).contains(&sent) && queued < 2 * ITEM_LEN, "{sent} sent, {queued} wait");
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
            let (server, client, link) = with_a_client(&meeting.options, handlers).await;
            for _ in 0..10_000 {
                client.notify("work", &[0; 1000], &PLAIN).unwrap();
            }
            let taken = || server.link_stats(link).unwrap().received;
            while taken() < 500 {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
            let drained = client.drain(Duration::from_millis(100)).await;
            assert_eq!(drained.unwrap_err().code(), Code::Timeout);
            assert!(taken() < 1100, "{} messages were taken in", taken());
            assert_eq!(handled.load(Ordering::SeqCst), 0);
            gate.add_permits(1);
            client.drain(WAIT_POLICY).await.unwrap();
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
        patiently(|| blocking::Client::connect("demo", &ClientConfig::from(&meeting.options)));
    std::fs::write(meeting.path("listen"), "").unwrap();
    let busy = Arc::new(());
    let is_over = Arc::downgrade(&busy);
    let flood = std::thread::spawn(move || {
        while is_over.strong_count() > 0 {
            for _ in 0..64 {
                first.notify("len", b"", &PLAIN).unwrap();
            }
            first.drain(WAIT_POLICY).unwrap();
        }
    });
    for _ in 0..20 {
        blocking::Client::connect("demo", &ClientConfig::from(&meeting.options)).unwrap();
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
