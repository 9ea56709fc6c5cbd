//! Streams, with the traits of futures and without, from tasks and from threads that wait.

use std::future::poll_fn;
use std::pin::Pin;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use futures_core::Stream;
use futures_sink::Sink;
use ringpost::blocking::{self, Answer};
use ringpost::tokio::{Handlers, Request, Streaming};
use ringpost::{
    CallOptions, ClientConfig, Code, Options, RemoteError, Reply, ServerConfig, Transport,
    WINDOW_MIN,
};

use tokio::sync::Notify;

use super::two_processes::{Meeting, TRANSPORTS};
use super::{PLAIN, against_a_server, bounded, connect, one_thread, with_a_client};

const NARROW: CallOptions = PLAIN.window(WINDOW_MIN);

pub fn handlers(handlers: Handlers) -> Handlers {
    let ending = Arc::new(Notify::new());
    let ended = Arc::clone(&ending);
    handlers
        .handle("both ways", |mut request: Request| async move {
            let (items, mut count) = (request.take_stream()?, 0u64);
            while let Some(item) = items.next().await? {
                items.send(&item.payload).await?;
                count += 1;
            }
            Ok(Reply::bytes(count.to_le_bytes()))
        })
        .handle("endless", |mut request: Request| async move {
            let items = request.take_stream()?;
            loop {
                items.send(b"more").await?;
                tokio::task::consume_budget().await;
            }
        })
        .handle("unread", move |mut request: Request| {
            let ending = Arc::clone(&ending);
            async move {
                let _items = request.take_stream()?;
                ending.notified().await;
                Err::<Reply, _>(RemoteError::new("E_UNREAD", "nobody reads this"))
            }
        })
        .handle("end the unread", move |_| {
            ended.notify_one();
            async { Ok(Reply::default()) }
        })
}

/// The same from a thread that waits and serves one stream after the other.
pub fn serve_waiting(options: &Options) {
    let mut server = blocking::Server::bind("demo", &ServerConfig::from(options)).unwrap();
    let tickets = Arc::new(Mutex::new(Vec::new()));
    let asked = Arc::clone(&tickets);
    server.handle("both ways", move |request, _| {
        asked.lock().unwrap().push(request.ticket());
        Ok(Answer::Later)
    });
    loop {
        server.turn(Duration::from_secs(1)).unwrap();
        let Some(ticket) = tickets.lock().unwrap().pop() else { continue };
        let mut items = server.take_stream(&ticket).unwrap();
        let mut count = 0u64;
        let served = loop {
            match items.next() {
                Ok(Some(item)) => {
                    if let Err(error) = items.send(&item.payload) {
                        break Err(error);
                    }
                    count += 1;
                }
                Ok(None) => break Ok(Reply::bytes(count.to_le_bytes())),
                Err(error) => break Err(error),
            }
        };
        drop(items);
        let served = served.map_err(RemoteError::from);
        // The caller may be gone by now.
        let _ = server.answer(&ticket, served.as_ref());
    }
}

async fn echo(stream: Streaming, count: u64) {
    let upload = async {
        for number in 0..count {
            stream.send(&number.to_le_bytes()).await.unwrap();
        }
        stream.finish();
    };
    let read = async {
        for number in 0..count {
            let item = stream.next().await.unwrap().expect("so many come back");
            assert_eq!(item.payload, number.to_le_bytes());
        }
    };
    tokio::join!(upload, read);
    assert_eq!(stream.reply().await.unwrap().payload, count.to_le_bytes());
}

#[test]
fn items_go_both_ways_at_once() {
    against_a_server(|client, _| async move {
        echo(client.stream("both ways", b"", &NARROW).unwrap(), 5000).await;
        echo(client.stream("both ways", b"", &PLAIN).unwrap(), 0).await;
        assert_eq!(client.link_stats().unwrap().calls, 0);
    });
}

#[test]
fn a_server_asks_its_client_for_a_stream() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        bounded(&one_thread(), async {
            let (server, client, link) = with_a_client(&meeting.options, Handlers::new()).await;
            let refused = server.stream(link, "both ways", b"", &PLAIN).unwrap();
            let error = refused.next().await.unwrap_err();
            assert_eq!(error.as_remote().unwrap().code.as_deref(), Some("ERR_UNKNOWN_METHOD"));
            assert!(refused.next().await.unwrap().is_none());
            client.handle("both ways", |mut request: Request| async move {
                let (items, mut count) = (request.take_stream()?, 0u64);
                while let Some(item) = items.next().await? {
                    items.send(&item.payload).await?;
                    count += 1;
                }
                Ok(Reply::bytes(count.to_le_bytes()))
            });
            echo(server.stream(link, "both ways", b"", &PLAIN).unwrap(), 1000).await;
        });
    }
}

