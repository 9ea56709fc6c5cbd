//! Owners and readers of files, as processes have them.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::time::Instant;

use crate::header::Codec;
use crate::map::{KeyChange, KeySeen, MapOptions, MapReader, MapStatus, MapValue, MapWriter};
use crate::published::head::{HEAD_LEN, Head, Kind, Shape};
use crate::published::{Format, Place, Watcher};

use super::*;

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let path = std::env::temp_dir().join(format!("ringpost-map-{name}-{}", std::process::id()));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn place(&self) -> Place {
        Place { directory: Some(self.0.clone()), environment: false }
    }

    fn owner(&self) -> MapWriter {
        MapWriter::create("demo", &self.place(), &options()).unwrap()
    }

    fn reader(&self) -> MapReader {
        MapReader::open("demo", &self.place()).unwrap()
    }

    fn file(&self) -> PathBuf {
        self.0.join("demo.map")
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn options() -> MapOptions {
    MapOptions { sizes: SMALL, ..MapOptions::default() }
}

fn get(reader: &mut MapReader, key: &str) -> Option<Vec<u8>> {
    reader.get(key).unwrap().map(|value| value.bytes.to_vec())
}

/// Waits for what comes at some time.
fn until(what: &str, mut is_so: impl FnMut() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !is_so() {
        assert!(Instant::now() < deadline, "{what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

#[test]
fn a_reader_that_was_there_first_follows_owners_that_come_and_go() {
    let scratch = Scratch::new("first");
    let mut reader = scratch.reader();
    assert_eq!(get(&mut reader, "a"), None);
    assert_eq!(reader.status().unwrap(), MapStatus::Absent);
    let mut owner = scratch.owner();
    assert!(owner.is_empty());
    owner.set("a", b"one", None).unwrap();
    owner.set("b", b"two", None).unwrap();
    assert_eq!(get(&mut reader, "a").unwrap(), b"one");
    assert_eq!(owner.get("a").unwrap().unwrap().bytes, b"one");
    assert_eq!((reader.status().unwrap(), owner.len()), (MapStatus::Alive, 2));
    assert!(owner.delete("b").unwrap() && !owner.delete("b").unwrap());
    assert!(!reader.has("b").unwrap());
    drop(owner);
    assert_eq!(reader.status().unwrap(), MapStatus::Gone);
    assert_eq!(get(&mut reader, "a").unwrap(), b"one", "what it has left");
    assert_eq!(get(&mut scratch.reader(), "a").unwrap(), b"one", "for others as well");
    let mut owner = scratch.owner();
    assert_eq!(get(&mut reader, "a"), None, "the next owner begins empty");
    owner.set("a", b"three", None).unwrap();
    assert_eq!(get(&mut reader, "a").unwrap(), b"three");
    let mut all = Vec::new();
    reader.entries(|key, value| all.push((key.to_owned(), value.bytes.to_vec()))).unwrap();
    assert_eq!(all, [("a".to_owned(), b"three".to_vec())]);
    let stats = reader.stats();
    assert_eq!((stats.generations, stats.changes, stats.entries), (2, 1, 1));
    assert_eq!(reader.head().unwrap().generation, owner.generation());
    assert_eq!(reader.head().unwrap().sizes, owner.sizes());
    owner.clear().unwrap();
    assert_eq!(get(&mut reader, "a"), None);
    owner.remove();
    assert!(!scratch.file().exists());
    // Nothing says in the old file that there is another.
    let mut owner = scratch.owner();
    owner.set("a", b"four", None).unwrap();
    until("the reader stays with a file that was removed", || {
        get(&mut reader, "a").is_some_and(|value| value == b"four")
    });
}

#[test]
fn a_second_owner_is_refused_unless_it_takes_over() {
    let scratch = Scratch::new("second");
    let (mut first, mut reader) = (scratch.owner(), scratch.reader());
    first.set("a", b"of the first", None).unwrap();
    let refused = MapWriter::create("demo", &scratch.place(), &options());
    assert_eq!(refused.err().expect("one owner at a time").code(), Code::NameInUse);
    assert_eq!(get(&mut reader, "a").unwrap(), b"of the first");
    let taking = MapOptions { take_over: true, ..options() };
    let mut second = MapWriter::create("demo", &scratch.place(), &taking).unwrap();
    assert_eq!(first.set("a", b"late", None).unwrap_err().code(), Code::NameInUse);
    assert_eq!(first.delete("a").unwrap_err().code(), Code::NameInUse);
    assert_eq!(first.clear().unwrap_err().code(), Code::NameInUse);
    second.set("a", b"of the second", None).unwrap();
    assert_eq!(get(&mut reader, "a").unwrap(), b"of the second");
}

#[test]
fn a_value_expires_for_readers_whatever_its_owner_does() {
    let scratch = Scratch::new("expires");
    let (mut owner, mut reader) = (scratch.owner(), scratch.reader());
    owner.set("short", b"value", Some(Duration::from_secs(1))).unwrap();
    owner.set("long", b"value", Some(Duration::from_secs(3600))).unwrap();
    let value = reader.get("short").unwrap().expect("it is new");
    assert!(value.expires > value.written_at && value.expires != Time::NEVER);
    drop(owner);
    until("it does not expire", || get(&mut reader, "short").is_none());
    assert_eq!(get(&mut reader, "long").unwrap(), b"value");
    let mut keys = Vec::new();
    reader.entries(|key, _| keys.push(key.to_owned())).unwrap();
    assert_eq!(keys, ["long"]);
}

#[test]
fn a_look_at_a_key_finds_its_changes_and_no_others() {
    let scratch = Scratch::new("look");
    let (mut reader, mut seen) = (scratch.reader(), KeySeen::default());
    let mut look = |reader: &mut MapReader| match reader.look("a", &mut seen).unwrap() {
        KeyChange::Same => "same".into(),
        KeyChange::Missing => "missing".into(),
        KeyChange::Set(MapValue { bytes, .. }) => String::from_utf8(bytes.to_vec()).unwrap(),
    };
    assert_eq!(look(&mut reader), "missing");
    assert_eq!(look(&mut reader), "same");
    let mut owner = scratch.owner();
    assert_eq!(look(&mut reader), "same");
    owner.set("b", b"another key", None).unwrap();
    assert_eq!(look(&mut reader), "same");
    for _ in 0..2 {
        owner.set("a", b"one", None).unwrap();
        assert_eq!((look(&mut reader), look(&mut reader)), ("one".into(), "same".into()));
        owner.delete("b").unwrap();
        assert_eq!(look(&mut reader), "same");
    }
    owner.delete("a").unwrap();
    owner.set("a", b"two", None).unwrap();
    assert_eq!((look(&mut reader), look(&mut reader)), ("two".into(), "same".into()));
    owner.set("a", b"short", Some(Duration::from_secs(1))).unwrap();
    assert_eq!(look(&mut reader), "short");
    until("it does not expire", || look(&mut reader) == "missing");
    owner.set("a", b"one", None).unwrap();
    assert_eq!(look(&mut reader), "one");
    drop(owner);
    assert_eq!(look(&mut reader), "same", "what an owner has left");
    let mut owner = scratch.owner();
    assert_eq!(look(&mut reader), "missing");
    owner.set("a", b"one", None).unwrap();
    assert_eq!(look(&mut reader), "one");
}

#[test]
fn the_first_value_of_a_map_that_was_removed_and_made_anew_is_another_one() {
    let scratch = Scratch::new("anew");
    let (mut reader, mut seen) = (scratch.reader(), KeySeen::default());
    for value in [b"old", b"new"] {
        let mut owner = scratch.owner();
        owner.set("a", value, None).unwrap();
        until("its value is not seen", || match reader.look("a", &mut seen).unwrap() {
            KeyChange::Set(found) => found.bytes == value,
            _ => false,
        });
        assert!(matches!(reader.look("a", &mut seen), Ok(KeyChange::Same)));
        owner.remove();
    }
}

#[test]
fn a_change_wakes_who_watches() {
    let scratch = Scratch::new("wakes");
    let (mut watcher, reader) = (Watcher::new().unwrap(), scratch.reader());
    let id = reader.watch(&mut watcher);
    let mut next = |what: &str| {
        assert!(watcher.wait(Some(Duration::from_secs(20))), "not woken by {what}");
        let mut changed = Vec::new();
        watcher.take(&mut changed);
        assert_eq!(changed, [id]);
        while watcher.wait(Some(Duration::ZERO)) {
            watcher.take(&mut changed);
        }
        std::thread::sleep(Watcher::LOOK_AGAIN);
    };
    let mut owner = scratch.owner();
    next("a new file");
    owner.set("a", b"", None).unwrap();
    next("a value");
    owner.delete("a").unwrap();
    next("a key that is deleted");
    owner.clear().unwrap();
    next("a map that is cleared");
    drop(owner);
    next("its owner's end");
}

#[test]
fn a_directory_that_was_removed_is_made_again_with_all_entries() {
    let scratch = Scratch::new("removed");
    let (mut owner, mut reader) = (scratch.owner(), scratch.reader());
    owner.set("a", b"stays", None).unwrap();
    owner.set("short", b"goes", Some(Duration::from_millis(1))).unwrap();
    owner.set("long", b"stays", Some(Duration::from_secs(3600))).unwrap();
    assert_eq!(get(&mut reader, "a").unwrap(), b"stays");
    fs::remove_dir_all(&scratch.0).unwrap();
    until("the file does not come back", || {
        owner.set("b", b"new", None).unwrap();
        scratch.file().exists()
    });
    for reader in [&mut reader, &mut scratch.reader()] {
        let mut keys = Vec::new();
        reader.entries(|key, value| keys.push((key.to_owned(), value.expires))).unwrap();
        keys.sort();
        let names: Vec<_> = keys.iter().map(|(key, _)| key.as_str()).collect();
        assert_eq!(names, ["a", "b", "long"]);
        assert!(keys[2].1 != Time::NEVER && keys[0].1 == Time::NEVER);
    }
    assert_eq!(owner.len(), 3);
}

#[test]
fn a_file_that_is_truncated_is_an_error_and_ends_no_process() {
    let scratch = Scratch::new("truncated");
    let (mut owner, mut reader) = (scratch.owner(), scratch.reader());
    owner.set("a", b"value", None).unwrap();
    assert_eq!(get(&mut reader, "a").unwrap(), b"value");
    fs::OpenOptions::new().write(true).open(scratch.file()).unwrap().set_len(0).unwrap();
    assert_eq!(reader.get("a").unwrap_err().code(), Code::Corrupt);
    assert_eq!(reader.get("a").unwrap_err().code(), Code::Corrupt);
    until("the owner does not notice", || {
        owner.set("a", b"new", None).unwrap();
        reader.get("a").is_ok_and(|value| value.is_some())
    });
    assert_eq!(get(&mut reader, "a").unwrap(), b"new");
}

#[test]
fn a_corrupt_entry_is_the_value_before_it_or_an_error() {
    let scratch = Scratch::new("corrupt");
    let (mut owner, mut reader) = (scratch.owner(), scratch.reader());
    owner.set("a", b"before", None).unwrap();
    let file = fs::OpenOptions::new().write(true).read(true).open(scratch.file()).unwrap();
    let spoil = |text: &[u8]| {
        let mut bytes = vec![0; 8192];
        let read = file.read_at(&mut bytes, 0).unwrap();
        let at = bytes[..read].windows(text.len()).position(|window| window == text).unwrap();
        file.write_all_at(b"X", at as u64).unwrap();
    };
    owner.set("a", b"newest", None).unwrap();
    spoil(b"newest");
    assert_eq!(get(&mut reader, "a").unwrap(), b"before");
    spoil(b"before");
    assert_eq!(reader.get("a").unwrap_err().code(), Code::Corrupt);
    assert_eq!(reader.stats().corrupt, 2);
    owner.set("a", b"whole", None).unwrap();
    assert_eq!(get(&mut reader, "a").unwrap(), b"whole");
}

#[test]
fn heads_whose_sizes_do_not_agree_are_refused() {
    let scratch = Scratch::new("heads");
    let owner = scratch.owner();
    let good = fs::read(scratch.file()).unwrap();
    owner.remove();
    let data_len = SMALL.data_len().unwrap();
    let sizes = |entries: u64, key: u64, value: u64| (entries, key | value << 32);
    for (capacity, second) in [
        sizes(12, 8, 24),
        sizes(13, 8, 24),
        sizes(0, 8, 24),
        sizes(u64::MAX, 8, 24),
        sizes(12, 0, 24),
        sizes(12, 8, 1 << 31),
        sizes(12, 0xffff_ffff, 0xffff_ffff),
        sizes(1 << 20, 1024, 16 << 20),
    ] {
        let format = Format::of(Codec::Bytes);
        let shape = Shape { kind: Kind::Map, capacity, second, data_len, format };
        let (head, _) = Head { generation: 1, writer: 1, shape }.encode();
        let mut bytes = good.clone();
        bytes[..HEAD_LEN].copy_from_slice(&head);
        let made = scratch.owner();
        fs::write(scratch.file(), &bytes).unwrap();
        let found = scratch.reader().get("a").map(|_| ()).map_err(|error| error.code());
        let is_good = (capacity, second) == sizes(12, 8, 24);
        assert_eq!(
            found,
            if is_good { Ok(()) } else { Err(Code::Corrupt) },
            "{capacity}, {second}"
        );
        made.remove();
    }
}

/// An owner is held up after its file has the name and before the file in its place says so.
#[test]
fn a_look_finds_the_next_owner_before_the_last_file_says_so() {
    let scratch = Scratch::new("exchanged");
    let (mut owner, mut reader) = (scratch.owner(), scratch.reader());
    owner.set("a", b"old", None).unwrap();
    let mut seen = KeySeen::default();
    assert!(matches!(reader.look("a", &mut seen).unwrap(), KeyChange::Set(_)));
    let aside = scratch.0.join("aside");
    fs::rename(scratch.file(), &aside).unwrap();
    // The lock of the first file is held all the time, and nothing is stored in there.
    let _next = scratch.owner();
    assert_eq!(reader.look("a", &mut seen).unwrap(), KeyChange::Missing);
}
