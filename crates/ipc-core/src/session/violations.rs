//! What a broken peer may say, and what a session answers: each time an error with the numbers.

use std::num::NonZeroU32;

use super::fragments::Fragments;
use super::id::join;
use super::{ControlMessage, Draft, Session, Step, control};
use crate::error::Corrupt;
use crate::header::{Codec, Header, Kind};
use crate::limits::{CONTROL, Lane, Limits, METHOD_LEN_MAX, WINDOW_MAX, WINDOW_MIN};
use crate::option_block::Options;
use crate::time::Time;

const LIMITS: Limits = Limits { message_len_max: 1000, pending_max: 4, names_max: 2 };
const NORMAL: usize = Lane::Normal as usize;
const LOW: usize = Lane::Low as usize;
const ID: u64 = join(1, 1);

/// A session that knows the peer's name 0.
fn session() -> Session {
    let mut session = Session::new(LIMITS, true);
    assert_eq!(control(&mut session, NORMAL, control::DEFINE, 0, 4), Ok(Step::Define { code: 0 }));
    for lane in Lane::ALL {
        assert_eq!(session.define(lane, 0, b"name"), Ok(true));
    }
    session
}

fn receive(
    session: &mut Session,
    ring: usize,
    header: Header,
    total_len: Option<u64>,
    len: usize,
) -> Result<Step, Corrupt> {
    let options = Options { total_len, ..Options::default() };
    session.receive(ring, &header, &options, len, |span| Time::default() + span)
}

fn control(
    session: &mut Session,
    ring: usize,
    code: u16,
    id: u64,
    len: usize,
) -> Result<Step, Corrupt> {
    receive(session, ring, Header::new(Kind::Control, code, id), None, len)
}

fn request(id: u64) -> Header {
    Header::new(Kind::Request, 0, id)
}

/// A session with the first 10 of 100 bytes of a request received in the normal lane.
fn amid_a_message() -> Session {
    let mut session = session();
    let first = receive(&mut session, NORMAL, request(ID).with_more(true), Some(100), 10);
    assert_eq!(first, Ok(Step::Open));
    session
}

fn fragment(received: u64, total: u64, len: usize) -> Result<Step, Corrupt> {
    Err(Corrupt::Fragment { id: ID, received, total, len })
}

#[test]
fn a_message_on_the_control_ring_is_misplaced() {
    let items = [Kind::RequestItem, Kind::ReplyItem];
    for kind in [Kind::Request, Kind::Reply, Kind::Error, Kind::OneWay].into_iter().chain(items) {
        let found = receive(&mut session(), CONTROL, Header::new(kind, 0, ID), None, 0);
        assert_eq!(found, Err(Corrupt::Misplaced { kind: kind as u8 }));
    }
}

#[test]
fn nothing_comes_after_the_closing_marker_of_a_lane() {
    let mut session = session();
    assert_eq!(control(&mut session, NORMAL, control::CLOSE, 0, 0), Ok(Step::LaneClosed));
    let after = Err(Corrupt::AfterClose { lane: 2 });
    assert_eq!(receive(&mut session, NORMAL, request(ID), None, 0), after);
    assert_eq!(control(&mut session, NORMAL, control::DEFINE, 1, 4), after);
    assert_eq!(control(&mut session, NORMAL, control::CLOSE, 0, 0), after);
    // The other lanes go on until theirs.
    assert_eq!(receive(&mut session, LOW, request(ID), None, 0), Ok(Step::Deliver));
    assert_eq!(control(&mut session, CONTROL, control::CANCEL, ID, 0), Ok(Step::Done));
    for ring in [0, 1] {
        assert_eq!(control(&mut session, ring, control::CLOSE, 0, 0), Ok(Step::LaneClosed));
        assert!(!session.is_peer_closed());
    }
    assert_eq!(control(&mut session, LOW, control::CLOSE, 0, 0), Ok(Step::PeerClosed));
    assert!(session.is_peer_closed());
}

