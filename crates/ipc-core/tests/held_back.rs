//! What is left in the rings, or set aside, until this side has room for it: whatever makes room, it
//! is read on.

mod pair;

use std::time::{Duration, Instant};

use ipc_core::{Code, Draft, Engine, Kind, Lane, LinkId, ListenOptions, Overflow, Sent, id};
use pair::{Pair, ask, draft};

/// A pair whose server works on one request of a client at a time.
fn one_at_a_time(name: &str) -> Pair {
    Pair::connected_with(name, 1, |options| options.bounds.serving_max = 1)
}

/// Has the server wait for an answer of the client: requests are read all the same, and set aside.
fn call_back(pair: &mut Pair) {
    let link = pair.serving.links[0];
    ask(&mut pair.server, link, id::join(7, 1));
    pair.drive_until("asked", |pair| !pair.asking.messages.is_empty());
}

/// Asks, and is no longer interested in the answer soon.
fn ask_for_a_moment(pair: &mut Pair, link: LinkId, id: u64) {
    let code = pair.client.code("ask").unwrap();
    let timeout = Some(Duration::from_millis(20));
    let request = Draft { timeout, ..draft(Kind::Request, code, id) };
    pair.client.send(link, &request, &[]).unwrap();
    pair.client.flush();
}

/// Drives the server by itself, as if the client had stopped.
fn serve_until(pair: &mut Pair, what: &str, is_so: impl Fn(&Pair) -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so(pair) {
        assert!(Instant::now() < until, "never {what}");
        pair.server.drive(&mut pair.serving);
    }
}

fn served(pair: &Pair) -> Vec<u64> {
    pair.serving.messages.iter().map(|(_, id)| *id).collect()
}

#[test]
fn a_request_that_was_set_aside_comes_when_the_one_before_it_is_cancelled() {
    let mut pair = one_at_a_time("aside");
    call_back(&mut pair);
    let link = pair.asking.links[0];
    let ids = [0, 1, 2].map(|slot| id::join(slot, 1));
    for id in ids {
        ask(&mut pair.client, link, id);
    }
    pair.drive_until("served", |pair| !pair.serving.messages.is_empty());
    for (place, id) in ids.into_iter().enumerate() {
        pair.drive_until("served", |pair| served(pair) == ids[..=place]);
        assert!(pair.client.cancel(link, id));
        pair.client.flush();
    }
    pair.drive_until("cancelled", |pair| pair.serving.abandoned == ids);
}

#[test]
fn a_request_in_its_ring_comes_when_work_has_found_the_one_before_it_cancelled() {
    let mut pair = one_at_a_time("in-its-ring");
    let (link, there) = (pair.asking.links[0], pair.serving.links[0]);
    let ids = [0, 1].map(|slot| id::join(slot, 1));
    for id in ids {
        ask(&mut pair.client, link, id);
    }
    pair.drive_until("served", |pair| !pair.serving.messages.is_empty());
    for _ in 0..10 {
        pair.server.drive(&mut pair.serving);
    }
    assert_eq!(served(&pair), ids[..1]);
    assert!(pair.client.cancel(link, ids[0]));
    pair.client.flush();
    // As long work does that drives nothing.
    assert!(pair.server.read_cancels(there, &mut pair.serving));
    assert_eq!(pair.serving.abandoned, ids[..1]);
    serve_until(&mut pair, "served", |pair| served(pair) == ids);
}

#[test]
fn a_request_comes_when_the_one_before_it_has_expired_here() {
    for is_awaiting in [true, false] {
        let mut pair = one_at_a_time(if is_awaiting { "expired" } else { "expired-in-its-ring" });
        if is_awaiting {
            call_back(&mut pair);
        }
        let link = pair.asking.links[0];
        let ids = [0, 1].map(|slot| id::join(slot, 1));
        ask_for_a_moment(&mut pair, link, ids[0]);
        ask(&mut pair.client, link, ids[1]);
        serve_until(&mut pair, "served", |pair| served(pair) == ids);
        assert_eq!(pair.serving.abandoned, ids[..1]);
    }
}

#[test]
fn what_one_client_gave_up_makes_room_for_another() {
    let listen = ListenOptions { serving_max: Some(1), ..ListenOptions::default() };
    let mut pair = Pair::serving("shared", 2, &listen, |_| ());
    let (one, other) = (pair.asking.links[0], pair.asking.links[1]);
    let id = id::join(0, 1);
    ask_for_a_moment(&mut pair, one, id);
    pair.drive_until("served", |pair| !pair.serving.messages.is_empty());
    ask(&mut pair.client, other, id);
    // The first one's end has nothing more to say.
    serve_until(&mut pair, "both served", |pair| pair.serving.messages.len() == 2);
    assert_eq!(pair.serving.abandoned, [id]);
}

#[test]
fn what_is_set_aside_behind_a_request_that_was_cancelled_is_bounded() {
    let mut pair = Pair::connected_with("bounded", 1, |options| {
        options.bounds.serving_max = 1;
        options.bounds.backlog_max = 1 << 20;
    });
    call_back(&mut pair);
    let link = pair.asking.links[0];
    let ids = [0, 1].map(|slot| id::join(slot, 1));
    for id in ids {
        ask(&mut pair.client, link, id);
    }
    pair.drive_until("served", |pair| !pair.serving.messages.is_empty());
    let tick = draft(Kind::OneWay, pair.client.code("tick").unwrap(), 0);
    let is_refused = |pair: &mut Pair| {
        let sent = pair.client.send(link, &tick, &[0; 4096]);
        pair.client.flush();
        pair.server.drive(&mut pair.serving);
        sent.is_err()
    };
    let taken = (0..10_000).take_while(|_| !is_refused(&mut pair)).count();
    assert!(taken < 2_000, "{taken} times 4 KiB, with 1 MiB that may wait on each side");
    assert_eq!(served(&pair), ids[..1]);
    assert!(pair.client.cancel(link, ids[0]));
    pair.client.flush();
    pair.drive_until("all have come", |pair| pair.serving.messages.len() == 2 + taken);
}

