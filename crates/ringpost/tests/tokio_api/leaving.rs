//! Whether peers are there, and leaving them in good order.

use std::time::{Duration, Instant};

use ipc_core::{
    Body, BufferId, Codec, Corrupt, Draft, Engine, Event, Host, Kind, Lane, LinkId, Message,
};
use ringpost::tokio::{Client, Handlers, Request, Server};
use ringpost::{Change, ClientConfig, Code, Options, Reply, ServerConfig, Transport};
use tokio::sync::mpsc;

use super::two_processes::{Meeting, WAIT_POLICY};
use super::{PLAIN, against_a_server, bounded, one_thread, several_threads, with_a_client};

/// Longer than a busy machine keeps a thread from running.
const AFTER: Duration = Duration::from_secs(1);

/// A server in this process whose handler of `work` answers when it is told to.
async fn at_work(options: &Options) -> (Server, Client, mpsc::UnboundedSender<()>) {
    let (go, going) = mpsc::unbounded_channel();
    let going = std::sync::Arc::new(tokio::sync::Mutex::new(going));
    let handlers = Handlers::new().handle("work", move |_| {
        let going = std::sync::Arc::clone(&going);
        async move {
            going.lock().await.recv().await;
            Ok(Reply::bytes("done"))
        }
    });
    let (server, client, _) = with_a_client(options, handlers).await;
    (server, client, go)
}

#[test]
fn pings_are_answered_in_both_directions_and_many_at_once() {
    against_a_server(|client, _| async move {
        let never = client.request("never", b"", &PLAIN);
        for _ in 0..100 {
            assert!(client.ping().await.unwrap() < WAIT_POLICY);
        }
        let all: Vec<_> = (0..1000)
            .map(|_| {
                let client = client.clone();
                tokio::spawn(async move { client.ping().await })
            })
            .collect();
        for ping in all {
            ping.await.unwrap().unwrap();
        }
        drop(never);
    });
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (server, client, link) = with_a_client(&meeting.options, Handlers::new()).await;
        assert!(server.ping(link).await.unwrap() < WAIT_POLICY);
        client.close().await;
        assert_eq!(client.ping().await.unwrap_err().code(), Code::Closed);
    });
}

#[test]
fn a_blocked_runtime_is_unresponsive_until_it_turns() {
    let meeting = Meeting::new(Transport::Sealed);
    let (blocked, turning) = (one_thread(), one_thread());
    let server = bounded(&blocked, async {
        Server::bind("demo", &ServerConfig::from(&meeting.options)).await.unwrap()
    });
    let (go_on, going_on) = std::sync::mpsc::channel::<()>();
    let (block, is_blocked) = std::sync::mpsc::channel::<()>();
    let running = std::thread::spawn(move || {
        blocked.block_on(async {
            let Some(Change::Connected(..)) = server.next_change().await else { panic!() };
            // The whole runtime, and not only a task.
            block.send(()).unwrap();
            going_on.recv().unwrap();
            server.next_change().await
        })
    });
    bounded(&turning, async {
        let mut config = ClientConfig::from(&meeting.options);
        config.options.bounds.unresponsive_after = AFTER;
        let client = Client::connect("demo", &config).await.unwrap();
        is_blocked.recv().unwrap();
        client.notify("tick", b"", &PLAIN).unwrap();
        assert!(client.unresponsive().await && client.is_unresponsive());
        go_on.send(()).unwrap();
        assert!(client.responsive().await && !client.is_unresponsive());
        client.close().await;
        assert!(!client.unresponsive().await, "it is over");
    });
    assert!(matches!(running.join().unwrap(), Some(Change::Closed(_, None))));
}

#[test]
fn a_server_that_leaves_answers_first_and_its_clients_close() {
    for runtime in [one_thread(), several_threads()] {
        bounded(&runtime, async {
            let meeting = Meeting::new(Transport::Sealed);
            let (server, client, go) = at_work(&meeting.options).await;
            let answer = client.request("work", b"", &PLAIN);
            // Behind the request.
            client.ping().await.unwrap();
            let leaving = tokio::spawn({
                let server = server.clone();
                async move { server.close_gracefully(WAIT_POLICY).await }
            });
            assert!(client.leaving().await && client.is_leaving());
            let refused = client.request("work", b"", &PLAIN).await.unwrap_err();
            assert_eq!(refused.code(), Code::Closed);
            assert!(refused.to_string().contains("the peer is leaving"), "{refused}");
            let error =
                Client::connect("demo", &ClientConfig::from(&meeting.options)).await.err().unwrap();
            assert_eq!(error.code(), Code::NoServer);
            go.send(()).unwrap();
            assert_eq!(answer.await.unwrap().payload, b"done");
            leaving.await.unwrap();
            assert!(client.closed().await.is_none());
            assert!(!client.leaving().await, "it is over");
        });
    }
}

/// A client's engine that is driven by its test alone.
#[derive(Default)]
struct Asking {
    link: Option<LinkId>,
    answers: Vec<Vec<u8>>,
    /// It was told that its server leaves.
    is_left: bool,
    is_over: bool,
}

