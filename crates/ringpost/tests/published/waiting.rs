//! Threads that wait for changes.

use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use ipc_core::testing::each_seed;
use ringpost::published::FrameStatus;

use super::two_processes::WAIT_POLICY as PATIENCE;
use super::two_processes::watch_dog;
use super::{Place, kills, meeting, pattern, queues, reader, seed_of, writer};

/// Long enough for a reader to have looked twice and to sleep.
const ASLEEP: Duration = Duration::from_millis(20);

#[test]
fn who_waits_gets_the_newest_value_and_then_the_next() {
    let (_meeting, place) = meeting();
    let (mut writer, mut reader) = (writer("demo", &place), reader("demo", &place));
    assert!(reader.wait_for_change(Duration::ZERO).unwrap().is_none());
    let since = Instant::now();
    assert!(reader.wait_for_change(ASLEEP).unwrap().is_none());
    assert!(since.elapsed() >= ASLEEP);
    writer.write(b"one").unwrap();
    writer.write(b"two").unwrap();
    let found = reader.wait_for_change(PATIENCE).unwrap().expect("the newest");
    assert_eq!((found.bytes, found.number, found.status), (&b"two"[..], 2, FrameStatus::Fresh));
    assert!(reader.wait_for_change(ASLEEP).unwrap().is_none(), "it was returned already");
    writer.write(b"three").unwrap();
    assert_eq!(reader.read().unwrap().bytes, b"three");
    assert!(reader.wait_for_change(ASLEEP).unwrap().is_none(), "it was read already");
}

/// Their values, and their ends.
#[test]
fn the_values_of_writers_that_come_and_go_are_waited_for_as_one() {
    let (_meeting, place) = meeting();
    let mut frames = reader("demo", &place);
    let (read, seen) = mpsc::channel();
    let reading = thread::spawn(move || {
        for frame in frames.changes() {
            let frame = frame.unwrap();
            read.send((frame.number, frame.status)).unwrap();
            if frame.number == 20 {
                return;
            }
        }
    });
    let next = || seen.recv_timeout(PATIENCE).unwrap();
    for number in 1..=20 {
        let mut writer = writer("demo", &place);
        writer.write(b"one more").unwrap();
        assert_eq!(next(), (number, FrameStatus::Fresh));
        if number < 20 {
            drop(writer);
            assert_eq!(next(), (number, FrameStatus::Stale));
        }
    }
    reading.join().unwrap();
}

/// Each write reaches its reader although none of them ever looks by itself, whatever the writer's
/// pace: some of its writes are rung for, others are not.
#[test]
fn no_change_is_missed_at_any_pace() {
    watch_dog();
    each_seed(4, |random| {
        const READERS: usize = 6;
        let (_meeting, place) = meeting();
        let (read, seen) = mpsc::channel();
        let threads: Vec<_> = (0..READERS)
            .map(|index| {
                let (mut frames, read) = (reader(&format!("demo-{index}"), &place), read.clone());
                thread::spawn(move || {
                    loop {
                        let found = frames.wait_for_change(Duration::MAX).unwrap().unwrap();
                        let seed = seed_of(found.bytes);
                        read.send((index, seed)).unwrap();
                        if seed == u64::MAX {
                            return;
                        }
                    }
                })
            })
            .collect();
        let mut writers: Vec<_> =
            (0..READERS).map(|index| writer(&format!("demo-{index}"), &place)).collect();
        let mut write = |index: usize, seed: u64| {
            writers[index].write(&pattern(seed, 100)).unwrap();
            let found = loop {
                match seen.recv_timeout(PATIENCE).expect("a change was missed") {
                    (found, seed) if found == index => break seed,
                    _ => {}
                }
            };
            assert_eq!(found, seed);
        };
        for seed in 0..1000 {
            write(random.below(READERS), seed);
            let pause = [0, 0, 10, 50, 90, 100, 110, 200][random.below(8)];
            thread::sleep(Duration::from_micros(pause));
        }
        (0..READERS).for_each(|index| write(index, u64::MAX));
        threads.into_iter().for_each(|thread| thread.join().unwrap());
    });
}

