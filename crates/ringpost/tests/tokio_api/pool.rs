//! Pools, with their servers in this process or in another.

use std::sync::Arc;
use std::time::Duration;

use ringpost::tokio::{
    Client, Handlers, Pool, PoolConfig, PoolServerStats, Request, Requester, Server,
};
use ringpost::{ClientConfig, Code, Reply, ServerConfig, Transport};
use tokio::sync::{Notify, Semaphore};

use super::two_processes::{Meeting, TRANSPORTS, WAIT_POLICY};
use super::{PLAIN, bounded, one_thread, several_threads};

fn config(meeting: &Meeting) -> PoolConfig {
    let client = ClientConfig::from(&meeting.options).wait_for_server(WAIT_POLICY);
    PoolConfig::new().client(client)
}

/// A server whose handler `wait` answers with its name when it may.
async fn serve(meeting: &Meeting, name: &'static str, may: &Arc<Semaphore>) -> Server {
    let may = Arc::clone(may);
    let handlers = Handlers::new()
        .handle("name", move |_| async move { Ok(Reply::bytes(name)) })
        .handle("wait", move |_| {
            let may = Arc::clone(&may);
            async move {
                may.acquire().await.unwrap().forget();
                Ok(Reply::bytes(name))
            }
        })
        .handle("items", |mut request: Request| async move {
            let items = request.take_stream()?;
            while let Some(item) = items.next().await? {
                items.send(&item.payload).await?;
            }
            Ok(Reply::default())
        });
    let config = ServerConfig::from(&meeting.options);
    Server::bind_with(name, &config, handlers).await.unwrap()
}

async fn until(what: impl Fn() -> bool) {
    while !what() {
        tokio::time::sleep(Duration::from_millis(1)).await;
    }
}

#[test]
fn requests_go_over_few_connections_and_to_all_servers() {
    for runtime in [one_thread(), several_threads()] {
        bounded(&runtime, async {
            let meeting = Meeting::new(Transport::Sealed);
            let may = Arc::new(Semaphore::new(0));
            let _servers = [serve(&meeting, "one", &may).await, serve(&meeting, "two", &may).await];
            let pool = Pool::new(["one", "two"], config(&meeting).max(2)).unwrap();
            assert_eq!(pool.stats().size, 0, "they are made on demand");
            for _ in 0..20 {
                pool.request("name", b"", &PLAIN).await.unwrap();
            }
            let stats = pool.stats();
            assert_eq!((stats.size, stats.made, stats.reused), (1, 1, 19));
            assert!((stats.reuse_ratio() - 0.95).abs() < 1e-9);

            let calls: Vec<_> = (0..40).map(|_| pool.request("wait", b"", &PLAIN)).collect();
            let open = |server: &PoolServerStats| server.open;
            until(|| pool.stats().servers.iter().map(open).sum::<usize>() == 4).await;
            let more: Vec<_> = (0..40).map(|_| pool.request("wait", b"", &PLAIN)).collect();
            let in_flight: Vec<_> =
                pool.stats().servers.iter().map(|server| server.in_flight).collect();
            // The first went over the one connection there was, the others over those made since.
            assert!(in_flight[0] + in_flight[1] == 80 && in_flight[1] >= 26, "{in_flight:?}");
            may.add_permits(80);
            for call in calls.into_iter().chain(more) {
                call.await.unwrap();
            }
            assert_eq!(pool.stats().idle, 4);
            pool.close().await;
            assert_eq!(pool.request("name", b"", &PLAIN).await.unwrap_err().code(), Code::Closed);
            assert_eq!(pool.acquire().await.unwrap_err().code(), Code::Closed);
        });
    }
}

#[test]
fn streams_and_one_way_messages_count_as_long_as_they_last() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let may = Arc::new(Semaphore::new(0));
        let server = serve(&meeting, "one", &may).await;
        let heard = Arc::new(Notify::new());
        let hearing = Arc::clone(&heard);
        server.on("tick", move |_| {
            hearing.notify_one();
            async {}
        });
        let pool = Pool::new(["one"], config(&meeting).max(1)).unwrap();
        let items = pool.stream("items", b"", &PLAIN).unwrap();
        items.send(b"item").await.unwrap();
        assert_eq!(items.next().await.unwrap().unwrap().payload, b"item");
        assert_eq!(pool.stats().servers[0].in_flight, 1);
        items.reply().await.unwrap();
        assert_eq!(pool.stats().servers[0].in_flight, 0);
        pool.notify("tick", b"", &PLAIN).unwrap();
        heard.notified().await;
        pool.send("tick", b"", &PLAIN).await.unwrap();
        heard.notified().await;
    });
}

