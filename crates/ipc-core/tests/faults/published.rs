//! Published files while system calls fail: no panic, no hang, no leak, and no value that was not
//! written.

use std::time::Duration;

use ipc_core::testing::faults;
use ipc_core::{
    Code, Error, FrameOptions, FrameStatus, Place, StateFrameReader, StateFrameWriter, Watcher,
};
use rustix::io::Errno;

use super::calls::fail_each_call;
use super::{Meeting, alone};

fn place(meeting: &Meeting) -> Place {
    Place::at(&meeting.0)
}

fn create(place: &Place) -> Result<StateFrameWriter, Error> {
    StateFrameWriter::create("demo", place, &FrameOptions::default())
}

/// Makes a frame, writes to it, makes it again with a longer value, and has a reader follow. An
/// error at any point is an outcome.
fn publish(place: &Place, seen: &mut Vec<Vec<u8>>) -> Result<(), Error> {
    let mut writer = create(place)?;
    let mut reader = StateFrameReader::open("demo", place)?;
    let mut watcher = Watcher::new()?;
    let id = reader.watch(&mut watcher);
    watcher.check(id)?;
    for value in [&b"short"[..], &[7; 5000]] {
        // A file that cannot be made leaves the one there is, and its value.
        let written = writer.write(value);
        let found = reader.read()?;
        if found.status != FrameStatus::Empty {
            seen.push(found.bytes.to_vec());
        }
        written?;
        watcher.wait(Some(Duration::ZERO));
        watcher.take(&mut Vec::new());
        watcher.check(id)?;
    }
    Ok(())
}

#[test]
fn a_call_that_fails_while_something_is_published_leaves_nothing_behind() {
    let _alone = alone();
    let meeting = Meeting::new("published");
    let place = place(&meeting);
    // Made first and kept, for each run to find the file of a writer before it.
    create(&place).unwrap().write(b"the first of all").unwrap();
    fail_each_call(&meeting, move |plan| {
        let mut seen = Vec::new();
        plan.start();
        let outcome = publish(&place, &mut seen);
        let failed = faults::stop();
        assert!(failed || outcome.is_ok(), "{outcome:?}");
        for value in seen {
            let is_one = value == b"the first of all" || value == b"short" || value == [7; 5000];
            assert!(is_one, "{} bytes that were not written", value.len());
        }
        // With all calls at work again the next writer takes its place.
        let mut next = create(&place).unwrap();
        next.write(b"the first of all").unwrap();
        let mut reader = StateFrameReader::open("demo", &place).unwrap();
        assert_eq!(reader.read().unwrap().bytes, b"the first of all");
        failed
    });
}

/// A user has no more than some watches.
#[test]
fn a_watch_that_cannot_be_had_is_an_error_and_not_silence() {
    let _alone = alone();
    let meeting = Meeting::new("watches");
    let reader = StateFrameReader::open("demo", &place(&meeting)).unwrap();
    let mut watcher = Watcher::new().unwrap();
    let id = reader.watch(&mut watcher);
    watcher.check(id).expect("what is not there yet can be waited for");
    faults::fail_nth(0, true, Errno::NOSPC);
    let second = reader.watch(&mut watcher);
    faults::stop();
    assert_eq!(watcher.check(second).unwrap_err().code(), Code::NoSpace);
}
