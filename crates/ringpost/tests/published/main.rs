//! What is published, with writers and readers in other processes.

mod in_c;
mod killed;
mod many;
mod maps;
mod tasks;
#[path = "../../../ipc-core/tests/two_processes/mod.rs"]
mod two_processes;
mod waiting;

use std::fs;
use std::path::Path;

use ipc_core::Transport;
use ipc_core::testing::kills;
use ringpost::published::{FrameConfig, Place, StateFrameReader, StateFrameWriter};

use two_processes::{Meeting, noise, role};

// ---- the other process ----

#[test]
fn in_another_process() {
    let Some((role, options)) = role() else { return };
    let place = Place::at(options.directory.expect("a meeting has one"));
    match role.split(' ').collect::<Vec<_>>()[..] {
        ["hold"] => waiting::write_and_be_held(&place),
        ["count", "queues"] => waiting::count_queues(&place),
        ["wait"] => waiting::wait_for_ever(&place),
        ["tasks"] => tasks::count_queues(&place),
        ["write", from, len] => killed::write_for_ever(&place, number(from), number(len)),
        ["die", "at", point, passages] => killed::write_and_die(&place, point, number(passages)),
        ["read", index] => killed::read_for_ever(&place, index),
        ["full"] => many::fill_the_file_system(&place),
        ["names"] => many::use_a_thousand_names(&place),
        _ => panic!("unknown role {role}"),
    }
}

fn number(text: &str) -> u64 {
    text.parse().expect("a number")
}

// ---- what all use ----

/// A directory of its own. How memory is shared is no question here.
fn meeting() -> (Meeting, Place) {
    let meeting = Meeting::new(Transport::Sealed);
    let place = Place::at(meeting.options.directory.clone().expect("a meeting has one"));
    (meeting, place)
}

fn writer(name: &str, place: &Place) -> StateFrameWriter {
    StateFrameWriter::create(name, &FrameConfig::new().place(place.clone())).unwrap()
}

fn reader(name: &str, place: &Place) -> StateFrameReader {
    StateFrameReader::open(name, place).unwrap()
}

/// A value that says itself whether it is whole.
fn pattern(seed: u64, len: usize) -> Vec<u8> {
    let mut bytes = [seed.to_le_bytes(), (len as u64).to_le_bytes()].concat();
    bytes.extend(noise(len, seed));
    bytes
}

/// The seed of a value, which has to be whole.
fn seed_of(bytes: &[u8]) -> u64 {
    let word = |at: usize| u64::from_le_bytes(bytes[at..at + 8].try_into().unwrap());
    let (seed, len) = (word(0), usize::try_from(word(8)).unwrap());
    assert!(pattern(seed, len) == bytes, "half a value of {len} bytes");
    seed
}

/// Queues of the kernel's that this process has.
fn queues() -> usize {
    let descriptors = fs::read_dir("/proc/self/fd").unwrap();
    let targets = descriptors.filter_map(|entry| fs::read_link(entry.ok()?.path()).ok());
    targets.filter(|target| target.as_path() == Path::new("anon_inode:inotify")).count()
}
