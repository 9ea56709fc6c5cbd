//! What an engine does for its host beside messages: alarms, finding deadlocks, and ends.

mod pair;

use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use ipc_core::{
    Code, Codec, CrcMode, Deferred, Draft, Engine, Error, HEADER_LEN, Kind, Lane, LinkId, Overflow,
    Sent, TRACE_LEN, Time, Trace, id, item_cost,
};
use pair::{Pair, Side, ask, draft};
use rustix::event::{PollFd, PollFlags, Timespec, poll};

/// Bytes that count who holds them.
struct Shared(Arc<Vec<u8>>);

impl Deferred for Shared {
    fn bytes(&self) -> Option<&[u8]> {
        Some(&self.0)
    }
}

#[test]
fn a_deferred_payload_is_released_when_its_message_is_written_or_withdrawn() {
    let mut pair = Pair::connected("deferred", 1);
    let link = pair.asking.links[0];
    let code = pair.client.code("work").unwrap();
    let (long, short) = (Arc::new(vec![1; 16 << 20]), Arc::new(vec![2; 1024]));
    let request = draft(Kind::Request, code, id::join(0, 1));
    let sent = pair.client.send_deferred(link, &request, Box::new(Shared(Arc::clone(&long))));
    assert_eq!(sent.unwrap(), Sent::Queued);
    assert_eq!(Arc::strong_count(&long), 2, "the rest of it waits for room");
    // The peer has seen some of it, so the message itself waits on, to be taken back.
    assert!(pair.client.cancel(link, request.id));
    assert_eq!(Arc::strong_count(&long), 1);
    let other = Draft { lane: Lane::High, ..draft(Kind::OneWay, code, 0) };
    let sent = pair.client.send_deferred(link, &other, Box::new(Shared(Arc::clone(&short))));
    assert_eq!(sent.unwrap(), Sent::Written);
    assert_eq!(Arc::strong_count(&short), 1, "it does not take the place of the other");
    pair.client.flush();
    pair.drive_until("received", |pair| !pair.serving.messages.is_empty());
    assert!(pair.serving.closed.is_empty() && pair.asking.closed.is_empty());
}

// ---- runs ----

/// A payload of a kilobyte that begins with its number.
fn numbered(number: u32) -> Vec<u8> {
    let mut payload = vec![7; 1024];
    payload[..4].copy_from_slice(&number.to_le_bytes());
    payload
}

#[test]
fn a_run_goes_on_behind_what_waits_and_overtakes_nothing() {
    let mut pair = Pair::connected_with("run", 1, |options| options.bounds.backlog_max = 1 << 20);
    let link = pair.asking.links[0];
    let tick = draft(Kind::OneWay, pair.client.code("tick").unwrap(), 0);
    let urgent = Draft { lane: Lane::High, ..tick };
    assert!(pair.client.run(link, &tick).is_none(), "the peer does not know the name");
    for one in [&urgent, &tick] {
        assert_eq!(pair.client.send(link, one, &numbered(0)).unwrap(), Sent::Written);
    }
    let mut count = 1;
    let mut run = pair.client.run(link, &tick).expect("nothing else is needed");
    assert_eq!(run.push(&vec![0; 8 << 20]), None, "it takes more than one frame");
    while run.push(&numbered(count)) == Some(Sent::Written) {
        count += 1;
    }
    assert_eq!(run.push(&numbered(count)), None, "the ring is full, and nothing waits");
    assert_eq!(pair.client.send(link, &tick, &numbered(count)).unwrap(), Sent::Queued);
    count += 1;
    pair.client.flush();
    pair.server.drive(&mut pair.serving);
    let mut other = pair.client.run(link, &urgent).unwrap();
    assert_eq!(other.push(&numbered(0)), None, "its lane has room, which is found out elsewhere");
    let mut run = pair.client.run(link, &tick).unwrap();
    assert_eq!(run.room(1 << 20), 0, "there is room, but one waits for it");
    while run.push(&numbered(count)) == Some(Sent::Queued) {
        count += 1;
    }
    let refused = pair.client.send(link, &tick, &numbered(count)).unwrap_err();
    assert_eq!(refused.code(), Code::Full);
    // The urgent one is the first.
    pair.drive_until("received", |pair| pair.serving.payloads.len() == count as usize + 1);
    let again = pair.client.run(link, &tick).and_then(|mut run| run.push(&numbered(count)));
    assert_eq!(again, Some(Sent::Written));
    pair.client.flush();
    pair.drive_until("received", |pair| pair.serving.payloads.len() > count as usize + 1);
    assert!((0..=count).map(numbered).eq(pair.serving.payloads[1..].iter().cloned()));
    assert_eq!(pair.client.link_stats(link).unwrap().sent, u64::from(count) + 2);
}