#[test]
fn a_lease_is_exclusive_and_those_who_wait_come_in_order() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let may = Arc::new(Semaphore::new(0));
        let _server = serve(&meeting, "one", &may).await;
        let pool = Pool::new(["one"], config(&meeting).max(1)).unwrap();
        let lease = pool.acquire().await.unwrap();
        assert_eq!(lease.request("name", b"", &PLAIN).await.unwrap().payload, b"one");
        assert_eq!(pool.notify("tick", b"", &PLAIN).unwrap_err().code(), Code::Full);
        let brief = PLAIN.timeout(Duration::from_millis(10));
        let late = pool.request("name", b"", &brief).await.unwrap_err();
        assert_eq!(late.code(), Code::Timeout);

        let order = Arc::new(std::sync::Mutex::new(Vec::new()));
        let waiting = |number: usize| {
            let (pool, order) = (pool.clone(), Arc::clone(&order));
            tokio::spawn(async move {
                let lease = pool.acquire().await.unwrap();
                order.lock().unwrap().push(number);
                tokio::task::yield_now().await;
                drop(lease);
            })
        };
        let given_up = {
            let pool = pool.clone();
            tokio::spawn(async move { drop(pool.acquire().await) })
        };
        until(|| pool.stats().waiting == 1).await;
        let mut tasks = Vec::new();
        for number in 0..5 {
            tasks.push(waiting(number));
            until(|| pool.stats().waiting == number + 2).await;
        }
        let request = pool.request("name", b"", &PLAIN);
        given_up.abort();
        until(|| pool.stats().waiting == 6).await;
        assert_eq!(pool.stats().leased, 1);
        drop(lease);
        assert_eq!(request.await.unwrap().payload, b"one");
        assert_eq!(*order.lock().unwrap(), [0, 1, 2, 3, 4]);
        for task in tasks {
            task.await.unwrap();
        }
        let stats = pool.stats();
        assert_eq!((stats.leased, stats.waiting, stats.idle, stats.made), (0, 0, 1, 1));
        assert!(stats.acquire_p99 >= stats.acquire_p50 && !stats.acquire_p50.is_zero());
    });
}

#[test]
fn who_stops_waiting_for_a_lease_holds_nobody_up() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let _server = serve(&meeting, "one", &Arc::new(Semaphore::new(0))).await;
        // Who waits is looked at again when this is over.
        let config = config(&meeting).max(1).idle_timeout(2 * WAIT_POLICY);
        let pool = Pool::new(["one"], config).unwrap();
        let items = pool.stream("items", b"", &PLAIN).unwrap();
        items.send(b"item").await.unwrap();
        assert_eq!(items.next().await.unwrap().unwrap().payload, b"item");
        let given_up = {
            let pool = pool.clone();
            tokio::spawn(async move { drop(pool.acquire().await) })
        };
        until(|| pool.stats().waiting == 1).await;
        // A connection that is shared will do for it.
        let behind = pool.request("name", b"", &PLAIN);
        assert_eq!(pool.notify("tick", b"", &PLAIN).unwrap_err().code(), Code::Full);
        given_up.abort();
        assert_eq!(behind.await.unwrap().payload, b"one");
        let brief = tokio::time::timeout(Duration::from_millis(10), pool.acquire());
        assert!(brief.await.is_err(), "the stream goes on");
        pool.notify("tick", b"", &PLAIN).unwrap();
        assert_eq!(pool.request("name", b"", &PLAIN).await.unwrap().payload, b"one");
        items.reply().await.unwrap();
    });
}

#[test]
fn what_is_idle_is_closed_and_what_there_must_be_is_made() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let may = Arc::new(Semaphore::new(0));
        let server = serve(&meeting, "one", &may).await;
        let config = config(&meeting).min(1).max(3).idle_timeout(Duration::from_millis(20));
        let pool = Pool::new(["one"], config).unwrap();
        until(|| server.peers().len() == 1).await;
        let leases = [pool.acquire().await, pool.acquire().await, pool.acquire().await];
        until(|| server.peers().len() == 3).await;
        drop(leases);
        until(|| server.peers().len() == 1).await;
        assert_eq!((pool.stats().size, pool.stats().made), (1, 3));
    });
}

#[test]
fn a_broken_connection_is_replaced_and_a_dead_server_is_left_alone() {
    for transport in TRANSPORTS {
        bounded(&several_threads(), async {
            let meeting = Meeting::new(transport);
            let may = Arc::new(Semaphore::new(0));
            let mut dying = meeting.run("server");
            let client = config(&meeting).client.reconnect(false);
            let pool = Pool::new(["demo"], config(&meeting).client(client)).unwrap();
            let call = pool.request("echo", b"first", &PLAIN);
            assert_eq!(call.await.unwrap().payload, b"first");
            let call = pool.request("never", b"", &PLAIN);
            dying.kill();
            assert_eq!(call.await.unwrap_err().code(), Code::PeerLost);
            let _next = meeting.run("server");
            until(|| pool.stats().size == 0).await;
            let call = pool.request("echo", b"second", &PLAIN);
            assert_eq!(call.await.unwrap().payload, b"second");
            assert_eq!(pool.stats().made, 2);

            // Of two servers one is not there.
            let _server = serve(&meeting, "one", &may).await;
            let client = ClientConfig::from(&meeting.options);
            let pool = Pool::new(["nobody", "one"], config(&meeting).client(client)).unwrap();
            for _ in 0..3 {
                let lease = pool.acquire().await.unwrap();
                assert_eq!(lease.request("name", b"", &PLAIN).await.unwrap().payload, b"one");
            }
            let made: Vec<_> = pool.stats().servers.iter().map(|server| server.made).collect();
            assert_eq!(made, [0, 1]);
        });
    }
}