#[test]
fn a_total_length_belongs_to_the_first_of_several_frames() {
    let more = request(ID).with_more(true);
    assert_eq!(receive(&mut session(), NORMAL, more, None, 10), fragment(0, 0, 10));
    assert_eq!(receive(&mut session(), NORMAL, request(ID), Some(10), 10), fragment(0, 10, 10));
    // A first frame holds something, and less than the whole.
    assert_eq!(receive(&mut session(), NORMAL, more, Some(10), 0), fragment(0, 10, 0));
    assert_eq!(receive(&mut session(), NORMAL, more, Some(10), 10), fragment(0, 10, 10));
    assert_eq!(receive(&mut session(), NORMAL, more, Some(9), 10), fragment(0, 9, 10));
}

#[test]
fn a_message_longer_than_agreed_is_refused_before_anyone_makes_room_for_it() {
    let max = LIMITS.message_len_max;
    for total in [max + 1, u64::from(u32::MAX), u64::MAX] {
        let more = request(ID).with_more(true);
        let refused = Err(Corrupt::MessageLength { total, max });
        assert_eq!(receive(&mut session(), NORMAL, more, Some(total), 10), refused);
    }
    let refused = Err(Corrupt::MessageLength { total: 1001, max });
    assert_eq!(receive(&mut session(), NORMAL, request(ID), None, 1001), refused);
    assert_eq!(receive(&mut session(), NORMAL, request(ID), None, 1000), Ok(Step::Deliver));
}

#[test]
fn fragments_continue_their_message_or_break_the_session() {
    let more = request(ID).with_more(true);
    let refused = [
        // Too much, or not all of it although nothing follows.
        (more, 90),
        (more, 91),
        (request(ID), 91),
        (request(ID), 89),
        // Nothing at all although more follows.
        (more, 0),
        // Another kind, codec or name, or options again.
        (Header::new(Kind::OneWay, 0, ID).with_more(true), 20),
        (more.with_codec(Codec::Json), 20),
        (Header::new(Kind::Request, 1, ID).with_more(true), 20),
        (more.with_options(true), 20),
    ];
    for (header, len) in refused {
        let found = receive(&mut amid_a_message(), NORMAL, header, None, len);
        assert_eq!(found, fragment(10, 100, len), "{header:?}");
    }
    let other = request(ID + 1).with_more(true);
    let found = receive(&mut amid_a_message(), NORMAL, other, None, 20);
    assert_eq!(found, Err(Corrupt::Fragment { id: ID + 1, received: 10, total: 100, len: 20 }));

    let mut session = amid_a_message();
    assert_eq!(receive(&mut session, NORMAL, more, None, 20), Ok(Step::Fill { offset: 10 }));
    let last = receive(&mut session, NORMAL, request(ID), None, 70);
    assert_eq!(last, Ok(Step::Finish { offset: 30 }));
}

#[test]
fn a_sender_may_give_a_message_up() {
    let mut session = amid_a_message();
    assert_eq!(receive(&mut session, NORMAL, request(ID), None, 0), Ok(Step::Abandon));
    assert_eq!((session.serving_live(), session.counters().received.total()), (0, 0));
    assert_eq!(receive(&mut session, NORMAL, request(ID), None, 3), Ok(Step::Deliver));
}

#[test]
fn a_late_answer_is_abandoned_midway_and_counted_once() {
    let mut session = session();
    let draft = Draft {
        kind: Kind::Request,
        lane: Lane::Normal,
        codec: Codec::Bytes,
        code: 0,
        id: ID,
        timeout: None,
        trace: None,
        replayed: None,
        window: None,
        compress: false,
    };
    session.send(&draft, 0, 0, |span| Time::default() + span).unwrap();
    let answer = Header::new(Kind::Reply, 0, ID);
    let mut steps = Vec::new();
    for fragment in Fragments::new(answer, Options::default(), 500, 100) {
        let Options { total_len, .. } = match fragment.options.as_bytes() {
            [] => Options::default(),
            block => Options::decode(block).unwrap(),
        };
        let len = fragment.range.len();
        steps.push(receive(&mut session, NORMAL, fragment.header, total_len, len).unwrap());
        if steps.len() == 2 {
            assert!(session.cancel(ID));
        }
    }
    let (first, last) = (Step::Open, Step::Skip);
    let second = Step::Fill { offset: 84 };
    assert_eq!(steps, [first, second, Step::Abandon, last, last, last]);
    assert_eq!(session.counters().late_replies, 1);
}