#[test]
fn what_waits_too_long_of_a_run_is_dropped() {
    let mut pair = Pair::connected_with("late", 1, |options| {
        options.bounds.overflow = [Overflow::Wait(Duration::from_millis(20)); Lane::ALL.len()];
    });
    let link = pair.asking.links[0];
    let tick = draft(Kind::OneWay, pair.client.code("tick").unwrap(), 0);
    while pair.client.send(link, &tick, &numbered(0)).unwrap() == Sent::Written {}
    let mut run = pair.client.run(link, &tick).unwrap();
    for _ in 0..10 {
        assert_eq!(run.push(&numbered(0)), Some(Sent::Queued));
    }
    std::thread::sleep(Duration::from_millis(21));
    pair.client.drive(&mut pair.asking);
    let dropped: u64 = pair.client.link_stats(link).unwrap().dropped.iter().sum();
    assert_eq!(dropped, 11);
    assert_eq!(pair.client.queued(link, Lane::Normal), 0);
}

#[test]
fn a_run_of_items_ends_with_its_credit() {
    let mut pair = Pair::connected("items", 1);
    let (link, there) = (pair.asking.links[0], pair.serving.links[0]);
    let code = pair.client.code("count").unwrap();
    let request = Draft { window: Some(4096), ..draft(Kind::Request, code, id::join(0, 1)) };
    pair.client.send(link, &request, &[]).unwrap();
    pair.client.flush();
    pair.drive_until("asked", |pair| !pair.serving.messages.is_empty());
    // The end of the items that go with a request is none of those that come back.
    pair.client.end_items(link, Lane::Normal, request.id);
    pair.client.flush();
    pair.server.drive(&mut pair.serving);
    let item = draft(Kind::ReplyItem, 0, request.id);
    let payload = [7; 100];
    assert_eq!(pair.server.send(there, &item, &payload).unwrap(), Sent::Written);
    let mut count = 1;
    let mut run = pair.server.run(there, &item).expect("nothing else is needed");
    while run.push(&payload) == Some(Sent::Written) {
        count += 1;
    }
    assert_eq!(count, 4096 / item_cost(payload.len()));
    assert_eq!(pair.server.credit(there, Kind::ReplyItem, request.id), Some(0));
    let refused = pair.server.send(there, &item, &payload).unwrap_err();
    assert_eq!(refused.code(), Code::Full);
    pair.server.flush();
    pair.drive_until("received", |pair| pair.asking.messages.len() as u64 == count);
    assert!(pair.asking.payloads.iter().all(|one| *one == payload));
    pair.client.cancel(link, request.id);
    pair.client.flush();
    pair.drive_until("cancelled", |pair| pair.serving.abandoned.contains(&request.id));
    let gone = pair.server.run(there, &item).is_none_or(|mut run| run.push(&payload).is_none());
    assert!(gone, "it is not wanted any more");
}

#[test]
fn messages_that_need_more_than_to_be_written_are_no_run() {
    let mut pair = Pair::connected("no-run", 1);
    let link = pair.asking.links[0];
    let tick = draft(Kind::OneWay, pair.client.code("tick").unwrap(), 0);
    pair.client.send(link, &tick, &[]).unwrap();
    assert!(pair.client.run(link, &tick).is_some());
    for other in [
        Draft { kind: Kind::Request, id: id::join(0, 1), ..tick },
        Draft { id: 1, ..tick },
        Draft { trace: Some(Trace::try_from(&[1; TRACE_LEN][..]).unwrap()), ..tick },
        Draft { compress: true, ..tick },
        Draft { lane: Lane::High, ..tick },
    ] {
        assert!(pair.client.run(link, &other).is_none(), "{other:?}");
    }
    pair.client.close(link, &mut pair.asking);
    assert!(pair.client.run(link, &tick).is_none(), "it is closing");
}

