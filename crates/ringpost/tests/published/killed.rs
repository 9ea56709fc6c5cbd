//! Writers and readers that are killed, wherever they are.

use std::cell::Cell;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread;
use std::time::{Duration, Instant};

use ipc_core::testing::each_seed;
use ringpost::published::{FrameStatus, StateFrameReader};
use rustix::process::{Pid, Signal};

use super::two_processes::WAIT_POLICY as PATIENCE;
use super::two_processes::{Process, eventually, watch_dog};
use super::{Place, kills, meeting, number, pattern, reader, seed_of, writer};

/// Writes values of changing lengths, whose seeds are their numbers.
pub fn write_for_ever(place: &Place, from: u64, len: u64) -> ! {
    let mut writer = writer("demo", place);
    assert!(writer.number() >= from, "numbers go on");
    loop {
        let number = writer.number() + 1;
        let len = usize::try_from(number * 37 % len).unwrap();
        writer.write(&pattern(number, len)).unwrap();
    }
}

pub fn write_and_die(place: &Place, point: &str, passages: u64) -> ! {
    kills::die_at(point, u32::try_from(passages).unwrap());
    write_for_ever(place, 0, 1000)
}

/// Reads, and says so in a frame of its own.
pub fn read_for_ever(place: &Place, index: &str) -> ! {
    let mut reader = reader("demo", place);
    let mut seen = writer(&format!("seen-{index}"), place);
    let mut last = 0;
    loop {
        let found = reader.wait_for_change(Duration::MAX).unwrap().expect("it waits for ever");
        let number = seed_of(found.bytes);
        assert_eq!(number, found.number);
        assert!(number > last, "{number} after {last}");
        last = number;
        seen.write(&number.to_le_bytes()).unwrap();
    }
}

/// Ends the threads of a test with it, also where it fails.
struct GoOn<'a>(&'a AtomicBool);

impl Drop for GoOn<'_> {
    fn drop(&mut self) {
        self.0.store(false, Ordering::Relaxed);
    }
}

/// Reads until it is told to stop. Each value is whole, and none is older than one before.
fn read_while(mut reader: StateFrameReader, go_on: &AtomicBool) {
    let mut last = 0;
    while go_on.load(Ordering::Relaxed) {
        let found = reader.read().unwrap();
        if found.number == 0 {
            continue;
        }
        assert_eq!(seed_of(found.bytes), found.number);
        assert!(found.number >= last, "{} after {last}", found.number);
        last = found.number;
        if found.status != FrameStatus::Fresh {
            thread::yield_now();
        }
    }
    assert_eq!(reader.stats().corrupt, 0);
}

/// Reads a frame whose writer is gone, which takes a moment to be seen.
fn read_stale(place: &Place) -> (u64, StateFrameReader) {
    let mut late = reader("demo", place);
    eventually("staleness", || {
        let status = late.read().unwrap().status;
        matches!(status, FrameStatus::Stale | FrameStatus::Empty)
    });
    let found = late.read().unwrap();
    assert!(found.number == 0 || seed_of(found.bytes) == found.number);
    (found.number, late)
}

/// What was stored before the death is there or not, by the point; nothing is half there.
#[test]
fn a_writer_that_dies_anywhere_in_a_write_leaves_whole_values() {
    watch_dog();
    for point in kills::FRAME_POINTS {
        for passages in [0, 1, 2, 7] {
            let (meeting, place) = meeting();
            let go_on = AtomicBool::new(true);
            thread::scope(|scope| {
                let early = reader("demo", &place);
                let _reading = GoOn(&go_on);
                scope.spawn(|| read_while(early, &go_on));
                let died = meeting.run(&format!("die at {point} {passages}")).wait();
                assert_eq!(died, None, "{point} is never passed");
            });
            // The last value counts as soon as its number is stored.
            let is_visible = point == "newest";
            let (last, mut late) = read_stale(&place);
            assert_eq!(last, passages + u64::from(is_visible), "at {point} {passages}");
            let mut next = writer("demo", &place);
            assert_eq!(next.write(&pattern(last + 1, 10)).unwrap(), last + 1);
            assert_eq!(late.read().unwrap().number, last + 1);
            assert_eq!(late.stats().corrupt, 0);
        }
    }
}

