//! Many readers, many names, and no room for more.

use std::fs;
use std::time::Duration;

use ringpost::Code;
use ringpost::published::{FrameConfig, FrameStatus, StateFrameWriter};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::two_processes::{eventually, watch_dog};
use super::{Place, meeting, pattern, queues, reader, seed_of, writer};

#[test]
fn ten_processes_read_what_one_writes() {
    watch_dog();
    let (meeting, place) = meeting();
    let mut writer = writer("demo", &place);
    let _processes: Vec<_> = (0..10).map(|index| meeting.run(&format!("read {index}"))).collect();
    let mut progress: Vec<_> =
        (0..10).map(|index| reader(&format!("seen-{index}"), &place)).collect();
    let mut have_all_seen = |number: u64| {
        progress.iter_mut().all(|seen| seen.read().unwrap().bytes == number.to_le_bytes())
    };
    for number in 1..=3000 {
        writer.write(&pattern(number, 5000)).unwrap();
        // Now and then all come to the newest one, whatever they have skipped.
        if number % 100 == 0 {
            eventually("the newest value everywhere", || have_all_seen(number));
        }
    }
}

#[test]
fn a_thousand_names_are_told_apart() {
    let (meeting, _) = meeting();
    assert_eq!(meeting.run("names").wait(), Some(0));
}

pub fn use_a_thousand_names(place: &Place) {
    // A descriptor for each end of each.
    let maximum = getrlimit(Resource::Nofile).maximum;
    let all = Rlimit { current: maximum, maximum };
    setrlimit(Resource::Nofile, all).unwrap();
    let name = |index: u64| format!("demo-{index}");
    let mut readers: Vec<_> = (0..1000).map(|index| reader(&name(index), place)).collect();
    for reader in &mut readers {
        assert!(reader.wait_for_change(Duration::ZERO).unwrap().is_none());
    }
    let mut writers: Vec<_> = (0..1000).map(|index| writer(&name(index), place)).collect();
    for round in 1..=2 {
        for (index, writer) in (0..).zip(&mut writers) {
            writer.write(&pattern(round * 1000 + index, 100)).unwrap();
        }
        for (index, reader) in (0..).zip(&mut readers) {
            let found = reader.wait_for_change(Duration::MAX).unwrap().expect("for ever");
            assert_eq!(seed_of(found.bytes), round * 1000 + index);
        }
    }
    assert_eq!(queues(), 1);
    writers.into_iter().for_each(ringpost::published::StateFrameWriter::remove);
    let left = fs::read_dir(place.directory.as_ref().unwrap()).unwrap();
    assert_eq!(left.count(), 0);
}

#[test]
fn a_full_file_system_is_an_error_when_a_file_is_made_and_never_a_signal() {
    let (meeting, place) = meeting();
    let directory = place.directory.unwrap();
    let directory = directory.to_str().unwrap();
    let mount = format!("mkdir -m 700 {directory} && mount -t tmpfs -o size=64k none {directory}");
    let process = meeting.run_where(&format!("{mount} && chmod 700 {directory}"), "full");
    assert!(process.is_none_or(|mut process| process.wait() == Some(0)));
}

pub fn fill_the_file_system(place: &Place) {
    let mut kept = writer("demo", place);
    kept.write(&pattern(1, 100)).unwrap();
    let config = FrameConfig::new().place(place.clone()).capacity(100_000);
    let refused = StateFrameWriter::create("large", &config).expect_err("there is no room");
    assert_eq!(refused.code(), Code::NoSpace, "{refused}");
    // A value that needs a larger file, for which there is none: the last one stays.
    let refused = kept.write(&pattern(2, 100_000)).unwrap_err();
    assert_eq!(refused.code(), Code::NoSpace, "{refused}");
    let mut reader = reader("demo", place);
    let found = reader.read().unwrap();
    assert_eq!((seed_of(found.bytes), found.status), (1, FrameStatus::Fresh));
    assert_eq!(kept.write(&pattern(2, 100)).unwrap(), 2);
    assert_eq!(seed_of(reader.read().unwrap().bytes), 2);
    let left = fs::read_dir(place.directory.as_ref().unwrap()).unwrap();
    let left: Vec<_> = left.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(left, ["demo.frame"]);
}
