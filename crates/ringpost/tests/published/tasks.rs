//! Tasks that wait for changes.

use std::future::{Future, poll_fn};
use std::pin::pin;
use std::task::Poll;
use std::thread;
use std::time::Duration;

use ipc_core::Code;
use ipc_core::testing::each_seed;
use ringpost::tokio::FrameChanges;
use tokio::runtime::{Builder, Runtime};
use tokio::sync::mpsc;
use tokio::time::{sleep, timeout};

use super::two_processes::WAIT_POLICY as PATIENCE;
use super::{Place, meeting, pattern, queues, reader, seed_of, writer};

fn one_thread() -> Runtime {
    Builder::new_current_thread().enable_all().build().unwrap()
}

fn two_threads() -> Runtime {
    Builder::new_multi_thread().worker_threads(2).enable_all().build().unwrap()
}

async fn next(changes: &mut FrameChanges) -> u64 {
    let frame = timeout(PATIENCE, changes.next()).await.expect("a change was missed");
    seed_of(&frame.expect("it never ends").unwrap().bytes)
}

async fn finds_nothing(changes: &mut FrameChanges) {
    let found = timeout(Duration::from_millis(5), changes.next()).await;
    assert!(found.is_err(), "{found:?}");
}

#[test]
fn a_task_gets_the_newest_value_and_then_each_other() {
    for runtime in [one_thread(), two_threads()] {
        let (_meeting, place) = meeting();
        let mut writer = writer("demo", &place);
        writer.write(&pattern(1, 10)).unwrap();
        writer.write(&pattern(2, 10)).unwrap();
        runtime.block_on(async {
            let mut changes = FrameChanges::of(reader("demo", &place));
            assert_eq!(next(&mut changes).await, 2);
            finds_nothing(&mut changes).await;
            writer.write(&pattern(3, 10)).unwrap();
            assert_eq!(next(&mut changes).await, 3);
            assert_eq!(changes.reader().stats().skipped, 0, "it has never read the first");
        });
    }
}

#[test]
fn no_task_misses_a_change_at_any_pace() {
    each_seed(2, |random| {
        let (_meeting, place) = meeting();
        let runtime = if random.below(2) == 0 { one_thread() } else { two_threads() };
        runtime.block_on(async {
            const READERS: usize = 6;
            let (read, mut seen) = mpsc::unbounded_channel();
            for index in 0..READERS {
                let (read, place) = (read.clone(), place.clone());
                tokio::spawn(async move {
                    let mut changes = FrameChanges::of(reader(&format!("demo-{index}"), &place));
                    loop {
                        let seed = next(&mut changes).await;
                        read.send((index, seed)).unwrap();
                    }
                });
            }
            let mut writers: Vec<_> =
                (0..READERS).map(|index| writer(&format!("demo-{index}"), &place)).collect();
            for seed in 0..300 {
                let index = random.below(READERS);
                writers[index].write(&pattern(seed, 100)).unwrap();
                assert_eq!(seen.recv().await, Some((index, seed)));
                let pause = [0, 10, 50, 90, 100, 110, 200][random.below(7)];
                thread::sleep(Duration::from_micros(pause));
            }
        });
    });
}

/// A wait that is dropped, at whatever point, loses no value.
#[test]
fn a_cancelled_wait_loses_nothing() {
    let (_meeting, place) = meeting();
    let mut writer = writer("demo", &place);
    one_thread().block_on(async {
        let mut changes = FrameChanges::of(reader("demo", &place));
        for seed in 1..100 {
            {
                let mut cancelled = pin!(changes.next());
                let first = poll_fn(|context| Poll::Ready(cancelled.as_mut().poll(context))).await;
                assert!(first.is_pending());
                writer.write(&pattern(seed, 10)).unwrap();
                if seed % 2 == 0 {
                    // Woken, but not polled.
                    sleep(Duration::from_millis(1)).await;
                }
            }
            assert_eq!(next(&mut changes).await, seed);
        }
    });
}

#[test]
fn a_stream_outlives_the_runtime_it_has_waited_in() {
    let (_meeting, place) = meeting();
    let mut writer = writer("demo", &place);
    let mut changes = FrameChanges::of(reader("demo", &place));
    for seed in 1..=3 {
        let runtime = one_thread();
        writer.write(&pattern(seed, 10)).unwrap();
        assert_eq!(runtime.block_on(next(&mut changes)), seed);
        runtime.block_on(finds_nothing(&mut changes));
    }
    // It waits in one runtime while the other, which takes what comes, ends.
    let first = one_thread();
    first.block_on(finds_nothing(&mut changes));
    let waiting = thread::spawn(move || one_thread().block_on(next(&mut changes)));
    thread::sleep(Duration::from_millis(20));
    drop(first);
    thread::sleep(Duration::from_millis(20));
    writer.write(&pattern(9, 10)).unwrap();
    assert_eq!(waiting.join().unwrap(), 9);
}

#[test]
fn a_wait_outside_of_a_runtime_is_an_error_and_the_end() {
    let (_meeting, place) = meeting();
    let mut changes = FrameChanges::of(reader("demo", &place));
    let mut polled = || {
        let mut context = std::task::Context::from_waker(std::task::Waker::noop());
        pin!(changes.next()).as_mut().poll(&mut context)
    };
    let Poll::Ready(Some(Err(error))) = polled() else { panic!("it waits") };
    assert_eq!(error.code(), Code::InvalidArgument);
    assert!(matches!(polled(), Poll::Ready(None)));
}

#[test]
fn all_tasks_of_a_runtime_share_one_queue() {
    let (meeting, _) = meeting();
    assert_eq!(meeting.run("tasks").wait(), Some(0));
}

pub fn count_queues(place: &Place) {
    let runtimes = [one_thread(), one_thread()];
    let mut all = Vec::new();
    for (index, runtime) in runtimes.iter().enumerate() {
        runtime.block_on(async {
            for frame in 0..100 {
                let mut changes = FrameChanges::of(reader(&frame.to_string(), place));
                assert!(timeout(Duration::ZERO, changes.next()).await.is_err());
                all.push(changes);
            }
        });
        assert_eq!(queues(), index + 1);
    }
    drop(all);
    for (index, runtime) in runtimes.iter().enumerate() {
        // Its driver ends in a turn of its own.
        runtime.block_on(async { sleep(Duration::from_millis(1)).await });
        assert_eq!(queues(), 1 - index);
    }
}