/// The thread that sleeps in the kernel for both leaves, and the other takes its place.
#[test]
fn a_leader_that_leaves_is_followed_by_another() {
    let (_meeting, place) = meeting();
    let mut changing = writer("follower", &place);
    let mut leader = reader("leader", &place);
    let leading = thread::spawn(move || leader.wait_for_change(5 * ASLEEP).unwrap().is_none());
    let followers: Vec<_> = (0..3)
        .map(|_| {
            let mut follower = reader("follower", &place);
            thread::spawn(move || {
                thread::sleep(ASLEEP);
                follower.wait_for_change(PATIENCE).unwrap().map(|read| read.number)
            })
        })
        .collect();
    assert!(leading.join().unwrap(), "its time was over");
    thread::sleep(ASLEEP);
    changing.write(b"for the followers").unwrap();
    for follower in followers {
        assert_eq!(follower.join().unwrap(), Some(1));
    }
}

/// A writer is held up between the look at the clock that its value carries and the last of its
/// stores, until its readers have looked twice. It has rung for the value before a moment ago.
#[test]
fn a_writer_that_is_held_up_in_a_write_rings_all_the_same() {
    let (meeting, _) = meeting();
    assert_eq!(meeting.run("hold").wait(), Some(0));
}

pub fn write_and_be_held(place: &Place) {
    for point in kills::FRAME_POINTS {
        let (mut writer, mut reader) = (writer(point, place), reader(point, place));
        let mut next =
            |patience| reader.wait_for_change(patience).unwrap().map(|read| seed_of(read.bytes));
        let (held, go_on) = kills::hold_at(point, 1);
        let writing = thread::spawn(move || {
            let (first, second) = (pattern(1, 100), pattern(2, 100));
            writer.write(&first).unwrap();
            writer.write(&second).unwrap();
            writer
        });
        held.recv_timeout(PATIENCE).unwrap();
        let found = next(PATIENCE);
        // At the last point the second value is there already.
        assert_eq!(found, Some(if point == "newest" { 2 } else { 1 }), "at {point}");
        assert_eq!(next(ASLEEP), None);
        drop(go_on);
        if point != "newest" {
            // The writer stays: its end would wake its readers.
            assert_eq!(next(PATIENCE), Some(2), "after {point}");
        }
        writing.join().unwrap();
    }
}

#[test]
fn all_that_wait_share_one_queue() {
    let (meeting, _) = meeting();
    assert_eq!(meeting.run("count queues").wait(), Some(0));
}

pub fn count_queues(place: &Place) {
    assert_eq!(queues(), 0);
    let mut readers: Vec<_> = (0..100).map(|index| reader(&index.to_string(), place)).collect();
    assert_eq!(queues(), 0, "none has waited");
    for reader in &mut readers {
        assert!(reader.wait_for_change(Duration::ZERO).unwrap().is_none());
    }
    assert_eq!(queues(), 1);
    drop(readers);
    assert_eq!(queues(), 0);
}

#[test]
fn a_process_that_waits_uses_no_processor() {
    let (meeting, place) = meeting();
    let mut writer = writer("demo", &place);
    let mut acknowledged = reader("seen", &place);
    writer.write(b"for all").unwrap();
    let process = meeting.run("wait");
    acknowledged.wait_for_change(PATIENCE).unwrap().expect("all have read");
    let before = process.processor_time();
    thread::sleep(Duration::from_secs(1));
    let used = process.processor_time() - before;
    assert!(used <= Duration::from_millis(20), "{used:?} in a second without a change");
    writer.write(b"for all again").unwrap();
    let again = acknowledged.wait_for_change(PATIENCE).unwrap().expect("it still waits");
    assert_eq!(again.number, 2);
}

/// Ten threads wait, and tell when each has read.
pub fn wait_for_ever(place: &Place) {
    let mut seen = writer("seen", place);
    let (read, reads) = mpsc::channel();
    for _ in 0..10 {
        let (mut reader, read) = (reader("demo", place), read.clone());
        thread::spawn(move || {
            reader.changes().for_each(|frame| read.send(frame.unwrap().number).unwrap());
        });
    }
    loop {
        for _ in 0..10 {
            reads.recv().unwrap();
        }
        seen.write(b"all have read").unwrap();
    }
}