#[test]
fn a_name_is_defined_before_it_is_used() {
    for kind in [Kind::Request, Kind::OneWay] {
        for code in [1, 2, u16::MAX] {
            let found = receive(&mut session(), NORMAL, Header::new(kind, code, ID), None, 0);
            assert_eq!(found, Err(Corrupt::UndefinedName { code }));
        }
    }
}

#[test]
fn a_definition_outside_of_the_agreement_is_refused() {
    let mut session = session();
    let long = [b'x'; METHOD_LEN_MAX + 1];
    for (code, name) in [(2, &b"name"[..]), (1, b""), (1, b"\xff"), (1, &long)] {
        let refused = Err(Corrupt::Name { code, len: name.len() });
        assert_eq!(session.define(Lane::Normal, code, name), refused);
    }
    assert_eq!(session.define(Lane::Normal, 0, b"name"), Ok(false), "again, which changes nothing");
    assert_eq!(session.define(Lane::Normal, 0, b"other"), Ok(true));
    assert_eq!(session.name(Lane::Normal, 0), Some("other"));
    assert_eq!(session.name(Lane::Low, 0), Some("name"), "each lane by itself");
}

#[test]
fn slots_beyond_the_agreement_and_unused_generations_are_refused() {
    for id in [join(4, 1), join(u32::MAX, 1), join(1, 0)] {
        #[expect(clippy::cast_possible_truncation, reason = "the low half is the slot")]
        let refused = Err(Corrupt::Slot { slot: id as u32, pending_max: 4 });
        assert_eq!(receive(&mut session(), NORMAL, request(id), None, 0), refused);
        let answers = [Kind::Reply, Kind::Error, Kind::RequestItem, Kind::ReplyItem];
        for header in answers.map(|kind| Header::new(kind, 0, id)) {
            assert_eq!(receive(&mut session(), NORMAL, header, None, 0), refused);
            let first = receive(&mut session(), NORMAL, header.with_more(true), Some(20), 10);
            assert_eq!(first, refused);
        }
        assert_eq!(control(&mut session(), CONTROL, control::CANCEL, id, 0), refused);
        assert_eq!(control(&mut session(), NORMAL, control::END, id, 0), refused);
        for code in [control::GRANT_REQUEST_ITEMS, control::GRANT_REPLY_ITEMS] {
            assert_eq!(control(&mut session(), CONTROL, code, id, 8), refused);
        }
    }
}

#[test]
fn an_answer_to_what_was_never_asked_is_counted_and_dropped() {
    let mut session = session();
    for id in [ID, join(3, 1), join(0, u32::MAX)] {
        let answer = Header::new(Kind::Reply, 9, id);
        assert_eq!(receive(&mut session, NORMAL, answer, None, 5), Ok(Step::Skip));
    }
    assert_eq!(session.counters().late_replies, 3);
}

#[test]
fn control_words_have_their_place_and_their_form() {
    let refused = |ring: usize, header: Header, len| {
        let mut session = session();
        let found = receive(&mut session, ring, header, None, len);
        let lane = u8::try_from(ring).unwrap();
        assert_eq!(found, Err(Corrupt::Control { code: header.code(), len, lane }), "{header:?}");
    };
    let word = |code| Header::new(Kind::Control, code, 0);
    // In the wrong ring.
    refused(NORMAL, word(control::CANCEL), 0);
    refused(CONTROL, word(control::DEFINE), 4);
    refused(CONTROL, word(control::CLOSE), 0);
    // With what does not belong to them.
    refused(CONTROL, Header::new(Kind::Control, control::CANCEL, ID), 1);
    refused(NORMAL, word(control::CLOSE), 1);
    refused(NORMAL, word(control::DEFINE).with_more(true), 4);
    refused(NORMAL, word(control::DEFINE).with_options(true), 4);
    refused(NORMAL, word(control::DEFINE).with_codec(Codec::MessagePack), 4);
    refused(NORMAL, Header::new(Kind::Control, control::DEFINE, 1 << 16), 4);
    // Out of the handshake, and out of thin air.
    for code in [0, control::HELLO, control::WELCOME, control::READY, u16::MAX] {
        for ring in [NORMAL, CONTROL] {
            refused(ring, word(code), 0);
        }
    }
}

