//! The worker and its transports, as the runner uses them.

#[path = "../../../rust/tests/harness/mod.rs"]
#[allow(dead_code, reason = "some of it is for transports of the project's own")]
mod harness;

use harness::{Pair, Published};

const PROGRAM: &str = env!("CARGO_BIN_EXE_peers-worker");
const SIZES: [usize; 5] = [3, 64, 1_000, 100_000, 1 << 20];

fn play(adapter: &str) {
    let mut pair = Pair::open(PROGRAM, [adapter, adapter], true);
    assert_ne!(pair.description["version"], "unknown");
    pair.play(&SIZES);
    pair.reconnect();
    let address = pair.folder.address();
    pair.close();
    assert_gone(&address);
}

fn assert_gone(address: &str) {
    let left = std::fs::read_dir("/dev/shm").expect("shared memory has a folder").flatten();
    let left: Vec<_> = left.map(|file| file.file_name()).collect();
    let ours = left.iter().find(|name| name.to_string_lossy().contains(address));
    assert_eq!(ours, None, "it stayed behind");
}

#[test]
fn ipc_channel() {
    play("ipc-channel");
}

#[test]
fn iceoryx2() {
    play("iceoryx2");
}

#[test]
fn interprocess() {
    play("interprocess");
}

#[test]
fn what_iceoryx2_publishes() {
    let published = Published::by(PROGRAM, "iceoryx2");
    published.messages();
    published.newest();
    assert_gone(&published.folder.address());
    published.folder.assert_empty();
}

#[test]
fn the_newest_of_mmap_sync() {
    Published::by(PROGRAM, "mmap-sync").newest();
}