/// The next one has no work with what is left, and readers go on from file to file.
#[test]
fn a_writer_that_dies_while_its_file_is_made_is_followed_by_the_next() {
    watch_dog();
    for point in kills::FILE_POINTS {
        let (meeting, place) = meeting();
        let mut before = writer("demo", &place);
        before.write(&pattern(1, 100)).unwrap();
        drop(before);
        let mut early = reader("demo", &place);
        assert_eq!(early.read().unwrap().number, 1);
        assert_eq!(meeting.run(&format!("die at {point} 0")).wait(), None);
        assert_eq!(early.read().unwrap().number, 1, "the last value there is, at {point}");
        let mut next = writer("demo", &place);
        assert_eq!(next.write(&pattern(2, 100)).unwrap(), 2, "after {point}");
        for mut reader in [early, reader("demo", &place)] {
            let found = reader.read().unwrap();
            assert_eq!((seed_of(found.bytes), found.status), (2, FrameStatus::Fresh));
        }
        let left = std::fs::read_dir(place.directory.as_ref().unwrap()).unwrap();
        let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
        assert_eq!(left, ["demo.frame"], "after {point}");
    }
}

/// Lets a process work for a moment that is chosen at random.
fn work_a_while(nanos: usize) {
    let until = Instant::now() + Duration::from_nanos(u64::try_from(nanos).unwrap());
    while Instant::now() < until {
        thread::yield_now();
    }
}

/// A hundred writers one after the other; `RINGPOST_RUNS=10` makes it a thousand.
#[test]
fn writers_that_are_killed_at_random_leave_whole_values() {
    watch_dog();
    let (meeting, place) = meeting();
    let go_on = AtomicBool::new(true);
    thread::scope(|scope| {
        let _reading = GoOn(&go_on);
        for _ in 0..2 {
            let early = reader("demo", &place);
            scope.spawn(|| read_while(early, &go_on));
        }
        let last = Cell::new(0);
        each_seed(100, |random| {
            let mut process = meeting.run(&format!("write {} 6000", last.get()));
            let mut waiting = reader("demo", &place);
            let mut is_new = || {
                let found = waiting.wait_for_change(PATIENCE).unwrap();
                found.expect("the writer writes").number > last.get()
            };
            while !is_new() {}
            work_a_while(random.below(2_000_000));
            process.kill();
            let (found, _) = read_stale(&place);
            assert!(found > last.get());
            last.set(found);
        });
    });
}

/// How far a reader in another process has come.
fn seen(reader: &mut StateFrameReader) -> u64 {
    let found = reader.read().unwrap();
    found.bytes.try_into().map_or(0, u64::from_le_bytes)
}

/// They die while the writer writes; it has no error, and writes the same file all the time.
#[test]
fn readers_that_are_killed_at_random_are_none_of_the_writers_concern() {
    watch_dog();
    let (meeting, place) = meeting();
    let mut writer = writer("demo", &place);
    let go_on = AtomicBool::new(true);
    let last = thread::scope(|scope| {
        let readers = GoOn(&go_on);
        let writing = scope.spawn(|| {
            while go_on.load(Ordering::Relaxed) {
                let number = writer.number() + 1;
                assert_eq!(writer.write(&pattern(number, 5000)).unwrap(), number);
                thread::yield_now();
            }
            writer.number()
        });
        each_seed(30, |random| {
            let mut progress = reader("seen-0", &place);
            let before = seen(&mut progress);
            let mut process = meeting.run("read 0");
            eventually("a first read", || seen(&mut progress) > before);
            work_a_while(random.below(3_000_000));
            process.kill();
        });
        drop(readers);
        writing.join().unwrap()
    });
    let mut late = reader("demo", &place);
    assert_eq!(late.read().unwrap().number, last);
    // The value was longer than the file it began with.
    assert_eq!(late.head().unwrap().generation, 2);
}

fn signal(process: &Process, signal: Signal) {
    let pid = Pid::from_raw(i32::try_from(process.id()).unwrap()).unwrap();
    rustix::process::kill_process(pid, signal).unwrap();
}

/// A second; with `RINGPOST_RUNS=10` ten.
#[test]
fn a_reader_that_is_stopped_holds_nothing_up_and_then_goes_on() {
    let span = Duration::from_secs(std::env::var("RINGPOST_RUNS").map_or(1, |runs| number(&runs)));
    let (meeting, place) = meeting();
    let mut writer = writer("demo", &place);
    let process = meeting.run("read 0");
    let mut progress = reader("seen-0", &place);
    let mut write = || {
        let number = writer.number() + 1;
        assert_eq!(writer.write(&pattern(number, 5000)).unwrap(), number);
        number
    };
    eventually("a first read", || write() > 0 && seen(&mut progress) > 0);
    signal(&process, Signal::STOP);
    eventually("the stop", || process.is_stopped());
    let stopped = seen(&mut progress);
    let (since, mut longest, mut count) = (Instant::now(), Duration::ZERO, 0_u64);
    let mut last = 0;
    while since.elapsed() < span {
        let start = Instant::now();
        last = write();
        longest = longest.max(start.elapsed());
        count += 1;
    }
    assert!(count > 100, "{count} writes in {span:?}, the longest took {longest:?}");
    assert_eq!(seen(&mut progress), stopped);
    signal(&process, Signal::CONT);
    eventually("the last value", || seen(&mut progress) == last);
}