#[test]
fn it_is_a_stream_and_a_sink() {
    against_a_server(|client, _| async move {
        let mut stream = client.stream("both ways", b"", &PLAIN).unwrap();
        let mut pinned = Pin::new(&mut stream);
        for item in [&b"one"[..], b"", b"three"] {
            poll_fn(|context| pinned.as_mut().poll_ready(context)).await.unwrap();
            pinned.as_mut().start_send(item.to_vec()).unwrap();
        }
        poll_fn(|context| pinned.as_mut().poll_flush(context)).await.unwrap();
        poll_fn(|context| pinned.as_mut().poll_close(context)).await.unwrap();
        let mut found = Vec::new();
        while let Some(item) = poll_fn(|context| pinned.as_mut().poll_next(context)).await {
            found.push(item.unwrap().payload);
        }
        assert_eq!(found, [&b"one"[..], b"", b"three"]);
        assert_eq!(stream.reply().await.unwrap().payload, 3u64.to_le_bytes());
    });
}

#[test]
fn dropping_it_cancels_it_and_a_deadline_ends_it() {
    against_a_server(|client, _| async move {
        let stream = client.stream("endless", b"", &NARROW).unwrap();
        for _ in 0..500 {
            assert_eq!(stream.next().await.unwrap().unwrap().payload, b"more");
        }
        drop(stream);
        assert_eq!(client.link_stats().unwrap().calls, 0);
        let timeout = Some(Duration::from_millis(30));
        let stream = client.stream("endless", b"", &PLAIN.timeout(timeout)).unwrap();
        assert_eq!(stream.reply().await.unwrap_err().code(), Code::Timeout);
    });
}

#[test]
fn whoever_writes_what_nobody_reads_waits_and_hears_of_the_end() {
    against_a_server(|client, _| async move {
        let stream = client.stream("unread", b"", &NARROW).unwrap();
        // A window, and the one that goes beyond it.
        for _ in 0..4 {
            stream.send(&[0; 1000]).await.unwrap();
        }
        let (beyond, ended) =
            tokio::join!(stream.send(&[0; 1000]), client.request("end the unread", b"", &PLAIN));
        ended.unwrap();
        assert_eq!(beyond.unwrap_err().code(), Code::Cancelled);
        let error = stream.reply().await.unwrap_err();
        assert_eq!(error.as_remote().unwrap().code.as_deref(), Some("E_UNREAD"));
    });
}

#[test]
fn a_thread_that_waits_asks_for_streams() {
    against_a_server(|_, options| async move {
        let asking = tokio::task::spawn_blocking(move || {
            let mut client =
                blocking::Client::connect("demo", &ClientConfig::from(&options)).unwrap();
            let mut stream = client.stream("both ways", b"", &NARROW).unwrap();
            for number in 0..2000u64 {
                stream.send(&number.to_le_bytes()).unwrap();
                let item = stream.next().unwrap().expect("it comes back");
                assert_eq!(item.payload, number.to_le_bytes());
            }
            stream.finish();
            assert!(stream.next().unwrap().is_none());
            assert_eq!(stream.reply().unwrap().payload, 2000u64.to_le_bytes());
            let mut endless = client.stream("endless", b"", &NARROW).unwrap();
            assert_eq!(endless.next().unwrap().expect("an item").payload, b"more");
            drop(endless);
            assert_eq!(client.link_stats().unwrap().calls, 0);
        });
        asking.await.unwrap();
    });
}

#[test]
fn a_thread_that_waits_answers_streams() {
    for transport in TRANSPORTS {
        let meeting = Meeting::new(transport);
        let _server = meeting.run("waiting server");
        bounded(&one_thread(), async {
            let client = connect(&meeting.options).await;
            echo(client.stream("both ways", b"", &NARROW).unwrap(), 3000).await;
            // One that is dropped is no trouble for the next.
            let stream = client.stream("both ways", b"", &NARROW).unwrap();
            stream.send(b"item").await.unwrap();
            drop(stream);
            echo(client.stream("both ways", b"", &PLAIN).unwrap(), 10).await;
        });
    }
}

#[test]
fn a_death_in_the_middle_of_a_stream_is_told_once() {
    let meeting = Meeting::new(Transport::Sealed);
    let server = meeting.run("server");
    bounded(&one_thread(), async {
        let client = connect(&meeting.options).await;
        let stream = client.stream("endless", b"", &PLAIN).unwrap();
        assert!(stream.next().await.unwrap().is_some());
        drop(server);
        let mut ends = Vec::new();
        while let Some(item) = stream.next().await.transpose() {
            ends.extend(item.err().map(|error| error.code()));
        }
        assert_eq!(ends, [Code::PeerLost]);
    });
}