#[test]
fn nothing_comes_between_the_fragments_of_a_message() {
    let malformed = |code, len| Err(Corrupt::Control { code, len, lane: 2 });
    let mut session = amid_a_message();
    let found = control(&mut session, NORMAL, control::DEFINE, 1, 4);
    assert_eq!(found, malformed(control::DEFINE, 4));
    let found = control(&mut session, NORMAL, control::CLOSE, 0, 0);
    assert_eq!(found, malformed(control::CLOSE, 0));
}

/// A session in which the peer has asked for a stream, and so has this side.
fn streaming() -> Session {
    let mut session = session();
    let options = Options { window: NonZeroU32::new(WINDOW_MIN), ..Options::default() };
    let after = |span| Time::default() + span;
    let opened = session.receive(NORMAL, &request(ID), &options, 0, after);
    assert_eq!(opened, Ok(Step::Deliver));
    let draft = Draft {
        kind: Kind::Request,
        lane: Lane::Normal,
        codec: Codec::Bytes,
        code: 0,
        id: ID,
        timeout: None,
        trace: None,
        replayed: None,
        window: Some(WINDOW_MIN),
        compress: false,
    };
    session.send(&draft, 0, 0, after).unwrap();
    session
}

#[test]
fn items_go_only_with_streams_that_have_credit() {
    for kind in [Kind::RequestItem, Kind::ReplyItem] {
        let item = Header::new(kind, 0, ID);
        let mut session = streaming();
        // The window is a little more than three of these.
        for _ in 0..4 {
            assert_eq!(receive(&mut session, NORMAL, item, None, 1000), Ok(Step::Deliver));
        }
        let beyond = Err(Corrupt::Credit { id: ID, len: 0 });
        assert_eq!(receive(&mut session, NORMAL, item, None, 0), beyond);
    }
    // Of a request that is none, and of one that was never made.
    let mut plain = session();
    assert_eq!(receive(&mut plain, NORMAL, request(ID), None, 0), Ok(Step::Deliver));
    let item = |id| Header::new(Kind::RequestItem, 0, id);
    let none = Err(Corrupt::NoStream { id: ID });
    assert_eq!(receive(&mut plain, NORMAL, item(join(0, 1)), None, 0), Ok(Step::Skip));
    assert_eq!(plain.counters().stale_requests, 1);
    assert_eq!(receive(&mut plain, NORMAL, item(ID), None, 0), none);
    assert_eq!(plain.granted(Kind::ReplyItem, ID, 5000), Err(Corrupt::NoStream { id: ID }));
    // After their end.
    let mut session = streaming();
    let ended = control(&mut session, NORMAL, control::END, ID, 0);
    assert_eq!(ended, Ok(Step::ItemsEnd { id: ID }));
    assert_eq!(receive(&mut session, NORMAL, item(ID), None, 0), none);
    let again = Corrupt::Control { code: control::END, len: 0, lane: 2 };
    assert_eq!(control(&mut session, NORMAL, control::END, ID, 0), Err(again));
}

#[test]
fn windows_and_grants_have_their_bounds() {
    let open = |session: &mut Session, kind, window| {
        let options = Options { window: NonZeroU32::new(window), ..Options::default() };
        let header = Header::new(kind, 0, ID);
        session.receive(NORMAL, &header, &options, 0, |span| Time::default() + span)
    };
    for window in [1, WINDOW_MIN - 1, WINDOW_MAX + 1, u32::MAX] {
        let refused = Err(Corrupt::Window { window });
        assert_eq!(open(&mut session(), Kind::Request, window), refused);
    }
    let misplaced = Err(Corrupt::Window { window: WINDOW_MIN });
    assert_eq!(open(&mut session(), Kind::OneWay, WINDOW_MIN), misplaced);
    // A peer that has not shown that it knows streams.
    let mut unable = Session::new(LIMITS, false);
    assert_eq!(open(&mut unable, Kind::Request, WINDOW_MIN), misplaced);

    let mut session = streaming();
    let window = u64::from(WINDOW_MIN);
    for kind in [Kind::RequestItem, Kind::ReplyItem] {
        assert_eq!(session.granted(kind, ID, window), Ok(Some(window)));
        let granted = window + 1;
        assert_eq!(session.granted(kind, ID, granted), Err(Corrupt::Grant { id: ID, granted }));
        assert_eq!(session.granted(kind, join(0, 1), granted), Ok(None), "it cannot be used");
    }
    for (code, len) in [(control::GRANT_REQUEST_ITEMS, 0), (control::GRANT_REPLY_ITEMS, 9)] {
        let refused = Err(Corrupt::Control { code, len, lane: 4 });
        assert_eq!(control(&mut session, CONTROL, code, ID, len), refused);
    }
}