#[test]
fn a_peer_for_which_too_much_waited_is_read_again_when_that_was_dropped() {
    let mut pair = Pair::connected_with("dropped", 1, |options| {
        options.bounds.overflow = [Overflow::Wait(Duration::from_millis(20)); Lane::ALL.len()];
        options.bounds.backlog_max = 256 << 10;
    });
    let (link, there) = (pair.asking.links[0], pair.serving.links[0]);
    let tick = draft(Kind::OneWay, pair.server.code("tick").unwrap(), 0);
    while pair.server.send(there, &tick, &[0; 64 << 10]).is_ok_and(|sent| sent != Sent::Dropped) {
        pair.server.flush();
    }
    let id = id::join(0, 1);
    ask(&mut pair.client, link, id);
    for _ in 0..10 {
        pair.server.drive(&mut pair.serving);
    }
    assert_eq!(served(&pair), []);
    serve_until(&mut pair, "served", |pair| served(pair) == [id]);
}

#[test]
fn what_arrived_compressed_is_not_delivered_to_a_host_that_takes_nothing() {
    let mut pair = Pair::connected("unpacked", 1);
    let (link, there) = (pair.asking.links[0], pair.serving.links[0]);
    let code = pair.client.code("ask").unwrap();
    let request = Draft { compress: true, ..draft(Kind::Request, code, id::join(0, 1)) };
    pair.client.send(link, &request, &[]).unwrap();
    pair.client.flush();
    pair.drive_until("served", |pair| served(pair) == [request.id]);
    let answer = Draft { compress: true, ..draft(Kind::Reply, 0, request.id) };
    pair.server.send(there, &answer, &vec![0; 4 << 20]).unwrap();
    pair.server.flush();
    // All of it has arrived at once, and takes some turns to be unpacked.
    while pair.client.link_stats(link).unwrap().bytes_received == 0 {
        pair.client.drive(&mut pair.asking);
    }
    pair.asking.is_full = true;
    for _ in 0..1000 {
        pair.client.drive(&mut pair.asking);
    }
    assert_eq!(pair.asking.messages, []);
    pair.asking.is_full = false;
    pair.client.resume(link);
    pair.drive_until("answered", |pair| pair.asking.messages == [(link, request.id)]);
}

/// A pair whose client waits for an answer and takes nothing else, while its server has sent so
/// many one-way messages as well, of 16 KiB, and dies.
fn held_back_of_the_dead(name: &str, events: usize) -> (Pair, u64) {
    let mut pair = Pair::connected_with(name, 1, |options| {
        options.bounds.backlog_max = 64 << 10;
    });
    let (link, there) = (pair.asking.links[0], pair.serving.links[0]);
    let id = id::join(0, 1);
    ask(&mut pair.client, link, id);
    pair.drive_until("asked", |pair| !pair.serving.messages.is_empty());
    pair.asking.is_busy = true;
    let tick = draft(Kind::OneWay, pair.server.code("tick").unwrap(), 0);
    for _ in 0..events {
        assert_eq!(pair.server.send(there, &tick, &[0; 16 << 10]).unwrap(), Sent::Written);
    }
    pair.server.flush();
    pair.server = Engine::new().unwrap();
    (pair, id)
}

/// Drives the client by itself.
fn ask_until(pair: &mut Pair, what: &str, is_so: impl Fn(&Pair) -> bool) {
    let until = Instant::now() + Duration::from_secs(10);
    while !is_so(pair) {
        assert!(Instant::now() < until, "never {what}");
        pair.client.drive(&mut pair.asking);
    }
}

#[test]
fn what_a_dead_peer_was_asked_ends_though_what_it_has_sent_is_held_back() {
    // As much as may be set aside, or more.
    for events in [1, 16] {
        let (mut pair, id) = held_back_of_the_dead(&format!("died-{events}"), events);
        ask_until(&mut pair, "ended", |pair| pair.asking.ended == [(id, Code::PeerLost)]);
        assert!(pair.asking.messages.is_empty() && pair.asking.closed.is_empty());
        let link = pair.asking.links[0];
        pair.asking.is_busy = false;
        pair.client.resume(link);
        let closed = [(link, Some(Code::PeerLost))];
        ask_until(&mut pair, "closed", |pair| pair.asking.closed == closed);
        assert_eq!(pair.asking.messages.len(), events);
    }
}

#[test]
fn a_connection_to_a_dead_peer_is_closed_though_what_it_has_sent_is_held_back() {
    for takes_nothing in [false, true] {
        let (mut pair, id) = held_back_of_the_dead(&format!("closed-{takes_nothing}"), 16);
        let link = pair.asking.links[0];
        pair.asking.is_full = takes_nothing;
        // Until it is known that the peer is dead, and longer.
        for _ in 0..1000 {
            pair.client.drive(&mut pair.asking);
        }
        assert_eq!(pair.asking.closed, []);
        pair.client.close(link, &mut pair.asking);
        ask_until(&mut pair, "closed", |pair| pair.asking.closed == [(link, None)]);
        let ended = if takes_nothing { Code::Closed } else { Code::PeerLost };
        assert_eq!(pair.asking.ended, [(id, ended)]);
        assert!(pair.asking.messages.is_empty());
    }
}
