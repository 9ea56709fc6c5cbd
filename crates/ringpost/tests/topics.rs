//! Topics for threads and tasks that wait.

use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::thread;
use std::time::{Duration, Instant};

use ringpost::Code;
use ringpost::published::{
    Place, TopicMode, TopicOptions, TopicPublisher, TopicStart, TopicSubscriber,
};
use ringpost::tokio::TopicMessages;

/// Longer than any test takes.
const LONG: Duration = Duration::from_secs(60);

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringpost-{name}-{}", std::process::id()));
        let _ = std::fs::remove_dir_all(&path);
        std::fs::DirBuilder::new().mode(0o700).create(&path).unwrap();
        Self(path)
    }

    fn place(&self) -> Place {
        Place { directory: Some(self.0.clone()), environment: false }
    }

    fn publisher(&self) -> TopicPublisher {
        let options = TopicOptions { capacity: 4096, timeout: LONG, ..TopicOptions::default() };
        TopicPublisher::create("demo", &self.place(), &options).unwrap()
    }

    /// Publishes the numbers from 1 on, with a pause now and then, from another thread.
    fn publishing(&self, count: u64) -> thread::JoinHandle<TopicPublisher> {
        let mut publisher = self.publisher();
        thread::spawn(move || {
            for number in 1..=count {
                assert_eq!(publisher.publish(&number.to_le_bytes()).unwrap(), number);
                if number % 100 == 0 {
                    thread::sleep(Duration::from_micros(300));
                }
            }
            publisher
        })
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}

fn number(bytes: &[u8]) -> u64 {
    u64::from_le_bytes(bytes.try_into().unwrap())
}

#[test]
fn a_thread_sleeps_until_there_is_a_message_and_misses_none() {
    let scratch = Scratch::new("sleeps");
    let mut subscriber =
        TopicSubscriber::open("demo", &scratch.place(), TopicMode::Lossless, TopicStart::Next)
            .unwrap();
    assert!(subscriber.receive(Duration::from_millis(20)).unwrap().is_none());
    let publishing = scratch.publishing(5000);
    for expected in 1..=5000 {
        let message = subscriber.receive(LONG).unwrap().expect("it comes");
        assert_eq!((message.number, message.skipped), (expected, 0));
        assert_eq!(number(message.bytes), expected);
    }
    assert!(subscriber.has_publisher());
    drop(publishing.join().unwrap());
    assert!(!subscriber.has_publisher());
    assert_eq!(subscriber.stats().received, 5000);
}

#[test]
fn an_iterator_goes_on_with_the_next_publisher_and_ends_with_an_error() {
    let scratch = Scratch::new("iterator");
    let open = |mode| TopicSubscriber::open("demo", &scratch.place(), mode, TopicStart::Next);
    let mut subscriber = open(TopicMode::Lossless).unwrap();
    for round in 0..2 {
        let publishing = scratch.publishing(300);
        let messages: Vec<_> = subscriber.messages().take(300).map(Result::unwrap).collect();
        assert!(messages.iter().map(|message| number(&message.bytes)).eq(1..=300));
        assert_eq!(messages[0].is_restarted, round == 1);
        drop(publishing.join().unwrap());
    }
    let options = TopicOptions { capacity: 4096, timeout: Duration::ZERO, ..Default::default() };
    let mut publisher = TopicPublisher::create("demo", &scratch.place(), &options).unwrap();
    for _ in 0..1000 {
        publisher.publish(b"too fast").unwrap();
    }
    assert_eq!(publisher.stats().cut_off, 1);
    let mut messages = subscriber.messages();
    assert_eq!(messages.next().unwrap().unwrap_err().code(), Code::Lagged);
    assert!(messages.next().is_none());
}

#[test]
fn a_batch_is_all_there_is_and_no_more_than_asked_for() {
    let scratch = Scratch::new("batch");
    let mut publisher = scratch.publisher();
    let mut subscriber =
        TopicSubscriber::open("demo", &scratch.place(), TopicMode::Lossy, TopicStart::Next)
            .unwrap();
    let mut read = Vec::new();
    publisher.publish_all((1..=7u64).map(u64::to_le_bytes)).unwrap();
    for (count_max, expected) in [(5, 5), (5, 2), (5, 0)] {
        let timeout = Duration::from_millis(10);
        let count =
            subscriber.batch(timeout, count_max, |message| read.push(number(message.bytes)));
        assert_eq!(count.unwrap(), expected);
    }
    assert!(read.into_iter().eq(1..=7));
}

#[test]
fn a_publisher_that_waits_is_woken_by_its_reader() {
    let scratch = Scratch::new("waits");
    let mut publisher = scratch.publisher();
    let mut subscriber =
        TopicSubscriber::open("demo", &scratch.place(), TopicMode::Lossless, TopicStart::Next)
            .unwrap();
    let reading = thread::spawn(move || {
        let mut count = 0;
        while count < 1000 {
            thread::sleep(Duration::from_micros(100));
            count += subscriber.batch(LONG, 50, |_| {}).unwrap();
        }
    });
    let start = Instant::now();
    for _ in 0..1000 {
        publisher.publish(&[0; 100]).unwrap();
    }
    reading.join().unwrap();
    assert!(start.elapsed() < LONG);
    let stats = publisher.stats();
    assert!(stats.waits > 0 && stats.cut_off == 0, "{stats:?}");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_task_sleeps_until_there_is_a_message_and_misses_none() {
    let scratch = Scratch::new("task");
    let subscriber =
        TopicSubscriber::open("demo", &scratch.place(), TopicMode::Lossless, TopicStart::Next)
            .unwrap();
    let mut messages = TopicMessages::of(subscriber);
    let waiting = tokio::time::timeout(Duration::from_millis(20), messages.next());
    assert!(waiting.await.is_err(), "there is nothing");
    for round in 0..2 {
        let publishing = scratch.publishing(2000);
        for expected in 1..=2000 {
            let message =
                tokio::time::timeout(LONG, messages.next()).await.unwrap().unwrap().unwrap();
            assert_eq!((message.number, message.skipped), (expected, 0));
            assert_eq!(message.is_restarted, round == 1 && expected == 1);
        }
        drop(publishing.join().unwrap());
    }
    assert_eq!(messages.subscriber().stats().generations, 2);
    assert!(!messages.subscriber().has_publisher());
}

#[tokio::test]
async fn a_stream_ends_with_an_error() {
    use futures_core::Stream;
    use std::pin::Pin;

    let scratch = Scratch::new("stream");
    let options = TopicOptions { capacity: 4096, timeout: Duration::ZERO, ..Default::default() };
    let mut publisher = TopicPublisher::create("demo", &scratch.place(), &options).unwrap();
    let subscriber =
        TopicSubscriber::open("demo", &scratch.place(), TopicMode::Lossless, TopicStart::Next)
            .unwrap();
    let mut messages = TopicMessages::of(subscriber);
    for _ in 0..1000 {
        publisher.publish(b"too fast").unwrap();
    }
    let mut next =
        async || std::future::poll_fn(|context| Pin::new(&mut messages).poll_next(context)).await;
    assert_eq!(next().await.unwrap().unwrap_err().code(), Code::Lagged);
    assert!(next().await.is_none());
    assert!(messages.next().await.is_none());
}
