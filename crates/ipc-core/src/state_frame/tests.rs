use std::fs;
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::*;
use crate::memory::{Object, Segment};
use crate::published::head::{HEAD_LEN, Kind};
use crate::published::place::Name;
use crate::published::{Opened, Place, Watcher};
use crate::seeds;
use crate::state_frame::cell::Stamped;
use crate::time::Time;

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path =
            std::env::temp_dir().join(format!("ringpost-frame-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn place(&self) -> Place {
        Place { directory: Some(self.0.clone()), environment: false }
    }

    fn writer(&self) -> StateFrameWriter {
        StateFrameWriter::create("demo", &self.place(), &FrameOptions::default()).unwrap()
    }

    fn reader(&self) -> StateFrameReader {
        StateFrameReader::open("demo", &self.place()).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.0.join("demo.frame")
    }

    fn names(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn read(reader: &mut StateFrameReader) -> (FrameStatus, u64, Vec<u8>) {
    let read = reader.read().unwrap();
    (read.status, read.number, read.bytes.to_vec())
}

#[test]
fn a_reader_that_was_there_first_follows_writers_that_come_and_go() {
    let scratch = Scratch::new("first");
    let mut reader = scratch.reader();
    assert_eq!(read(&mut reader), (FrameStatus::Empty, 0, vec![]));
    let mut writer = scratch.writer();
    assert_eq!(read(&mut reader), (FrameStatus::Empty, 0, vec![]));
    assert_eq!(writer.write(b"one").unwrap(), 1);
    assert_eq!(read(&mut reader), (FrameStatus::Fresh, 1, b"one".to_vec()));
    assert_eq!(read(&mut reader), (FrameStatus::Same, 1, b"one".to_vec()));
    writer.write(b"").unwrap();
    assert_eq!(read(&mut reader), (FrameStatus::Fresh, 2, vec![]));
    writer.write(b"three").unwrap();
    drop(writer);
    std::thread::sleep(Duration::from_millis(2));
    assert_eq!(read(&mut reader), (FrameStatus::Stale, 3, b"three".to_vec()));
    let mut writer = scratch.writer();
    assert_eq!(read(&mut reader).0, FrameStatus::Stale, "the next writer has written nothing");
    assert_eq!(writer.write(b"four").unwrap(), 4);
    assert_eq!(read(&mut reader), (FrameStatus::Fresh, 4, b"four".to_vec()));
    let stats = reader.stats();
    assert_eq!((stats.fresh, stats.skipped, stats.corrupt, stats.generations), (4, 0, 0, 2));
    writer.remove();
    assert!(scratch.names().is_empty(), "{:?}", scratch.names());
}

#[test]
fn numbers_go_on_after_writers_that_have_written_nothing() {
    let scratch = Scratch::new("numbers");
    scratch.writer().write(b"one").unwrap();
    for _ in 0..3 {
        assert_eq!(scratch.writer().number(), 1);
    }
    assert_eq!(scratch.writer().write(b"two").unwrap(), 2);
}

#[test]
fn a_second_writer_is_refused_unless_it_takes_over() {
    let scratch = Scratch::new("second");
    let (mut first, mut reader) = (scratch.writer(), scratch.reader());
    first.write(b"of the first").unwrap();
    assert_eq!(read(&mut reader).2, b"of the first");
    let options = FrameOptions::default();
    let refused = StateFrameWriter::create("demo", &scratch.place(), &options);
    let refused = refused.err().expect("one writer at a time");
    assert_eq!(refused.code(), Code::NameInUse);
    assert!(refused.to_string().contains(&std::process::id().to_string()), "{refused}");
    let options = FrameOptions { take_over: true, ..options };
    let mut second = StateFrameWriter::create("demo", &scratch.place(), &options).unwrap();
    assert_eq!(first.write(b"too late").unwrap_err().code(), Code::NameInUse);
    assert_eq!(second.write(b"of the second").unwrap(), 2);
    assert_eq!(read(&mut reader), (FrameStatus::Fresh, 2, b"of the second".to_vec()));
    first.remove();
    assert_eq!(scratch.names(), ["demo.frame"], "it is another's by now");
}

#[test]
fn a_frame_grows_under_its_readers() {
    let scratch = Scratch::new("grows");
    let (mut writer, mut reader) = (scratch.writer(), scratch.reader());
    writer.write(&[1; 10]).unwrap();
    assert_eq!(read(&mut reader).2, [1; 10]);
    let long = vec![2; 100_000];
    assert_eq!(writer.write(&long).unwrap(), 2);
    assert_eq!(read(&mut reader), (FrameStatus::Fresh, 2, long.clone()));
    assert_eq!(reader.head().unwrap().capacity, 100_000);
    assert_eq!(reader.head().unwrap().generation, 2);
    assert_eq!(writer.write(b"short again").unwrap(), 3);
    assert_eq!(read(&mut reader).2, b"short again");
    let refused = writer.write(&vec![0; FRAME_LEN_MAX + 1]).unwrap_err();
    assert_eq!(refused.code(), Code::TooLarge);
    writer.write(b"goes on").unwrap();
    assert_eq!(read(&mut reader).2, b"goes on");
    assert_eq!(scratch.names(), ["demo.frame"]);
}

#[test]
fn a_directory_that_was_removed_is_made_again() {
    let scratch = Scratch::new("removed");
    let (mut writer, mut reader) = (scratch.writer(), scratch.reader());
    writer.write(b"before").unwrap();
    assert_eq!(read(&mut reader).2, b"before");
    fs::remove_dir_all(&scratch.0).unwrap();
    writer.write(b"meanwhile").unwrap();
    assert_eq!(read(&mut reader).2, b"meanwhile", "the mapping is still the same");
    let mut late = scratch.reader();
    assert_eq!(read(&mut late).0, FrameStatus::Empty);
    // A writer looks once a second.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while read(&mut late).0 == FrameStatus::Empty {
        assert!(std::time::Instant::now() < deadline, "the file does not come back");
        std::thread::sleep(Duration::from_millis(20));
        writer.write(b"after").unwrap();
    }
    writer.write(b"for both").unwrap();
    assert_eq!(read(&mut late).2, b"for both");
    assert_eq!(read(&mut reader).2, b"for both");
}

/// What lies where the frame is expected is an error that says what is wrong, and nothing is
/// believed, mapped or waited for.
#[test]
fn files_that_are_no_frames_are_typed_errors() {
    let scratch = Scratch::new("garbage");
    let mut writer = scratch.writer();
    writer.write(b"good").unwrap();
    let good = fs::read(scratch.file()).unwrap();
    drop(writer);
    let refused = |what: &str, expected: Code, make: &dyn Fn(&Path)| {
        let path = scratch.file();
        let _ = fs::remove_file(&path);
        make(&path);
        let error = scratch.reader().read().expect_err(what).code();
        assert_eq!(error, expected, "{what}");
    };
    let written = |bytes: Vec<u8>| {
        move |path: &Path| {
            fs::write(path, &bytes).unwrap();
            fs::set_permissions(path, fs::Permissions::from_mode(0o600)).unwrap();
        }
    };
    refused("a link", Code::Access, &|path| {
        std::os::unix::fs::symlink("/etc/passwd", path).unwrap()
    });
    refused("a directory", Code::Access, &|path| fs::create_dir(path).unwrap());
    fs::remove_dir(scratch.file()).unwrap();
    refused("a pipe", Code::Access, &|path| {
        rustix::fs::mknodat(
            rustix::fs::CWD,
            path,
            rustix::fs::FileType::Fifo,
            rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR,
            0,
        )
        .unwrap();
    });
    refused("nothing", Code::Corrupt, &written(Vec::new()));
    refused("zeros", Code::Corrupt, &written(vec![0; good.len()]));
    refused("a shorter one", Code::Corrupt, &written(good[..good.len() - 1].to_vec()));
    refused("a longer one", Code::Corrupt, &written([&good[..], &[0]].concat()));
    refused("open to others", Code::Access, &|path| {
        fs::write(path, &good).unwrap();
        fs::set_permissions(path, fs::Permissions::from_mode(0o666)).unwrap();
    });
    refused("an enormous size", Code::Corrupt, &|path| {
        written(good.clone())(path);
        fs::OpenOptions::new().write(true).open(path).unwrap().set_len(1 << 40).unwrap();
    });
    let mut newer = good.clone();
    newer[8] = 2;
    refused("another version", Code::Version, &written(newer));
    // A writer makes a new one of all that, but for what is no file.
    scratch.writer().write(b"new").unwrap();
    assert_eq!(read(&mut scratch.reader()).2, b"new");
}

#[test]
fn random_heads_are_errors() {
    let scratch = Scratch::new("random");
    let mut writer = scratch.writer();
    writer.write(b"good").unwrap();
    let good = fs::read(scratch.file()).unwrap();
    writer.remove();
    seeds::each_seed(300, |random| {
        let mut bytes = good.clone();
        let at = random.below(120);
        bytes[at] ^= 1 << random.below(8);
        // What follows the checksum has no meaning.
        if at < 80 {
            fs::write(scratch.file(), &bytes).unwrap();
            fs::set_permissions(scratch.file(), fs::Permissions::from_mode(0o600)).unwrap();
            scratch.reader().read().expect_err("a head with a flipped bit");
        }
        let head = random.bytes(HEAD_LEN).try_into().unwrap();
        crate::published::head::Head::check(&head, Kind::Frame, 1 << 16).unwrap_err();
    });
}

#[test]
fn a_corrupt_value_gives_the_last_good_one_and_is_counted_once() {
    let scratch = Scratch::new("corrupt");
    let (mut writer, mut reader) = (scratch.writer(), scratch.reader());
    writer.write(b"first").unwrap();
    assert_eq!(read(&mut reader).2, b"first");
    writer.write(b"second").unwrap();
    let file = fs::OpenOptions::new().write(true).open(scratch.file()).unwrap();
    // The second value lies in the first slot.
    file.write_all_at(b"S", 4096 + 64).unwrap();
    for _ in 0..3 {
        assert_eq!(read(&mut reader), (FrameStatus::Same, 1, b"first".to_vec()));
    }
    assert_eq!(reader.stats().corrupt, 1);
    assert_eq!(read(&mut scratch.reader()).2, b"first", "a reader that comes later");
    writer.write(b"third").unwrap();
    assert_eq!(read(&mut reader), (FrameStatus::Fresh, 3, b"third".to_vec()));
}

#[test]
fn a_file_that_is_truncated_under_its_reader_ends_no_process() {
    let scratch = Scratch::new("truncated");
    let (mut writer, mut reader) = (scratch.writer(), scratch.reader());
    writer.write(b"kept").unwrap();
    assert_eq!(read(&mut reader).2, b"kept");
    fs::OpenOptions::new().write(true).open(scratch.file()).unwrap().set_len(0).unwrap();
    let found = read(&mut reader);
    assert_eq!((found.1, found.2), (1, b"kept".to_vec()));
    // The writer notices as well, and makes a new one.
    let deadline = std::time::Instant::now() + Duration::from_secs(20);
    while reader.head().unwrap().generation == 1 {
        assert!(std::time::Instant::now() < deadline, "the writer does not notice");
        std::thread::sleep(Duration::from_millis(20));
        writer.write(b"new").unwrap();
        read(&mut reader);
    }
    assert_eq!(read(&mut reader).2, b"new");
}

#[test]
fn a_watcher_says_when_to_look() {
    let scratch = Scratch::new("watched");
    let (mut watcher, mut reader) = (Watcher::new().unwrap(), scratch.reader());
    let id = reader.watch(&mut watcher);
    let next = |watcher: &mut Watcher, what: &str| {
        assert!(watcher.wait(Some(Duration::from_secs(20))), "not woken by {what}");
        let mut changed = Vec::new();
        watcher.take(&mut changed);
        changed
    };
    // The directory comes, then the file.
    let mut writer = scratch.writer();
    assert_eq!(next(&mut watcher, "a new file"), [id]);
    writer.write(b"one").unwrap();
    assert_eq!(next(&mut watcher, "a write"), [id]);
    assert_eq!(read(&mut reader).2, b"one");
    while watcher.wait(Some(Duration::ZERO)) {
        watcher.take(&mut Vec::new());
    }
    assert!(!watcher.wait(Some(Duration::from_millis(20))), "woken by nothing");
    drop(writer);
    assert_eq!(next(&mut watcher, "the writer's end"), [id]);
    let mut writer = scratch.writer();
    assert_eq!(next(&mut watcher, "the next writer"), [id]);
    writer.write(b"two").unwrap();
    assert_eq!(next(&mut watcher, "its first write"), [id]);
    assert_eq!(read(&mut reader).2, b"two");
    watcher.remove(id);
    while watcher.wait(Some(Duration::ZERO)) {
        watcher.take(&mut Vec::new());
    }
    writer.write(b"three").unwrap();
    assert!(!watcher.wait(Some(Duration::from_millis(20))), "it is not watched any more");
}

#[test]
fn a_watcher_is_woken_by_a_directory_whose_parents_come_after_it() {
    let mut scratch = Scratch::new("deep");
    let root = scratch.0.clone();
    scratch.0 = root.join("a/b");
    let (mut watcher, reader) = (Watcher::new().unwrap(), scratch.reader());
    let id = reader.watch(&mut watcher);
    let mut next = |what: &str| {
        assert!(watcher.wait(Some(Duration::from_secs(20))), "not woken by {what}");
        let mut changed = Vec::new();
        while watcher.wait(Some(Duration::ZERO)) {
            watcher.take(&mut changed);
        }
        assert!(changed.contains(&id), "not told of {what}");
    };
    fs::create_dir(&root).unwrap();
    next("a directory two above");
    fs::create_dir(root.join("a")).unwrap();
    next("a directory above");
    let mut writer = scratch.writer();
    next("a new file");
    writer.write(b"one").unwrap();
    next("a write");
    scratch.0 = root;
}

#[test]
fn numbers_that_go_back_and_forth_are_counted_without_end() {
    let scratch = Scratch::new("numbers");
    let mut reader = scratch.reader();
    for round in 1..=3 {
        let mut writer = scratch.writer();
        writer.write(b"first").unwrap();
        assert_eq!(read(&mut reader).2, b"first", "{round}");
        // Another process of this user writes as well, as a writer would.
        let name = Name::new(&scratch.place(), "demo", Kind::Frame).unwrap();
        let path = name.places.paths()[0].join(&name.file);
        let head = Opened::open(&path, Kind::Frame).unwrap().unwrap().head;
        let file = fs::OpenOptions::new().read(true).write(true).open(path).unwrap();
        let file = std::os::fd::OwnedFd::from(file);
        let segment = Segment::map_guarded(&file, Object::published(head.file_len())).unwrap();
        let forged = Stamped { number: u64::MAX - 1, len: 1, at: Time::now(), unix_nanos: 0 };
        checked_cell(&head).unwrap().write(&segment, forged, b"x");
        assert_eq!(read(&mut reader).2, b"x", "{round}");
        writer.remove();
    }
    assert_eq!(reader.stats().skipped, u64::MAX);
}

#[test]
fn a_watcher_sees_through_a_link_that_takes_the_place_of_the_directory() {
    let scratch = Scratch::new("linked");
    let (mut watcher, reader, mut writer) =
        (Watcher::new().unwrap(), scratch.reader(), scratch.writer());
    let id = reader.watch(&mut watcher);
    let mut next = |what: &str| {
        let mut changed = Vec::new();
        assert!(watcher.wait(Some(Duration::from_secs(20))), "not woken by {what}");
        while watcher.wait(Some(Duration::from_millis(20))) {
            watcher.take(&mut changed);
        }
        assert!(changed.contains(&id), "not told of {what}");
    };
    let away = scratch.0.with_extension("away");
    fs::rename(&scratch.0, &away).unwrap();
    std::os::unix::fs::symlink("/", &scratch.0).unwrap();
    next("a link in the place of the directory");
    fs::remove_file(&scratch.0).unwrap();
    fs::rename(&away, &scratch.0).unwrap();
    next("the directory that is back");
    writer.write(b"one").unwrap();
    next("a write");
}