#[test]
fn messages_about_liveness_have_nothing_in_them_and_were_agreed_on() {
    let able = || session().with_liveness(true);
    for code in [control::LEAVING, control::PING, control::PONG] {
        let refused = |ring, len, code| {
            Err(Corrupt::Control { code, len, lane: u8::try_from(ring).expect("five rings") })
        };
        assert_eq!(control(&mut able(), CONTROL, code, 0, 1), refused(CONTROL, 1, code));
        assert_eq!(control(&mut able(), NORMAL, code, 0, 0), refused(NORMAL, 0, code));
        assert_eq!(control(&mut session(), CONTROL, code, 0, 0), refused(CONTROL, 0, code));
    }
    let mut unable = session();
    assert_eq!(unable.ping().unwrap_err().code(), crate::error::Code::Feature);
    assert!(!unable.leave() && unable.next_control().is_none());
}

#[test]
fn a_flood_of_pings_has_one_answer_waiting_and_it_is_the_newest() {
    let mut session = session().with_liveness(true);
    for id in 0..100_000 {
        assert_eq!(control(&mut session, CONTROL, control::PING, id, 0), Ok(Step::Ping));
    }
    assert_eq!(session.next_control(), Some(ControlMessage::Pong));
    assert_eq!(session.controls_len(), size_of::<ControlMessage>());
    assert_eq!(session.take_pong(), Some(99_999));
    session.control_written();
    assert_eq!(session.next_control(), None);
}

#[test]
fn an_answer_to_no_ping_and_a_second_farewell_are_ignored() {
    let mut session = session().with_liveness(true);
    let mut come = |code, id| control(&mut session, CONTROL, code, id, 0);
    assert_eq!(come(control::PONG, 0), Ok(Step::Done));
    assert_eq!(come(control::PONG, u64::MAX), Ok(Step::Done));
    assert_eq!(come(control::LEAVING, 0), Ok(Step::Leaving));
    assert_eq!(come(control::LEAVING, 0), Ok(Step::Done));
    assert_eq!(session.ping().unwrap(), (1, true));
    assert_eq!(session.ping().unwrap(), (2, false));
    let mut come = |id| control(&mut session, CONTROL, control::PONG, id, 0);
    assert_eq!(come(2), Ok(Step::Done), "that one was not sent yet");
    assert_eq!(come(1), Ok(Step::Pong { number: 1, again: true }));
    assert_eq!(come(1), Ok(Step::Done));
    assert_eq!(come(2), Ok(Step::Pong { number: 2, again: false }));
}

#[test]
fn any_header_on_any_ring_is_dealt_with_or_refused() {
    crate::seeds::each_seed(2000, |random| {
        let mut session = amid_a_message().with_liveness(true);
        for _ in 0..20 {
            let kind = random.pick(&[
                Kind::Request,
                Kind::Reply,
                Kind::Error,
                Kind::OneWay,
                Kind::Control,
                Kind::RequestItem,
                Kind::ReplyItem,
            ]);
            let code = random.pick(&[
                0,
                1,
                control::CLOSE,
                control::CANCEL,
                control::END,
                control::PING,
                control::PONG,
                u16::MAX,
            ]);
            let id = random.pick(&[0, 1, ID, ID + 1, join(3, 1 << 31), u64::MAX]);
            let header = Header::new(kind, code, id).with_more(random.percent(40));
            let total = random.pick(&[0, 1, 10, 100, 1000, u64::MAX]);
            let total = random.percent(40).then_some(total);
            let (ring, len) = (random.below(CONTROL + 1), random.below(120));
            if receive(&mut session, ring, header, total, len).is_err() {
                break;
            }
            while session.take_abandoned().is_some() {}
        }
    });
}
