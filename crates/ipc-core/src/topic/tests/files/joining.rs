//! Lossless subscribers where the file of the readers is missing beside a topic.

use super::*;

#[test]
fn a_lossless_subscriber_joins_where_its_publisher_looks() {
    let scratch = Scratch::new("joins");
    let mut publisher = scratch.publisher();
    // As long as it is there, the publisher stays with the file of readers that it has.
    let other = scratch.subscriber(TopicMode::Lossless, TopicStart::Next);
    publish(&mut publisher);
    fs::remove_file(scratch.readers()).unwrap();
    let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Newest);
    assert_eq!(read(&mut subscriber), None);
    assert!(!scratch.readers().exists(), "its publisher would not look there");
    drop(other);
    let start = Instant::now();
    // It makes another one when it looks, once a second.
    let first = loop {
        publish(&mut publisher);
        if let Some(found) = read(&mut subscriber) {
            break found;
        }
        assert!(start.elapsed() < Duration::from_secs(20), "it never joins");
        thread::sleep(Duration::from_millis(20));
    };
    assert_eq!(first, (publisher.number(), 0, false), "the newest one");
    while publisher.append(&[0; 40]).unwrap().is_some() {
        assert!(start.elapsed() < Duration::from_secs(20), "it is not waited for");
    }
}

#[test]
fn a_lossless_subscriber_reads_what_one_left_that_is_gone_also_without_its_file_of_readers() {
    let scratch = Scratch::new("left");
    let mut publisher = scratch.publisher();
    for _ in 0..3 {
        publish(&mut publisher);
    }
    drop(publisher);
    fs::remove_file(scratch.readers()).unwrap();
    let mut subscriber = scratch.subscriber(TopicMode::Lossless, TopicStart::Newest);
    assert_eq!(read(&mut subscriber), Some((3, 0, false)));
    let mut publisher = scratch.publisher();
    for _ in 0..64 {
        publish(&mut publisher);
    }
    assert_eq!(publisher.append(&[0; 40]).unwrap(), None, "it is waited for");
}
