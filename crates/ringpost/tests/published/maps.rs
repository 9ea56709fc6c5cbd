//! Threads and tasks that wait for changes of one key.

use std::sync::mpsc;
use std::thread;
use std::time::Duration;

use ipc_core::testing::each_seed;
use ringpost::published::{KeyWatch, MapConfig, MapReader, MapWriter};
use ringpost::tokio::KeyChanges;
use tokio::time::timeout;

use super::two_processes::WAIT_POLICY as PATIENCE;
use super::two_processes::watch_dog;
use super::{Place, meeting};

/// Long enough for a reader to have looked twice and to sleep.
const ASLEEP: Duration = Duration::from_millis(20);

fn owner(place: &Place) -> MapWriter {
    MapWriter::create("demo", &MapConfig::new().place(place.clone())).unwrap()
}

fn watch(place: &Place, key: &str) -> KeyWatch {
    KeyWatch::of(MapReader::open("demo", place).unwrap(), key)
}

#[test]
fn who_waits_for_a_key_is_not_woken_by_others() {
    let (_meeting, place) = meeting();
    let (mut key, mut owner) = (watch(&place, "a"), owner(&place));
    assert_eq!(key.wait_for_change(Duration::ZERO).unwrap(), Some(None), "missing at first");
    owner.set("b", b"another", None).unwrap();
    assert_eq!(key.wait_for_change(ASLEEP).unwrap(), None);
    owner.set("a", b"one", None).unwrap();
    owner.set("a", b"two", None).unwrap();
    assert_eq!(key.wait_for_change(PATIENCE).unwrap(), Some(Some(&b"two"[..])));
    owner.delete("a").unwrap();
    assert_eq!(key.wait_for_change(PATIENCE).unwrap(), Some(None));
    assert!(key.reader().has("b").unwrap());
}

#[test]
fn a_value_that_expires_wakes_who_waits_without_its_owner() {
    let (_meeting, place) = meeting();
    let (mut key, mut changes) = (watch(&place, "a"), KeyChanges::of(watch(&place, "a")));
    let mut owner = owner(&place);
    owner.set("a", b"short", Some(Duration::from_secs(2))).unwrap();
    assert_eq!(key.wait_for_change(PATIENCE).unwrap(), Some(Some(&b"short"[..])));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let next = changes.next().await.unwrap().unwrap();
        assert_eq!(next, Some(b"short".to_vec()));
        drop(owner);
        let gone = timeout(PATIENCE, changes.next()).await.expect("it does not expire");
        assert_eq!(gone.unwrap().unwrap(), None);
    });
    assert_eq!(key.wait_for_change(PATIENCE).unwrap(), Some(None));
}

/// Each change reaches those who wait for its key, at whatever pace its owner changes this key and
/// others: for some it rings, for others not.
#[test]
fn no_change_of_a_key_is_missed_at_any_pace() {
    watch_dog();
    each_seed(3, |random| {
        let (_meeting, place) = meeting();
        let (read, seen) = mpsc::channel();
        let mut key = watch(&place, "a");
        let waiting = thread::spawn(move || {
            loop {
                let value = key.wait_for_change(Duration::MAX).unwrap().expect("it is for ever");
                let number = value.map(|bytes| u64::from_le_bytes(bytes.try_into().unwrap()));
                read.send(number).unwrap();
                if number == Some(u64::MAX) {
                    return;
                }
            }
        });
        assert_eq!(seen.recv_timeout(PATIENCE).unwrap(), None);
        let mut owner = owner(&place);
        for number in (0..1000).chain([u64::MAX]) {
            for _ in 0..random.below(4) {
                owner.set("b", &number.to_le_bytes(), None).unwrap();
            }
            owner.set("a", &number.to_le_bytes(), None).unwrap();
            let found = seen.recv_timeout(PATIENCE).expect("a change was missed");
            assert_eq!(found, Some(number));
            let pause = [0, 0, 10, 50, 90, 100, 110, 200][random.below(8)];
            thread::sleep(Duration::from_micros(pause));
        }
        waiting.join().unwrap();
    });
}