#[test]
fn messages_that_are_alike_are_copied_together_and_in_order() {
    for (crc, name) in [(CrcMode::Off, "off"), (CrcMode::Header, "head"), (CrcMode::Full, "full")] {
        let mut pair = Pair::connected_with(name, 1, |options| options.crc = crc);
        let link = pair.asking.links[0];
        pair.serving.room = vec![1; 64 << 10];
        let (tick, tock) = (pair.client.code("tick").unwrap(), pair.client.code("tock").unwrap());
        let payload = |number: usize| vec![number.to_le_bytes()[0]; number % 300 * (number % 7)];
        for number in 0..2000 {
            // Now and then another comes between, or one that is too long to be copied ahead.
            let code = if number % 50 == 49 { tock } else { tick };
            let one = if number % 400 == 399 { vec![7; 60_000] } else { payload(number) };
            pair.client.send(link, &draft(Kind::OneWay, code, 0), &one).unwrap();
        }
        pair.client.flush();
        pair.drive_until("received", |pair| pair.serving.payloads.len() == 2000);
        for (number, found) in pair.serving.payloads.iter().enumerate() {
            let is_long = number % 400 == 399;
            assert!(*found == if is_long { vec![7; 60_000] } else { payload(number) }, "{number}");
        }
        assert!(pair.serving.alike > 1000, "{} together", pair.serving.alike);
        assert_eq!(pair.server.link_stats(pair.serving.links[0]).unwrap().received, 2000);
    }
}

#[test]
fn messages_that_are_alike_leave_the_other_lanes_their_turn() {
    let mut pair = Pair::connected("turns", 1);
    let link = pair.asking.links[0];
    pair.serving.room = vec![1; 64 << 10];
    let code = pair.client.code("tick").unwrap();
    for (lane, count) in [(Lane::Normal, 500), (Lane::Low, 10)] {
        let tick = Draft::one_way(code, lane, Codec::Bytes);
        for _ in 0..count {
            pair.client.send(link, &tick, &[lane as u8]).unwrap();
        }
    }
    pair.client.flush();
    pair.drive_until("received", |pair| pair.serving.payloads.len() == 510);
    let first = pair.serving.payloads.iter().position(|payload| payload[0] == Lane::Low as u8);
    assert!(first.is_some_and(|first| first < 100), "{first:?}");
}

#[test]
fn a_frame_that_is_made_where_its_payload_lies_carries_nothing_else_that_lay_there() {
    let mut pair = Pair::connected("sealed", 1);
    let link = pair.asking.links[0];
    pair.serving.room = vec![1; 64 << 10];
    let tick = draft(Kind::OneWay, pair.client.code("tick").unwrap(), 0);
    pair.client.send(link, &tick, &[0; 3]).unwrap();
    let mut frames = vec![0xee; 20 * 32];
    let mut run = pair.client.run(link, &tick).unwrap();
    assert_eq!(run.room(frames.len()), frames.len());
    for frame in frames.chunks_exact_mut(32) {
        frame[HEADER_LEN..HEADER_LEN + 3].copy_from_slice(b"own");
        assert!(run.seal(frame, 3));
    }
    run.push_frames(&frames);
    pair.client.flush();
    pair.drive_until("received", |pair| pair.serving.payloads.len() == 21);
    assert!(pair.serving.payloads[1..].iter().all(|one| one == b"own"));
    assert!(pair.serving.alike > 0 && pair.serving.behind.iter().all(|byte| *byte == 0));
}

