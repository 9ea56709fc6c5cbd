//! Topics as files: publishers that come and go, subscribers that follow, and what may lie under a
//! name.

mod attacked;
mod joining;

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::Code;
use crate::published::{Place, Watcher};
use crate::seeds;
use crate::topic::{TopicMode, TopicOptions, TopicPublisher, TopicStart, TopicSubscriber};

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ringpost-topic-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn place(&self) -> Place {
        Place { directory: Some(self.0.clone()), environment: false }
    }

    fn publisher(&self) -> TopicPublisher {
        let options = TopicOptions {
            capacity: 4096,
            timeout: Duration::from_millis(100),
            ..TopicOptions::default()
        };
        TopicPublisher::create("demo", &self.place(), &options).unwrap()
    }

    fn subscriber(&self, mode: TopicMode, start: TopicStart) -> TopicSubscriber {
        TopicSubscriber::open("demo", &self.place(), mode, start).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.0.join("demo.topic")
    }

    fn readers(&self) -> PathBuf {
        self.0.join("demo.topic-readers")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let mut names: Vec<_> =
            entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// What is known of a message: its number, how many were missed before it, whether it is the first
/// of another publisher.
type Found = (u64, u64, bool);

/// The next message, whose bytes say its number and its generation.
fn read(subscriber: &mut TopicSubscriber) -> Option<Found> {
    let message = subscriber.read().unwrap()?;
    let number = u64::from_le_bytes(message.bytes[..8].try_into().unwrap());
    assert_eq!(number, message.number);
    Some((message.number, message.skipped, message.is_restarted))
}

/// The same once there is one: files are looked for a thousand times a second at most.
fn read_soon(subscriber: &mut TopicSubscriber) -> Found {
    let start = Instant::now();
    loop {
        if let Some(found) = read(subscriber) {
            return found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "nothing comes");
        thread::yield_now();
    }
}

/// Publishes the next message, of 40 bytes: 64 in the ring, 64 of them in a lap.
fn publish(publisher: &mut TopicPublisher) -> u64 {
    let mut bytes = [0; 40];
    bytes[..8].copy_from_slice(&(publisher.number() + 1).to_le_bytes());
    publisher.publish(&bytes).unwrap()
}

#[test]
fn a_subscriber_that_was_there_first_gets_everything() {
    for mode in [TopicMode::Lossy, TopicMode::Lossless] {
        let scratch = Scratch::new("first");
        let mut subscriber = scratch.subscriber(mode, TopicStart::Next);
        assert_eq!(read(&mut subscriber), None);
        assert!(!subscriber.has_publisher());
        let mut publisher = scratch.publisher();
        for _ in 0..3 {
            publish(&mut publisher);
        }
        assert_eq!(read_soon(&mut subscriber), (1, 0, false));
        assert!(subscriber.has_publisher());
        assert_eq!(read(&mut subscriber), Some((2, 0, false)));
        assert_eq!(read(&mut subscriber), Some((3, 0, false)));
        assert_eq!(read(&mut subscriber), None);
        assert_eq!(subscriber.stats().received, 3);
    }
}

#[test]
fn what_was_published_is_there_for_late_subscribers_also_of_a_publisher_that_is_gone() {
    let scratch = Scratch::new("late");
    let mut publisher = scratch.publisher();
    for _ in 0..3 {
        publish(&mut publisher);
    }
    for is_gone in [false, true] {
        for mode in [TopicMode::Lossy, TopicMode::Latest, TopicMode::Lossless] {
            assert_eq!(read(&mut scratch.subscriber(mode, TopicStart::Next)), None);
            let newest = read(&mut scratch.subscriber(mode, TopicStart::Newest));
            assert_eq!(newest, Some((3, 0, false)), "{mode:?} {is_gone}");
        }
        let oldest = read(&mut scratch.subscriber(TopicMode::Lossy, TopicStart::Oldest));
        assert_eq!(oldest, Some((1, 0, false)));
        if !is_gone {
            drop(std::mem::replace(&mut publisher, {
                let options = TopicOptions::default();
                TopicPublisher::create("other", &scratch.place(), &options).unwrap()
            }));
        }
    }
}

#[test]
fn subscribers_finish_a_ring_before_they_follow_its_publishers_successor() {
    for mode in [TopicMode::Lossy, TopicMode::Lossless] {
        let scratch = Scratch::new("follow");
        let mut publisher = scratch.publisher();
        let mut subscriber = scratch.subscriber(mode, TopicStart::Next);
        publish(&mut publisher);
        publish(&mut publisher);
        drop(publisher);
        let mut publisher = scratch.publisher();
        publish(&mut publisher);
        publish(&mut publisher);
        assert_eq!(read(&mut subscriber), Some((1, 0, false)));
        assert_eq!(read(&mut subscriber), Some((2, 0, false)));
        assert_eq!(read_soon(&mut subscriber), (1, 0, true));
        assert_eq!(read(&mut subscriber), Some((2, 0, false)));
        assert_eq!(read(&mut subscriber), None);
        assert_eq!(subscriber.stats().generations, 2);
    }
}

#[test]
fn a_subscriber_that_follows_late_knows_how_much_of_the_new_ring_it_has_missed() {
    let scratch = Scratch::new("missed");
    let mut publisher = scratch.publisher();
    let mut lossy = scratch.subscriber(TopicMode::Lossy, TopicStart::Next);
    let mut latest = scratch.subscriber(TopicMode::Latest, TopicStart::Next);
    publish(&mut publisher);
    drop(publisher);
    let mut publisher = scratch.publisher();
    for _ in 0..200 {
        publish(&mut publisher);
    }
    assert_eq!(read(&mut lossy), Some((1, 0, false)));
    let (number, skipped, is_restarted) = read_soon(&mut lossy);
    assert!(number > 100 && skipped == number - 1 && is_restarted);
    assert_eq!(read(&mut latest), Some((1, 0, false)));
    assert_eq!(read_soon(&mut latest), (200, 199, true));
}

#[test]
fn a_topic_has_one_publisher_until_another_takes_it_over() {
    let scratch = Scratch::new("one");
    let mut first = scratch.publisher();
    let mut subscriber = scratch.subscriber(TopicMode::Lossy, TopicStart::Next);
    let second = TopicPublisher::create("demo", &scratch.place(), &TopicOptions::default());
    assert_eq!(second.err().map(|error| error.code()), Some(Code::NameInUse));
    publish(&mut first);
    let options = TopicOptions { take_over: true, ..TopicOptions::default() };
    let mut second = TopicPublisher::create("demo", &scratch.place(), &options).unwrap();
    assert_eq!(first.publish(b"late").unwrap_err().code(), Code::NameInUse);
    publish(&mut second);
    assert_eq!(read(&mut subscriber), Some((1, 0, false)));
    assert_eq!(read_soon(&mut subscriber), (1, 0, true));
    second.remove();
    assert_eq!(scratch.names(), ["demo.topic-readers"]);
}

#[test]
fn a_message_that_is_too_long_is_refused_and_the_next_one_is_not() {
    let scratch = Scratch::new("long");
    let mut publisher = scratch.publisher();
    let too_long = vec![0; publisher.payload_max() + 1];
    assert_eq!(publisher.publish(&too_long).unwrap_err().code(), Code::TooLarge);
    assert_eq!(publisher.publish(&too_long[1..]).unwrap(), 1);
    for capacity in [0, 2048, 5000, 1 << 31] {
        let options = TopicOptions { capacity, ..TopicOptions::default() };
        let made = TopicPublisher::create("other", &scratch.place(), &options);
        assert_eq!(made.err().map(|error| error.code()), Some(Code::InvalidArgument));
    }
}

#[test]
fn several_messages_are_shown_at_once() {
    let scratch = Scratch::new("several");
    let mut publisher = scratch.publisher();
    let mut subscriber = scratch.subscriber(TopicMode::Lossy, TopicStart::Next);
    let payloads = (1..=5u64).map(u64::to_le_bytes);
    assert_eq!(publisher.publish_all(payloads).unwrap(), 5);
    assert_eq!(publisher.append(&6u64.to_le_bytes()).unwrap(), Some(6));
    for number in 1..=5 {
        assert_eq!(read(&mut subscriber), Some((number, 0, false)));
    }
    assert_eq!(read(&mut subscriber), None);
    publisher.show();
    assert_eq!(read(&mut subscriber), Some((6, 0, false)));
}

#[test]
fn a_lossless_subscriber_that_is_too_slow_is_cut_off_after_the_timeout() {
    let scratch = Scratch::new("slow");
    let mut publisher = scratch.publisher();
    let mut slow = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    for _ in 0..64 {
        publish(&mut publisher);
    }
    assert_eq!(publisher.append(&[0; 40]).unwrap(), None, "held up");
    let start = Instant::now();
    publish(&mut publisher);
    assert!(start.elapsed() >= Duration::from_millis(100), "{:?}", start.elapsed());
    let stats = publisher.stats();
    assert_eq!((stats.published, stats.waits, stats.cut_off), (65, 1, 1));
    for _ in 0..2 {
        assert_eq!(slow.read().unwrap_err().code(), Code::Lagged);
    }
    let start = Instant::now();
    for _ in 0..200 {
        publish(&mut publisher);
    }
    assert!(start.elapsed() < Duration::from_millis(100), "nobody holds it up any more");
}

#[test]
fn lossless_subscribers_miss_nothing_of_a_publisher_that_is_faster() {
    const MESSAGES: u64 = 20_000;
    let scratch = Scratch::new("lossless");
    let options = TopicOptions {
        capacity: 4096,
        timeout: Duration::from_secs(20),
        ..TopicOptions::default()
    };
    let mut publisher = TopicPublisher::create("demo", &scratch.place(), &options).unwrap();
    let readers: Vec<_> = (0..3)
        .map(|_| {
            let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
            thread::spawn(move || {
                for number in 1..=MESSAGES {
                    assert_eq!(read_soon(&mut subscriber), (number, 0, false));
                }
            })
        })
        .collect();
    for _ in 0..MESSAGES {
        publish(&mut publisher);
    }
    for reader in readers {
        reader.join().unwrap();
    }
    assert_eq!(publisher.stats().cut_off, 0);
}

#[test]
fn a_lossless_subscriber_misses_nothing_when_its_publisher_is_restarted() {
    let scratch = Scratch::new("restart");
    let mut publisher = scratch.publisher();
    let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    publish(&mut publisher);
    drop(publisher);
    let mut publisher = scratch.publisher();
    for _ in 0..64 {
        publish(&mut publisher);
    }
    assert_eq!(publisher.append(&[0; 40]).unwrap(), None, "it waits for who has not come yet");
    assert_eq!(read(&mut subscriber), Some((1, 0, false)));
    assert_eq!(read_soon(&mut subscriber), (1, 0, true));
    for number in 2..=64 {
        assert_eq!(read(&mut subscriber), Some((number, 0, false)));
    }
    publish(&mut publisher);
    assert_eq!(read(&mut subscriber), Some((65, 0, false)));
}

#[test]
fn a_lossless_subscriber_that_was_there_first_is_waited_for_from_the_first_message_on() {
    let scratch = Scratch::new("early");
    drop(scratch.publisher());
    fs::remove_file(scratch.file()).unwrap();
    let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    assert_eq!(read(&mut subscriber), None);
    let mut publisher = scratch.publisher();
    for _ in 0..64 {
        publish(&mut publisher);
    }
    assert_eq!(publisher.append(&[0; 40]).unwrap(), None, "held up");
    assert_eq!(read_soon(&mut subscriber), (1, 0, false));
    publish(&mut publisher);
}

#[test]
fn a_lossless_subscriber_misses_nothing_when_the_topic_is_removed_and_made_anew() {
    let scratch = Scratch::new("anew");
    let mut publisher = scratch.publisher();
    let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    publish(&mut publisher);
    publisher.remove();
    let mut publisher = scratch.publisher();
    publish(&mut publisher);
    assert_eq!(read(&mut subscriber), Some((1, 0, false)));
    assert_eq!(read_soon(&mut subscriber), (1, 0, true));
    publish(&mut publisher);
    assert_eq!(read(&mut subscriber), Some((2, 0, false)));
}

#[test]
fn there_are_so_many_lossless_subscribers_and_those_that_leave_make_room() {
    let scratch = Scratch::new("many");
    let mut publisher = scratch.publisher();
    let place = scratch.place();
    let open = || TopicSubscriber::open("demo", &place, TopicMode::Lossless, TopicStart::Next);
    let mut all: Vec<_> = (0..64).map(|_| open().unwrap()).collect();
    assert_eq!(open().err().map(|error| error.code()), Some(Code::Full));
    all.pop();
    all.push(open().unwrap());
    publish(&mut publisher);
    for subscriber in &mut all {
        assert_eq!(read(subscriber), Some((1, 0, false)));
    }
}

#[test]
fn whoever_sleeps_is_woken_and_looks_once_more() {
    let scratch = Scratch::new("woken");
    let mut watcher = Watcher::new().unwrap();
    let mut subscriber = scratch.subscriber(TopicMode::Lossy, TopicStart::Next);
    let watch = subscriber.watch(&mut watcher);
    let publishing = thread::spawn({
        let place = scratch.place();
        move || {
            let mut publisher =
                TopicPublisher::create("demo", &place, &TopicOptions::default()).unwrap();
            for _ in 0..5000 {
                publish(&mut publisher);
            }
            publisher
        }
    });
    let (mut next, mut again) = (1, true);
    while next <= 5000 {
        if read(&mut subscriber).is_some_and(|found| found == (next, 0, false)) {
            (next, again) = (next + 1, true);
            continue;
        }
        let span = if again { Watcher::LOOK_AGAIN } else { Duration::from_secs(20) };
        let is_woken = watcher.wait(Some(span));
        assert!(is_woken || again, "after message {}", next - 1);
        let mut changed = Vec::new();
        watcher.take(&mut changed);
        assert!(changed.iter().all(|changed| *changed == watch));
        again = is_woken;
    }
    drop(publishing.join().unwrap());
}

#[test]
fn whatever_lies_under_the_name_is_refused_or_read() {
    seeds::each_seed(300, |random| {
        let scratch = Scratch::new("hostile");
        let mut publisher = scratch.publisher();
        let mut subscribers: Vec<_> = [TopicMode::Latest, TopicMode::Lossy, TopicMode::Lossless]
            .map(|mode| scratch.subscriber(mode, TopicStart::Next))
            .into();
        let files = [scratch.file(), scratch.readers()]
            .map(|path| fs::OpenOptions::new().write(true).open(path).unwrap());
        for _ in 0..30 {
            let file = &files[random.below(2)];
            let end = random.pick(&[128, 1200, 8192]);
            let at = random.below(end) as u64;
            let len = random.below(16);
            match random.below(40) {
                0 => file.set_len(random.below(9000) as u64).unwrap(),
                1..20 => file.write_all_at(&random.bytes(len), at).unwrap(),
                _ => {}
            }
            let _ = publisher.append(&[7; 40]);
            publisher.cut_off();
            publisher.show();
            for subscriber in &mut subscribers {
                for _ in 0..70 {
                    if !subscriber.read().is_ok_and(|message| message.is_some()) {
                        break;
                    }
                }
            }
            let start = random.pick(&[TopicStart::Next, TopicStart::Newest, TopicStart::Oldest]);
            let mode = random.pick(&[TopicMode::Latest, TopicMode::Lossy, TopicMode::Lossless]);
            let _ = TopicSubscriber::open("demo", &scratch.place(), mode, start);
        }
    });
}

#[test]
fn a_file_that_was_removed_is_made_again_and_subscribers_follow() {
    let scratch = Scratch::new("removed");
    let mut publisher = scratch.publisher();
    let mut subscriber = scratch.subscriber(TopicMode::Lossy, TopicStart::Next);
    publish(&mut publisher);
    fs::remove_file(scratch.file()).unwrap();
    let start = Instant::now();
    // It is looked for once a second.
    let restarted = loop {
        publisher.publish(b"one more").unwrap();
        match subscriber.read().unwrap() {
            Some(message) if message.is_restarted => break message,
            _ => assert!(start.elapsed() < Duration::from_secs(20)),
        }
    };
    assert_eq!((restarted.number, restarted.generation), (1, 2));
}

#[test]
fn what_was_appended_and_not_shown_is_read_although_the_file_is_made_again() {
    let scratch = Scratch::new("hidden");
    let mut publisher = scratch.publisher();
    let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    let mut hidden = publisher.append(&1u64.to_le_bytes()).unwrap().unwrap();
    fs::remove_file(scratch.file()).unwrap();
    // It is looked for once a second: these are far less than half of a ring by then.
    while publisher.append(&(hidden + 1).to_le_bytes()).unwrap() == Some(hidden + 1) {
        hidden += 1;
        thread::sleep(Duration::from_millis(50));
    }
    assert_eq!(publisher.number(), 1, "of the new file");
    publisher.show();
    for number in 1..=hidden {
        assert_eq!(read(&mut subscriber), Some((number, 0, false)));
    }
    let start = Instant::now();
    while subscriber.read().unwrap().is_none_or(|message| !message.is_restarted) {
        assert!(start.elapsed() < Duration::from_secs(20), "nothing comes");
        thread::yield_now();
    }
}
