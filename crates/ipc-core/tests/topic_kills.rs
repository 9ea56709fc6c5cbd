//! Publishers of a topic that are killed between any two of their steps: what subscribers read is
//! whole and in order, and the next publisher begins. `RINGPOST_RUNS` makes as many times the kills.

#[path = "../src/seeds.rs"]
#[allow(dead_code, reason = "it is made for the tests inside of the crate")]
mod seeds;
mod two_processes;

use ipc_core::testing::kills::{self, FILE_POINTS, TOPIC_POINTS};
use ipc_core::{
    Options, Place, TopicMode, TopicOptions, TopicPublisher, TopicStart, TopicSubscriber, Transport,
};
use seeds::each_seed;
use two_processes::{Meeting, eventually, role};

fn place(options: &Options) -> Place {
    Place { directory: options.directory.clone(), environment: false }
}

fn publisher(options: &Options) -> TopicPublisher {
    let made = TopicOptions { capacity: 4096, ..TopicOptions::default() };
    TopicPublisher::create("demo", &place(options), &made).expect("the name is free")
}

fn message(number: u64) -> Vec<u8> {
    number.to_le_bytes().repeat(1 + usize::try_from(number % 7).unwrap())
}

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    let (point, passages) = role.split_once(':').expect("a point and a number");
    kills::die_at(point, passages.parse().expect("a number"));
    let mut publisher = publisher(&options);
    for number in 1.. {
        assert_eq!(publisher.publish(&message(number)).unwrap(), number);
    }
}

#[test]
fn a_publisher_that_dies_between_two_steps_leaves_whole_messages() {
    let meeting = Meeting::new(Transport::Sealed);
    let options = &meeting.options;
    // Only a file that takes the place of another passes all points.
    drop(publisher(options));
    each_seed(2, |random| {
        for point in FILE_POINTS.into_iter().chain(TOPIC_POINTS) {
            let open =
                |mode, start| TopicSubscriber::open("demo", &place(options), mode, start).unwrap();
            let mut subscribers = [
                open(TopicMode::Lossy, TopicStart::Next),
                open(TopicMode::Latest, TopicStart::Next),
            ];
            let is_rare = FILE_POINTS.contains(&point) || point == "ring";
            let passages = if is_rare { 0 } else { random.below(300) };
            let mut dying = meeting.run(&format!("{point}:{passages}"));
            assert_eq!(dying.wait(), None, "it dies at {point}, passage {passages}");
            for subscriber in &mut subscribers {
                check(subscriber, point);
            }
            check(&mut open(TopicMode::Lossy, TopicStart::Oldest), point);
            check(&mut open(TopicMode::Latest, TopicStart::Newest), point);
        }
    });
    // The next one begins, whatever the last one has left.
    let mut subscriber =
        TopicSubscriber::open("demo", &place(options), TopicMode::Lossless, TopicStart::Next)
            .unwrap();
    let mut next = None;
    eventually("the end of the publisher", || {
        let made = TopicOptions { capacity: 4096, ..TopicOptions::default() };
        next = TopicPublisher::create("demo", &place(options), &made).ok();
        next.is_some()
    });
    next.expect("just made").publish(&message(1)).unwrap();
    eventually("the first message", || {
        subscriber.read().unwrap().is_some_and(|message| message.number == 1)
    });
}

/// Reads all there is after a publisher has died.
fn check(subscriber: &mut TopicSubscriber, point: &str) {
    let mut last = None;
    let mut empty = 0;
    // Files are looked for a thousand times a second at most.
    while empty < 3 {
        let Some(found) = subscriber.read().unwrap_or_else(|error| panic!("{point}: {error}"))
        else {
            empty += 1;
            std::thread::sleep(std::time::Duration::from_millis(2));
            continue;
        };
        assert_eq!(found.bytes, message(found.number), "{point}");
        if let Some((generation, number)) = last {
            let before = if found.generation == generation { number } else { 0 };
            assert_eq!(found.number, before + found.skipped + 1, "{point}");
        }
        last = Some((found.generation, found.number));
    }
    assert_eq!(subscriber.stats().corrupt, 0, "{point}");
}
