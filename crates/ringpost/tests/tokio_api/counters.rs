//! What clients and servers count.

use ringpost::tokio::{Handlers, Request};
use ringpost::{Code, RemoteError, Reply, Transport};

use super::two_processes::Meeting;
use super::{PLAIN, against_a_server, bounded, connect, one_thread, with_a_client};

const HEADER: u64 = 24;

#[test]
fn bytes_times_and_failures_are_counted_by_the_client() {
    against_a_server(|client, _| async move {
        for _ in 0..10 {
            client.request("echo", &[7; 1000], &PLAIN).await.unwrap();
        }
        let before = client.stats();
        client.request("echo", &[7; 1000], &PLAIN).await.unwrap();
        let after = client.stats();
        for bytes in [
            after.links.bytes_sent - before.links.bytes_sent,
            after.links.bytes_received - before.links.bytes_received,
        ] {
            assert!((HEADER + 1000..HEADER + 1024).contains(&bytes), "{bytes}");
        }
        client.request("fail", b"", &PLAIN).await.unwrap_err();
        client.request("none", b"", &PLAIN).await.unwrap_err();
        let soon = PLAIN.timeout(std::time::Duration::from_millis(5));
        client.request("never", b"", &soon).await.unwrap_err();
        drop(client.request("never", b"", &PLAIN));
        client.close().await;
        let stats = client.stats();
        assert_eq!(stats.links.latency.count, 13);
        let latency = stats.links.latency;
        assert!(latency.p50 <= latency.p95 && latency.p95 <= latency.p99);
        assert!(
            !latency.p50.is_zero() && latency.p99 <= latency.max && latency.mean <= latency.max
        );
        assert_eq!((stats.links.failed, stats.links.timed_out), (2, 1));
        let errors: Vec<_> = stats.errors.iter().collect();
        assert_eq!(errors, [(Code::Timeout, 1), (Code::UnknownMethod, 1), (Code::Handler, 1)],);
        assert_eq!(stats.errors.get(Code::PeerLost), 0);
        assert_eq!((stats.connections, stats.connections_total), (0, 1));
        assert!(client.link_stats().is_none());
    });
}

#[test]
fn a_server_counts_for_all_of_its_clients_those_that_have_gone_included() {
    let meeting = Meeting::new(Transport::Sealed);
    bounded(&one_thread(), async {
        let handlers = Handlers::new()
            .handle("echo", |request: Request| async move { Ok(Reply::bytes(request.payload)) })
            .handle("ask back", |request: Request| async move {
                request.request("mine", b"", &PLAIN).await.map_err(RemoteError::from)
            });
        let (server, first, link) = with_a_client(&meeting.options, handlers).await;
        first.handle("mine", |_| async { Err(RemoteError::new("E_MINE", "no")) });
        let second = connect(&meeting.options).await;
        for client in [&first, &second] {
            client.request("echo", b"hello", &PLAIN).await.unwrap();
        }
        first.request("ask back", b"", &PLAIN).await.unwrap_err();
        first.notify("unheard of", b"", &PLAIN).unwrap();
        first.request("echo", b"", &PLAIN).await.unwrap();
        let gone = server.link_stats(link).unwrap();
        let during = server.stats();
        assert_eq!((during.connections, during.connections_total), (2, 2));
        assert!(during.links.received > gone.received);
        first.close().await;
        server.disconnect(link).await.unwrap();
        let after = server.stats();
        assert_eq!((after.connections, after.connections_total, after.unhandled), (1, 2, 1));
        assert!(after.links.received >= during.links.received);
        assert!(after.links.bytes_received >= during.links.bytes_received);
        assert_eq!(after.links.latency.count, 1);
        assert_eq!(after.errors.iter().collect::<Vec<_>>(), [(Code::Handler, 1)]);
    });
}
