//! What another process of the same user does to the files of a topic.

use super::*;
use crate::memory::words::{WORD, Words};
use crate::published::shared::{SLOTS_START, Shared};
use crate::sync::Ordering;
use crate::topic::slots::{SLOT_LEN, SLOTS};

/// Longer than anything here takes.
const LONG: Duration = Duration::from_secs(20);

fn readers_of(scratch: &Scratch) -> Shared {
    Shared::open(&scratch.file(), SLOTS * SLOT_LEN).unwrap().unwrap()
}

/// Until it is so, by a publisher that looks at its files once a second.
fn publish_until(publisher: &mut TopicPublisher, what: &str, is_so: impl Fn() -> bool) {
    let start = Instant::now();
    while !is_so() {
        assert!(start.elapsed() < LONG, "{what}");
        publish(publisher);
        thread::sleep(Duration::from_millis(1));
    }
}

#[test]
fn a_slot_that_comes_back_as_soon_as_it_is_cut_off_holds_no_message_up_any_longer() {
    let scratch = Scratch::new("back");
    let mut publisher = scratch.publisher();
    let hostile = readers_of(&scratch);
    let slot = hostile.claim(SLOTS).unwrap().unwrap();
    let come_back = |session| {
        let at = SLOTS_START + slot * SLOT_LEN;
        hostile.segment.store(at + 3 * WORD, session, Ordering::Relaxed);
        hostile.segment.store(at, 1, Ordering::Relaxed);
    };
    come_back(1);
    while publisher.append(&[0; 40]).unwrap().is_some() {}
    assert_eq!(publisher.append(&[0; 40]).unwrap(), None, "its time is not over");
    publisher.cut_off();
    come_back(2);
    assert!(publisher.append(&[0; 40]).unwrap().is_some(), "it would be waited for without end");
    assert_eq!(publisher.stats().cut_off, 1);
    // A real one that has the slot afterwards is waited for as any other.
    drop(hostile);
    let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    publisher.show();
    let next = publisher.number() + 1;
    while publisher.append(&[0; 40]).unwrap().is_some() {}
    publisher.show();
    assert!(subscriber.read().unwrap().unwrap().number <= next);
    assert!(publisher.append(&[0; 40]).unwrap().is_some());
}

#[test]
fn a_file_of_readers_that_is_garbage_stops_a_publisher_and_loses_nothing_of_what_follows() {
    let scratch = Scratch::new("garbage");
    let mut publisher = scratch.publisher();
    let mut subscriber = scratch.subscriber(TopicMode::Lossy, TopicStart::Next);
    let garbage = scratch.0.join("demo.topic-readers");
    fs::remove_file(&garbage).unwrap();
    fs::write(&garbage, b"garbage").unwrap();
    fs::remove_file(scratch.file()).unwrap();
    let start = Instant::now();
    // It looks once a second, and then says each time what it does not publish.
    while publisher.publish(b"before").is_ok() {
        assert!(start.elapsed() < LONG);
    }
    assert_eq!(publisher.publish(b"lost").unwrap_err().code(), Code::Access);
    while subscriber.read().unwrap().is_some() {}
    fs::remove_file(&garbage).unwrap();
    assert_eq!(publisher.publish(b"after").unwrap(), 1);
    let message = loop {
        assert!(start.elapsed() < LONG, "published where nobody looks");
        if let Some(message) = subscriber.read().unwrap() {
            break (message.bytes.to_vec(), message.is_restarted);
        }
    };
    assert_eq!(message, (b"after".to_vec(), true));
}

#[test]
fn a_file_of_readers_that_was_removed_is_made_anew_once_nobody_uses_the_old_one() {
    let scratch = Scratch::new("readers");
    let mut publisher = scratch.publisher();
    let mut old = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    let path = scratch.0.join("demo.topic-readers");
    fs::remove_file(&path).unwrap();
    let start = Instant::now();
    while start.elapsed() < Duration::from_millis(1500) {
        publish(&mut publisher);
        assert!(read(&mut old).is_some(), "whoever was there misses nothing");
    }
    assert!(!path.exists());
    drop(old);
    publish_until(&mut publisher, "it is not made", || path.exists());
    let mut new = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    let number = publisher.number();
    while publisher.append(&[0; 40]).unwrap().is_some() {}
    assert_eq!(publisher.stats().waits, 1, "it waits for the one that has joined");
    publisher.show();
    assert_eq!(new.read().unwrap().unwrap().number, number + 1);
}