impl Host for Asking {
    fn message(&mut self, _: LinkId, _: &Message, body: Body<'_>) -> Result<(), Corrupt> {
        let mut answer = Vec::new();
        body.append_to(&mut answer)?;
        self.answers.push(answer);
        Ok(())
    }

    fn open(&mut self, _: LinkId, _: &Message) -> BufferId {
        BufferId(0)
    }

    fn fill(&mut self, _: BufferId, _: usize, _: Body<'_>) -> Result<(), Corrupt> {
        Ok(())
    }

    fn finish(&mut self, _: LinkId, _: &Message, _: BufferId) {}

    fn discard(&mut self, _: BufferId) {}

    fn event(&mut self, event: Event<'_>) {
        match event {
            Event::Connected { link, .. } => self.link = Some(link),
            Event::Leaving { .. } => self.is_left = true,
            Event::Closed { .. } => self.is_over = true,
            _ => {}
        }
    }
}

#[test]
fn a_client_that_was_let_in_is_served_by_a_server_that_leaves() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let config = ServerConfig::from(&meeting.options);
        let handlers = Handlers::new().handle("work", |_| async { Ok(Reply::bytes("done")) });
        let server = Server::bind_with("demo", &config, handlers).await.unwrap();
        let (mut engine, mut asking) = (Engine::new().unwrap(), Asking::default());
        engine.connect("demo", &meeting.options, WAIT_POLICY).unwrap();
        engine.drive(&mut asking);
        assert!(engine.arm() && engine.sleep(None, WAIT_POLICY).is_ok());
        // WELCOME is there, and is not read before the server has given its name up.
        let closing = tokio::spawn(async move { server.close_gracefully(WAIT_POLICY).await });
        let another = ClientConfig::from(&meeting.options);
        while Client::connect("demo", &another).await.is_ok() {}

        let code = engine.code("work").unwrap();
        let id = ipc_core::id::join(0, 1);
        let draft = Draft::one_way(code, Lane::Normal, Codec::Bytes);
        let draft = Draft { kind: Kind::Request, id, ..draft };
        let mut was_asked = false;
        while asking.answers.is_empty() {
            assert!(!asking.is_over);
            engine.drive(&mut asking);
            // A server that is faster than this thread has been read before.
            if let Some(link) = asking.link.filter(|_| !was_asked) {
                was_asked = true;
                engine.send(link, &draft, b"").unwrap();
                engine.flush();
            }
            tokio::task::yield_now().await;
        }
        assert_eq!(asking.answers, [b"done"]);
        while !asking.is_left {
            engine.drive(&mut asking);
            tokio::task::yield_now().await;
        }
        engine.close(asking.link.unwrap(), &mut asking);
        while !asking.is_over {
            engine.drive(&mut asking);
        }
        closing.await.unwrap();
    });
}

#[test]
fn a_server_waits_no_longer_than_it_wants_to() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (server, client, _go) = at_work(&meeting.options).await;
        let never = client.request("work", b"", &PLAIN);
        client.ping().await.unwrap();
        let since = Instant::now();
        server.close_gracefully(Duration::from_millis(50)).await;
        assert!(since.elapsed() >= Duration::from_millis(50));
        assert_eq!(never.await.unwrap_err().code(), Code::PeerLost);
    });
}

#[test]
fn a_client_that_leaves_gets_its_answers_and_its_server_learns_of_it() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (server, client, go) = at_work(&meeting.options).await;
        let answer = client.request("work", b"", &PLAIN);
        let leaving = tokio::spawn({
            let client = client.clone();
            async move { client.close_gracefully(WAIT_POLICY).await }
        });
        let Some(Change::Leaving(link)) = server.next_change().await else { panic!() };
        assert!(server.link_stats(link).is_some());
        let refused = client.request("work", b"", &PLAIN).await.unwrap_err();
        assert!(refused.to_string().contains("this side is leaving"), "{refused}");
        go.send(()).unwrap();
        assert_eq!(answer.await.unwrap().payload, b"done");
        leaving.await.unwrap();
        assert!(matches!(server.next_change().await, Some(Change::Closed(of, None)) if of == link));
    });
}

#[test]
fn one_way_messages_before_a_farewell_are_handled() {
    bounded(&several_threads(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (heard, mut hearing) = mpsc::unbounded_channel();
        let handlers = Handlers::new().handle("say", move |request: Request| {
            let heard = heard.clone();
            async move {
                tokio::task::yield_now().await;
                heard.send(request.payload.len()).unwrap();
                Ok(Reply::default())
            }
        });
        let server = Server::bind("demo", &ServerConfig::from(&meeting.options)).await.unwrap();
        let config = ClientConfig::from(&meeting.options).reconnect(false);
        let client = Client::connect_with("demo", &config, handlers).await.unwrap();
        let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
        for len in 0..500 {
            server.notify(link, "say", &vec![0; len], &PLAIN).unwrap();
        }
        server.close_gracefully(WAIT_POLICY).await;
        for len in 0..500 {
            assert_eq!(hearing.recv().await, Some(len));
        }
        assert!(client.closed().await.is_none());
    });
}
