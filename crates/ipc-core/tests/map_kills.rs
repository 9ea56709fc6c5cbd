//! Owners of a map that are killed between any two of their steps: what readers find is whole, and
//! the next owner begins. `RINGPOST_RUNS` makes as many times the kills.

#[path = "../src/seeds.rs"]
#[allow(dead_code, reason = "it is made for the tests inside of the crate")]
mod seeds;
mod two_processes;

use std::time::Duration;

use ipc_core::testing::kills::{self, FILE_POINTS, FRAME_POINTS, MAP_POINTS};
use ipc_core::{MapOptions, MapReader, MapSizes, MapStatus, MapWriter, Options, Place, Transport};
use seeds::each_seed;
use two_processes::{Meeting, eventually, role};

const SIZES: MapSizes = MapSizes { entries_max: 16, key_len_max: 8, value_len_max: 64 };
/// Keys that are replaced all the time, and keys that are put in and taken out.
const STAY: [&str; 4] = ["a", "b", "c", "d"];
const GO: [&str; 4] = ["e", "f", "g", "h"];

fn place(options: &Options) -> Place {
    Place { directory: options.directory.clone(), environment: false }
}

fn value(key: &str, number: u64) -> Vec<u8> {
    format!("{key} {number} ").repeat(1 + usize::try_from(number % 3).unwrap()).into_bytes()
}

/// Whether it is a value as the owner makes them.
fn is_whole(key: &str, bytes: &[u8]) -> bool {
    let text = str::from_utf8(bytes).unwrap_or("");
    let number = text.split(' ').nth(1).and_then(|number| number.parse().ok());
    number.is_some_and(|number| bytes == value(key, number))
}

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    let (point, passages) = role.split_once(':').expect("a point and a number");
    kills::die_at(point, passages.parse().expect("a number"));
    let made = MapOptions { sizes: SIZES, ..MapOptions::default() };
    let mut owner = MapWriter::create("demo", &place(&options), &made).expect("the name is free");
    for number in 0.. {
        for key in STAY {
            owner.set(key, &value(key, number), None).unwrap();
        }
        for key in GO {
            let ttl = (number % 2 == 0).then_some(Duration::from_nanos(number));
            owner.set(key, &value(key, number), ttl).unwrap();
            owner.delete(key).unwrap();
        }
    }
}

#[test]
fn an_owner_that_dies_between_two_steps_leaves_whole_values() {
    let meeting = Meeting::new(Transport::Sealed);
    let made = MapOptions { sizes: SIZES, ..MapOptions::default() };
    // Only a file that takes the place of another passes all points.
    drop(MapWriter::create("demo", &place(&meeting.options), &made).unwrap());
    let mut reader = MapReader::open("demo", &place(&meeting.options)).unwrap();
    each_seed(2, |random| {
        let mut reader = MapReader::open("demo", &place(&meeting.options)).unwrap();
        for point in FILE_POINTS.into_iter().chain(FRAME_POINTS).chain(MAP_POINTS) {
            let is_of_the_file = ["made", "exchanged", "superseded", "named"].contains(&point);
            let passages = if is_of_the_file { 0 } else { random.below(200) };
            let mut owner = meeting.run(&format!("{point}:{passages}"));
            assert_eq!(owner.wait(), None, "it dies at {point}, passage {passages}");
            check(&mut reader, point);
        }
    });
    assert_eq!(reader.status().unwrap(), MapStatus::Gone);
    // The next one begins, whatever the last one has left.
    let mut owner = MapWriter::create("demo", &place(&meeting.options), &made).unwrap();
    owner.set("a", b"new", None).unwrap();
    assert_eq!(reader.get("a").unwrap().expect("it was set").bytes, b"new");
    assert!(!reader.has("b").unwrap(), "it begins empty");
    assert_eq!(reader.head().map(|head| head.generation), Some(owner.generation()));
    let entries = std::fs::read_dir(meeting.path("")).unwrap();
    let names: Vec<_> = entries.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["demo.map"], "nothing is left of the dead");
}

/// What a reader finds after an owner has died.
fn check(reader: &mut MapReader, point: &str) {
    // The lock of a process that was killed is free a moment after it has ended.
    eventually("the end of the owner", || reader.status().unwrap() != MapStatus::Alive);
    let mut found = Vec::new();
    for key in STAY.into_iter().chain(GO) {
        let value = reader.get(key).unwrap_or_else(|error| panic!("{point}: {error}"));
        if let Some(value) = value {
            assert!(is_whole(key, value.bytes), "{point}: {:?} of {key}", value.bytes);
            found.push(key.to_owned());
        }
    }
    let mut entries = Vec::new();
    let each = reader.entries(|key, value| {
        assert!(is_whole(key, value.bytes), "{point}: {key}");
        entries.push(key.to_owned());
    });
    each.unwrap();
    for key in STAY {
        let is_there = |keys: &[String]| keys.iter().any(|other| other == key);
        assert_eq!(is_there(&found), is_there(&entries), "{point}: {key}");
    }
    assert_eq!(reader.stats().corrupt, 0, "{point}");
}
