//! The worker and its transports, as the runner uses them.

mod harness;

use harness::{Pair, Published, Worker};
use serde_json::{Value, json};

const PROGRAM: &str = env!("CARGO_BIN_EXE_bench-worker");
const SIZES: [usize; 6] = [0, 3, 64, 1_000, 100_000, 1 << 20];

fn play(adapters: [&str; 2], spin: bool) {
    let mut pair = Pair::open(PROGRAM, adapters, spin);
    pair.play(&SIZES);
    pair.reconnect();
    pair.close();
}

#[test]
fn ringpost() {
    play(["ringpost", "ringpost"], true);
}

#[test]
fn ringpost_without_spinning() {
    play(["ringpost", "ringpost"], false);
}

#[test]
fn uds() {
    play(["uds", "uds"], true);
}

#[test]
fn expert() {
    play(["expert", "expert"], true);
}

/// They speak the same, so that each can be the other side of the TypeScript one.
#[test]
fn uds_and_expert() {
    play(["uds", "expert"], true);
    play(["expert", "uds"], true);
}

#[test]
fn bare() {
    let mut pair = Pair::open(PROGRAM, ["bare", "bare"], true);
    assert_eq!(pair.description["waiting"], "polls without sleeping");
    pair.play(&SIZES);
    assert!(pair.asks.refuse(r#"{"do":"reconnect","times":1}"#).contains("one client"));
    pair.close();
}

#[test]
fn many_in_flight_where_there_is_such_a_thing() {
    let mut pair = Pair::open(PROGRAM, ["uds", "expert"], true);
    for (size, in_flight) in [(64, 256), (100_000, 16), (64, 1)] {
        let order = json!({ "do": "pipelined", "size": size, "ms": 20, "inFlight": in_flight });
        assert!(pair.asks.call(&order)["count"].as_u64() > Some(0));
    }
    pair.close();
    let mut pair = Pair::open(PROGRAM, ["uds", "uds"], true);
    let refused = pair.asks.refuse(r#"{"do":"pipelined","size":64,"ms":5,"inFlight":2}"#);
    assert!(refused.contains("one at a time"), "{refused}");
    pair.close();
}

#[test]
fn many_connections_are_asked_in_turn() {
    let mut pair = Pair::open(PROGRAM, ["ringpost", "ringpost"], true);
    let (address, settings) = (pair.folder.address(), json!({ "directory": pair.folder.0 }));
    let connected = pair.asks.call(&json!({
        "do": "connect-many", "address": address, "settings": settings,
        "connections": 5, "requests": 3,
    }));
    assert!(connected["connectMs"].as_f64() > Some(0.0));
    let spans = pair.asks.call(&json!({ "do": "ask-many" }));
    let spans = spans.as_array().expect("an array");
    assert!(spans.len() == 15 && spans.iter().all(|span| span.as_u64() > Some(0)));
    pair.close();
}

#[test]
fn what_cannot_be_done_is_said_and_nothing_more() {
    let mut worker = Worker::start(PROGRAM);
    assert!(worker.refuse(r#"{"do":"dance"}"#).contains("dance"));
    assert!(!worker.refuse("not a command").is_empty());
    assert!(worker.refuse(r#"{"do":"latency","size":64,"ms":1}"#).contains("no connection"));
    assert!(worker.refuse(r#"{"do":"latency","size":64,"ms":-1}"#).contains("negative"));
    let order = |what, adapter| {
        let settings = json!({ "directory": "/nonexistent" });
        json!({ "do": what, "adapter": adapter, "address": "a", "settings": settings }).to_string()
    };
    assert!(worker.refuse(&order("serve", "pigeon")).contains("pigeon"));
    assert!(worker.refuse(&order("connect", "uds")).contains("No such file"));
    assert_eq!(worker.call(&json!({ "do": "received" })), json!({ "count": 0 }));
    assert_eq!(worker.call(&json!({ "do": "idle", "ms": 0 })), Value::Null);
    worker.stop();
}

#[test]
fn the_end_of_its_input_ends_a_worker() {
    let pair = Pair::open(PROGRAM, ["uds", "uds"], true);
    pair.asks.end();
    pair.serves.end();
    pair.folder.assert_empty();
}

#[test]
fn what_is_published_is_read_by_others() {
    let published = Published::by(PROGRAM, "ringpost");
    published.messages();
    published.newest();
}

#[test]
fn what_is_not_published_is_refused() {
    let mut worker = Worker::start(PROGRAM);
    let said = worker.refuse(r#"{ "do": "publish-all", "size": 64, "count": 1 }"#);
    assert_eq!(said, "nothing is published");
    let settings = json!({ "directory": std::env::temp_dir() });
    let publish = json!({ "do": "publish", "library": "none", "address": "a", "subscribers": 1,
        "settings": settings });
    assert!(worker.refuse(&publish.to_string()).contains("no library 'none'"));
    let look_up = json!({ "do": "look-up", "address": "nowhere", "settings": settings, "keys": 2,
        "lookups": 1 });
    assert_eq!(worker.refuse(&look_up.to_string()), "key-0 is missing");
    worker.stop();
}