#[test]
fn answers_that_are_alike_end_only_the_requests_that_wait_for_them() {
    let mut pair = Pair::connected("answers", 1);
    let (link, there) = (pair.asking.links[0], pair.serving.links[0]);
    pair.asking.room = vec![1; 64 << 10];
    let code = pair.client.code("work").unwrap();
    let ids: Vec<_> = (0..100).map(|slot| id::join(slot, 1)).collect();
    for id in &ids {
        pair.client.send(link, &draft(Kind::Request, code, *id), &[]).unwrap();
    }
    pair.client.flush();
    pair.drive_until("asked", |pair| pair.serving.messages.len() == ids.len());
    for id in &ids {
        pair.server.send(there, &draft(Kind::Reply, 0, *id), &id.to_le_bytes()).unwrap();
    }
    pair.server.flush();
    let (given_up, awaited): (Vec<_>, Vec<_>) = ids.iter().copied().partition(|id| id % 10 == 3);
    assert!(given_up.iter().all(|id| pair.client.cancel(link, *id)));
    pair.drive_until("answered", |pair| pair.asking.messages.len() == awaited.len());
    assert!(pair.asking.messages.iter().map(|(_, id)| *id).eq(awaited.iter().copied()));
    assert!(pair.asking.alike > 0);
    let stats = pair.client.link_stats(link).unwrap();
    assert_eq!(stats.late_replies, given_up.len() as u64);
    assert!(awaited.iter().all(|id| !pair.client.cancel(link, *id)), "they have ended");
}

fn is_readable(engine: &Engine, wait: Duration) -> bool {
    let fd = engine.as_fd();
    let mut set = [PollFd::new(&fd, PollFlags::IN)];
    let wait = Timespec::try_from(wait).unwrap();
    poll(&mut set, Some(&wait)).unwrap() == 1
}

// ---- alarms ----

#[test]
fn a_host_is_woken_once_when_it_asked_to_be() {
    let (mut engine, mut host) = (Engine::new().unwrap(), Side::default());
    let time = Time::now() + Duration::from_millis(30);
    engine.wake_at(time);
    assert!(engine.arm(), "there is nothing to be done yet");
    assert!(!is_readable(&engine, Duration::ZERO));
    assert!(is_readable(&engine, Duration::from_secs(10)));
    assert!(Time::now() >= time && engine.is_due(Time::now()));
    engine.drive(&mut host);
    assert!(engine.arm() && !engine.is_due(Time::now()));
    assert!(!is_readable(&engine, Duration::from_millis(20)), "once is enough");
}

#[test]
fn an_alarm_that_was_put_off_or_taken_back_is_no_work_for_long() {
    let (mut engine, mut host) = (Engine::new().unwrap(), Side::default());
    engine.wake_at(Time::now());
    engine.wake_at(Time::now() + Duration::from_secs(3600));
    engine.drive(&mut host);
    assert!(engine.arm());
    assert!(!is_readable(&engine, Duration::from_millis(20)));
    assert!(!engine.is_due(Time::now() + Duration::from_secs(3599)));
    assert!(engine.is_due(Time::now() + Duration::from_secs(3601)));
    engine.wake_at(Time::NEVER);
    // The due time is never too late, and may be too early: driving finds out.
    engine.drive(&mut host);
    assert!(engine.arm() && !is_readable(&engine, Duration::from_millis(20)));
}

// ---- deadlocks ----

#[test]
fn two_sides_that_wait_over_two_connections_are_deadlocked() {
    let mut pair = Pair::connected("two", 2);
    let ([one, other], there) = (pair.asking.links[..].try_into().unwrap(), &pair.serving.links);
    let (one, other): (LinkId, LinkId) = (one, other);
    let there = there[1];
    let asked = id::join(0, 1);
    ask(&mut pair.client, one, asked);
    pair.client.wait_synchronously(one, Some(asked));
    ask(&mut pair.server, there, asked);
    assert!(!pair.client.is_deadlocked(one), "the server is still at work");
    pair.server.wait_synchronously(there, Some(asked));
    assert!(pair.client.is_deadlocked(one), "whether its request has arrived or not");
    pair.drive_until("asked", |pair| pair.asking.messages.contains(&(other, asked)));
    assert!(pair.client.is_deadlocked(one));
    assert!(pair.server.is_deadlocked(there));
    // Over the same connection it is what it was.
    assert!(pair.client.is_deadlocked(other));
    pair.server.wait_synchronously(there, None);
    assert!(!pair.client.is_deadlocked(one), "the server has stopped waiting");
    assert!(pair.server.is_deadlocked(there), "and the client has not");
}

