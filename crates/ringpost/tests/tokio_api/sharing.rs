//! What clients and servers of one engine, and clients of one server, must not feel of each other.

use ringpost::tokio::{Client, ClientState, Handlers, Request, Server, SharedEngine};
use ringpost::{Change, ClientConfig, Code, LinkId, Reply, ServerConfig, Transport, WaitPolicy};

use super::two_processes::{Meeting, Process, WAIT_POLICY};
use super::{PLAIN, bounded, connect, one_thread, with_a_client};

async fn connect_on(engine: &SharedEngine, meeting: &Meeting) -> Client {
    let config = ClientConfig::from(&meeting.options).wait_for_server(WAIT_POLICY);
    Client::connect_on(engine, "demo", &config, Handlers::new()).await.unwrap()
}

/// Kills the server, and waits until its client has noticed.
async fn lose(server: &mut Process, client: &Client) {
    server.kill();
    assert_eq!(client.state_changed(ClientState::Open).await, ClientState::Reconnecting);
}

#[test]
fn a_call_that_is_left_of_a_client_takes_nothing_from_the_one_that_came_in_its_place() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let engine = SharedEngine::new(WaitPolicy::DEFAULT).unwrap();
        let mut server = meeting.run("server");
        let first = connect_on(&engine, &meeting).await;
        lose(&mut server, &first).await;
        let left = first.request("echo", b"", &PLAIN);
        drop(first);
        let mut server = meeting.run("server");
        // The first of these may still have come beside the client that is gone.
        let others = [connect_on(&engine, &meeting).await, connect_on(&engine, &meeting).await];
        server.kill();
        let mut calls = Vec::new();
        for other in &others {
            assert_eq!(other.state_changed(ClientState::Open).await, ClientState::Reconnecting);
            calls.push(other.request("echo", b"it waits", &PLAIN));
        }
        drop(left);
        for other in &others {
            assert_eq!(other.session_stats().waiting, 1);
        }
        let _server = meeting.run("server");
        for call in calls {
            assert_eq!(call.await.unwrap().payload, b"it waits");
        }
    });
}

/// A client of a server that takes one request at a time from it, and its connection there.
async fn come_in_narrow(server: &Server, meeting: &Meeting) -> (Client, LinkId) {
    let mut options = meeting.options.clone();
    options.limits.pending_max = 1;
    let client = connect(&options).await;
    let Some(Change::Connected(link, _)) = server.next_change().await else { panic!() };
    (client, link)
}

#[test]
fn requests_to_one_client_leave_another_all_that_was_agreed_with_it() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (server, wide, to_wide) = with_a_client(&meeting.options, Handlers::new()).await;
        let (narrow, to_narrow) = come_in_narrow(&server, &meeting).await;
        for client in [&wide, &narrow] {
            client.handle("echo", |request| async move { Ok(Reply::bytes(request.payload)) });
        }
        wide.handle("never", |_| std::future::pending());
        let calls = [b"1", b"2"].map(|payload| server.request(to_wide, "echo", payload, &PLAIN));
        for call in calls {
            call.await.unwrap();
        }
        let reply = server.request(to_narrow, "echo", b"3", &PLAIN).await.unwrap();
        assert_eq!(reply.payload, b"3");
        let _in_flight = [(), ()].map(|()| server.request(to_wide, "never", b"", &PLAIN));
        let reply = server.request(to_narrow, "echo", b"4", &PLAIN).await.unwrap();
        assert_eq!(reply.payload, b"4");
    });
}

#[test]
fn what_is_in_flight_on_two_connections_at_once_is_not_mixed_up() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let (server, wide, to_wide) = with_a_client(&meeting.options, Handlers::new()).await;
        let (narrow, to_narrow) = come_in_narrow(&server, &meeting).await;
        for (client, name) in [(&wide, "wide"), (&narrow, "narrow")] {
            client.handle("name", move |mut request: Request| async move {
                let items = request.take_stream()?;
                while let Some(item) = items.next().await? {
                    items.send(&[name.as_bytes(), &item.payload].concat()).await?;
                }
                Ok(Reply::bytes(name))
            });
        }
        let streams = [(to_narrow, "narrow"), (to_wide, "wide")]
            .map(|(link, name)| (server.stream(link, "name", b"", &PLAIN).unwrap(), name));
        for (stream, name) in &streams {
            stream.send(b" 1").await.unwrap();
            let item = stream.next().await.unwrap().unwrap();
            assert_eq!(item.payload, format!("{name} 1").into_bytes());
        }
        let refused = server.stream(to_narrow, "name", b"", &PLAIN).unwrap_err();
        assert_eq!(refused.code(), Code::TooManyPending);
        for (stream, name) in streams {
            assert_eq!(stream.reply().await.unwrap().payload, name.as_bytes());
        }
        let again = server.stream(to_narrow, "name", b"", &PLAIN).unwrap();
        drop(again);
        let again = server.stream(to_narrow, "name", b"", &PLAIN).unwrap();
        assert_eq!(again.reply().await.unwrap().payload, b"narrow");
    });
}

#[test]
fn what_waits_for_the_server_of_one_client_takes_no_room_from_another() {
    bounded(&one_thread(), async {
        let meeting = Meeting::new(Transport::Sealed);
        let engine = SharedEngine::new(WaitPolicy::DEFAULT).unwrap();
        let mut server = meeting.run("server");
        let away = connect_on(&engine, &meeting).await;
        lose(&mut server, &away).await;
        let waiting = [b"1", b"2"].map(|payload| away.request("echo", payload, &PLAIN));
        let mut options = meeting.options.clone();
        options.limits.pending_max = 1;
        let echo = Handlers::new()
            .handle("echo", |request: Request| async move { Ok(Reply::bytes(request.payload)) });
        let config = ServerConfig::from(&options);
        let _other = Server::bind_with("other", &config, echo).await.unwrap();
        let config = ClientConfig::from(&options);
        let there = Client::connect_on(&engine, "other", &config, Handlers::new()).await.unwrap();
        assert_eq!(there.request("echo", b"3", &PLAIN).await.unwrap().payload, b"3");
        let _server = meeting.run("server");
        for (call, payload) in waiting.into_iter().zip([b"1", b"2"]) {
            assert_eq!(call.await.unwrap().payload, payload);
        }
    });
}

#[test]
fn an_engine_whose_runtime_is_gone_takes_no_one() {
    for has_begun in [false, true] {
        let meeting = Meeting::new(Transport::Sealed);
        let engine = one_thread().block_on(async {
            let engine = SharedEngine::new(WaitPolicy::DEFAULT).unwrap();
            if has_begun {
                tokio::task::yield_now().await;
            }
            engine
        });
        bounded(&one_thread(), async {
            let config = ServerConfig::from(&meeting.options);
            let bound = Server::bind_on(&engine, "demo", &config, Handlers::new()).await;
            assert_eq!(bound.map(drop).unwrap_err().code(), Code::Closed);
            // Nobody has the name.
            let _server = Server::bind("demo", &config).await.unwrap();
            let config = ClientConfig::from(&meeting.options);
            let connected = Client::connect_on(&engine, "demo", &config, Handlers::new()).await;
            assert_eq!(connected.map(drop).unwrap_err().code(), Code::Closed);
        });
    }
}
