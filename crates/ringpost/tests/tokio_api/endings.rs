//! How connections, servers and runtimes end.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use ringpost::tokio::{Client, Handlers, Request, Server, SharedEngine};
use ringpost::{Change, ClientConfig, Code, Reply, ServerConfig, Transport, WaitPolicy};

use super::two_processes::{Meeting, Process, WAIT_POLICY};
use super::{
    Dropped, PLAIN, against_a_server, bounded, connect, one_thread, several_threads, with_a_client,
};

#[test]
fn a_closed_client_says_goodbye_and_says_so() {
    against_a_server(|client, _| async move {
        let waiting = client.request("never", b"", &PLAIN);
        client.close().await;
        assert_eq!(waiting.await.unwrap_err().code(), Code::Closed);
        assert!(client.closed().await.is_none());
        assert!(client.is_closed() && client.link_stats().is_none());
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
        let (server, client, link) = with_a_client(&meeting.options, handlers).await;
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
            let server = Server::bind("demo", &ServerConfig::from(&meeting.options)).await.unwrap();
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
            let server = Server::bind("demo", &ServerConfig::from(&meeting.options)).await.unwrap();
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
    gone.shutdown_timeout(WAIT_POLICY);
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
        let error =
            Client::connect("demo", &ClientConfig::from(&meeting.options)).await.err().unwrap();
        assert_eq!(error.code(), Code::NoServer);
    });
    let config = ClientConfig::from(&meeting.options);
    let connecting = Client::connect("demo", &config);
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
    is_shared::<ringpost::tokio::Cancellation>();
    fn is_sent<T: Send + 'static>() {}
    is_sent::<ringpost::tokio::Call>();
    let _ = Process::kill;
}

#[test]
fn a_server_takes_a_name_over_and_the_old_one_keeps_its_connections() {
    for runtime in [one_thread(), several_threads()] {
        bounded(&runtime, async {
            let meeting = Meeting::new(Transport::Sealed);
            let handlers = |name: &'static str| {
                Handlers::new().handle("who", move |_| async move { Ok(Reply::bytes(name)) })
            };
            let config = ServerConfig::from(&meeting.options);
            let (old, early, _) = with_a_client(&meeting.options, handlers("old")).await;
            // Engines of others may be asleep when they are asked to take over.
            let engine = SharedEngine::new(WaitPolicy::NONE).unwrap();
            let elsewhere = Server::bind_on(&engine, "elsewhere", &config, Handlers::new());
            let elsewhere = elsewhere.await.unwrap();
            tokio::time::sleep(Duration::from_millis(50)).await;
            let taking = config.clone().take_over(true);
            let young = Server::bind_on(&engine, "demo", &taking, handlers("young"));
            let young = young.await.unwrap();
            let change = old.next_change().await;
            assert!(matches!(change, Some(Change::TakenOver)), "{change:?}");
            let late = connect(&meeting.options).await;
            for (client, name) in [(&early, "old"), (&late, "young")] {
                let reply = client.request("who", b"", &PLAIN).await.unwrap();
                assert_eq!(reply.payload, name.as_bytes());
            }
            old.close().await;
            assert!(connect(&meeting.options).await.request("who", b"", &PLAIN).await.is_ok());
            // Within one engine, and with a token that is not the server's.
            let wrong = taking.clone().token("guessed");
            let again = Server::bind_on(&engine, "demo", &taking, handlers("again")).await;
            let _again = again.unwrap();
            until_taken_over(&young).await;
            let guarded = config.clone().token("secret");
            let _guarded = Server::bind_on(&engine, "guarded", &guarded, Handlers::new()).await;
            let refused = Server::bind_on(&engine, "guarded", &wrong, Handlers::new()).await;
            assert_eq!(refused.err().unwrap().code(), Code::Token);
            drop(elsewhere);
        });
    }
}

async fn until_taken_over(server: &Server) {
    while !matches!(server.next_change().await, Some(Change::TakenOver)) {}
}
