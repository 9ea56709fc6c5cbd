//! What clients and servers of one engine, and clients of one server, must not feel of each other.

use ringpost::tokio::{Client, ClientState, Handlers, SharedEngine};
use ringpost::{ClientConfig, Transport, WaitPolicy};

use super::two_processes::{Meeting, Process, WAIT_POLICY};
use super::{PLAIN, bounded, one_thread};

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