#[test]
fn who_waits_is_served_when_a_server_is_there_again() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let may = Arc::new(Semaphore::new(0));
        let _two = serve(&meeting, "two", &may).await;
        let client = ClientConfig::from(&meeting.options);
        // What is idle is looked at when this is over.
        let config = config(&meeting).client(client).max(1).idle_timeout(2 * WAIT_POLICY);
        let pool = Pool::new(["one", "two"], config).unwrap();
        let _leased = pool.acquire().await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire().await }
        });
        until(|| pool.stats().waiting == 1).await;
        let _one = serve(&meeting, "one", &may).await;
        let lease = waiting.await.unwrap().unwrap();
        assert_eq!(lease.request("name", b"", &PLAIN).await.unwrap().payload, b"one");
    });
}

#[test]
fn who_waits_is_not_turned_away_because_another_server_refuses() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let _two = serve(&meeting, "two", &Arc::new(Semaphore::new(0))).await;
        let client = ClientConfig::from(&meeting.options);
        let pool = Pool::new(["one", "two"], config(&meeting).client(client).max(1)).unwrap();
        let lease = pool.acquire().await.unwrap();
        let guarded = ServerConfig::from(&meeting.options).token("secret");
        let _one = Server::bind_with("one", &guarded, Handlers::new()).await.unwrap();
        let waiting = tokio::spawn({
            let pool = pool.clone();
            async move { pool.acquire().await }
        });
        // As often as there are servers, and once more.
        until(|| pool.stats().servers[0].made == 3 || waiting.is_finished()).await;
        drop(lease);
        let lease = waiting.await.unwrap().unwrap();
        assert_eq!(lease.request("name", b"", &PLAIN).await.unwrap().payload, b"two");
    });
}

#[test]
fn a_connection_that_its_server_has_closed_is_not_used_again() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let server = serve(&meeting, "one", &Arc::new(Semaphore::new(0))).await;
        let pool = Pool::new(["one"], config(&meeting).max(1)).unwrap();
        for round in 0..60 {
            let client = Client::clone(&pool.acquire().await.unwrap());
            client.ping().await.unwrap();
            let [(link, _)] = server.peers()[..] else { panic!("one at a time") };
            let closing = tokio::spawn({
                let server = server.clone();
                async move { server.disconnect(link).await }
            });
            // As soon as it is so: the pool does not know yet.
            while !client.is_closed() {
                std::hint::spin_loop();
            }
            let used = match round % 3 {
                0 => pool.request("name", b"", &PLAIN).await.map(drop),
                1 => pool.send("tick", b"", &PLAIN).await,
                _ => pool.acquire().await.unwrap().request("name", b"", &PLAIN).await.map(drop),
            };
            used.unwrap();
            closing.await.unwrap().unwrap();
        }
    });
}

#[test]
fn closing_waits_for_what_is_in_flight() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let may = Arc::new(Semaphore::new(0));
        let server = serve(&meeting, "one", &may).await;
        let pool = Pool::new(["one"], config(&meeting).max(2)).unwrap();
        let lease = pool.acquire().await.unwrap();
        let call = tokio::spawn(pool.request("wait", b"", &PLAIN));
        until(|| server.peers().len() == 2).await;
        let closing = tokio::spawn({
            let pool = pool.clone();
            async move { pool.close().await }
        });
        until(|| pool.notify("tick", b"", &PLAIN).is_err()).await;
        assert_eq!(pool.acquire().await.unwrap_err().code(), Code::Closed);
        drop(lease);
        tokio::task::yield_now().await;
        assert!(!closing.is_finished());
        may.add_permits(1);
        assert_eq!(call.await.unwrap().unwrap().payload, b"one");
        closing.await.unwrap();
        until(|| server.peers().is_empty()).await;
        assert_eq!(pool.stats().size, 0);
    });
}

#[test]
fn a_pool_without_servers_or_connections_is_refused() {
    bounded(&one_thread(), async {
        let refused = [
            Pool::new([""; 0], PoolConfig::new()),
            Pool::new(["one"], PoolConfig::new().max(0)),
            Pool::new(["one"], PoolConfig::new().min(3).max(2)),
        ];
        for refused in refused {
            assert_eq!(refused.unwrap_err().code(), Code::InvalidArgument);
        }
        let meeting = Meeting::new(Transport::Sealed);
        let client = ClientConfig::from(&meeting.options);
        let pool = Pool::new(["nobody"], PoolConfig::new().client(client)).unwrap();
        assert_eq!(pool.acquire().await.unwrap_err().code(), Code::NoServer);
        assert_eq!(pool.request("name", b"", &PLAIN).await.unwrap_err().code(), Code::NoServer);
    });
    let error = Pool::new(["one"], PoolConfig::new()).unwrap_err();
    assert_eq!(error.code(), Code::InvalidArgument, "this is no tokio runtime");
}