#[test]
fn a_peer_whose_request_was_answered_is_no_deadlock() {
    let mut pair = Pair::connected("answered", 2);
    let (one, other, there) = (pair.asking.links[0], pair.asking.links[1], pair.serving.links[1]);
    let asked = id::join(3, 1);
    ask(&mut pair.server, there, asked);
    pair.drive_until("asked", |pair| pair.asking.messages.contains(&(other, asked)));
    pair.server.wait_synchronously(there, Some(asked));
    pair.client.send(other, &draft(Kind::Reply, 0, asked), &[]).unwrap();
    pair.client.flush();
    // The answer is on its way, so the server will go on, though it published that it waits.
    ask(&mut pair.client, one, id::join(0, 1));
    pair.client.wait_synchronously(one, Some(id::join(0, 1)));
    assert!(!pair.client.is_deadlocked(one));
}

#[test]
fn a_third_engine_that_waits_is_no_deadlock() {
    let mut pair = Pair::connected("third", 1);
    let (mut third, mut side) = (Engine::new().unwrap(), Side::default());
    let link = third.connect("host", &pair.options, Duration::from_secs(5)).unwrap();
    while side.links.is_empty() || pair.serving.links.len() < 2 {
        third.drive(&mut side);
        pair.server.drive(&mut pair.serving);
    }
    ask(&mut third, link, id::join(0, 1));
    third.wait_synchronously(link, Some(id::join(0, 1)));
    let there = pair.serving.links[0];
    ask(&mut pair.server, there, id::join(0, 1));
    pair.server.wait_synchronously(there, Some(id::join(0, 1)));
    assert!(!pair.server.is_deadlocked(there), "the client it waits for is at work");
    assert!(pair.server.is_deadlocked(pair.serving.links[1]), "but the third one is not");
}

// ---- ends ----

#[test]
fn a_host_breaks_off_one_connection_and_no_other() {
    let mut pair = Pair::connected("broken", 2);
    let (one, other) = (pair.asking.links[0], pair.asking.links[1]);
    pair.client.break_off(one, Error::new(Code::Internal, "cannot go on with it"));
    pair.drive_until("closed", |pair| {
        !pair.asking.closed.is_empty() && !pair.serving.closed.is_empty()
    });
    assert_eq!(pair.asking.closed, [(one, Some(Code::Internal))]);
    assert_eq!(pair.serving.closed, [(pair.serving.links[0], Some(Code::PeerLost))]);
    ask(&mut pair.client, other, id::join(0, 1));
    pair.drive_until("asked", |pair| !pair.serving.messages.is_empty());
}

#[test]
fn writing_out_ends_when_exactly_one_turn_of_bytes_waits() {
    let mut pair = Pair::connected("just-as-much", 1);
    let link = pair.asking.links[0];
    let code = pair.client.code("tick").unwrap();
    let payload = vec![7; 32 << 10];
    let mut sent = 0;
    // More than the lane's ring holds, in pieces of which several together are just as much.
    for count in 64..80 {
        for _ in 0..count {
            pair.client.send(link, &draft(Kind::OneWay, code, 0), &payload).unwrap();
        }
        sent += count;
        pair.client.flush();
        for _ in 0..10 * count {
            pair.server.drive(&mut pair.serving);
            pair.client.write_out(&mut pair.asking);
        }
        pair.drive_until("all have come", |pair| pair.serving.messages.len() == sent);
        assert_eq!(pair.client.queued(link, Lane::Normal), 0);
    }
}

#[test]
fn writing_out_stops_where_there_is_no_room() {
    let mut pair = Pair::connected("last", 1);
    let link = pair.asking.links[0];
    let code = pair.client.code("tick").unwrap();
    let payload = vec![7; 100_000];
    let mut sent = 0;
    // Three times what the lane's ring holds.
    while sent < 60 {
        let became = pair.client.send(link, &draft(Kind::OneWay, code, 0), &payload).unwrap();
        assert!(matches!(became, Sent::Written | Sent::Queued));
        sent += 1;
    }
    pair.client.flush();
    assert!(pair.client.queued(link, Lane::Normal) > 0);
    let mut rounds = 0;
    while pair.client.queued(link, Lane::Normal) > 0 {
        pair.server.drive(&mut pair.serving);
        pair.client.write_out(&mut pair.asking);
        rounds += 1;
        assert!(rounds < 10 * sent, "rounds write what there is room for");
    }
    pair.drive_until("all have come", |pair| pair.serving.messages.len() == sent);
}
