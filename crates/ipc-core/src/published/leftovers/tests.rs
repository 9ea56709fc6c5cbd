use super::*;
use crate::engine::{Engine, ListenOptions, Options};
use crate::published::head::{Format, Shape};
use crate::published::owned::{Owned, Temporary};
use crate::published::place::Name;
use crate::published::shared::Shared;

/// A directory of its own, removed at the end.
struct Scratch(PathBuf);

impl Scratch {
    fn new(name: &str) -> Self {
        let name = format!("ringpost-leftovers-{name}-{}", std::process::id());
        let path = std::env::temp_dir().join(name);
        let _ = fs::remove_dir_all(&path);
        Directory::make(&path).unwrap();
        Self(path)
    }

    fn place(&self) -> Place {
        Place { directory: Some(self.0.clone()), environment: false }
    }

    fn publish(&self, name: &str, kind: Kind, take_over: bool) -> Owned {
        let name = Name::new(&self.place(), name, kind).unwrap();
        let format = Format::of(crate::Codec::Bytes);
        let shape = Shape { kind, capacity: 64, second: 0, data_len: 4096, format };
        Owned::create(&name, &shape, take_over, |_, _, _| Ok(())).unwrap()
    }

    /// Makes files that begin like the lock of a server.
    fn leave(&self, files: &[&str]) {
        for file in files {
            fs::write(self.0.join(file), "ringpost\n").unwrap();
        }
    }

    /// Those of this directory, whatever segments other tests have.
    fn found(&self, published: bool) -> Vec<Leftover> {
        let mut found = leftovers(&self.place(), published).unwrap();
        found.retain(|left| left.kind != LeftoverKind::Segment);
        found.sort_by(|a, b| a.paths.cmp(&b.paths));
        found
    }

    fn files(&self) -> Vec<String> {
        let entries = fs::read_dir(&self.0).unwrap();
        let names = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap());
        let mut names: Vec<_> = names.collect();
        names.sort();
        names
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

#[test]
fn what_is_found_is_what_nothing_holds() {
    let scratch = Scratch::new("found");
    scratch.leave(&["dead.lock", "dead.sock", ".gone.map.77-1", ".gone.topic-readers.77-2"]);
    // What is of another form, or does not begin like what it is called.
    scratch.leave(&["note.txt", ".gone.map.77", ".gone.txt.77-1", ".77-1", "odd.frame"]);
    let living = scratch.publish("living", Kind::Topic, false);
    let making = Temporary::with_len(&scratch.0.join("made.frame"), 4096, 4096).unwrap();
    drop(scratch.publish("last", Kind::Frame, false));
    let before = scratch.files();

    let kinds = |published| {
        let found = scratch.found(published);
        found.into_iter().map(|left| (left.kind, left.name)).collect::<Vec<_>>()
    };
    let expected = [
        (LeftoverKind::Unfinished, "gone.map".to_owned()),
        (LeftoverKind::Unfinished, "gone.topic-readers".to_owned()),
        (LeftoverKind::Server, "dead".to_owned()),
    ];
    assert_eq!(kinds(false), expected);
    let frame = (LeftoverKind::StateFrame, "last".to_owned());
    assert_eq!(kinds(true), expected.into_iter().chain([frame]).collect::<Vec<_>>());
    assert_eq!(scratch.files(), before);
    drop((living, making));
}

#[test]
fn a_directory_that_is_missing_has_none_and_one_that_is_unsafe_is_an_error() {
    use std::os::unix::fs::PermissionsExt;
    let scratch = Scratch::new("unsafe");
    fs::set_permissions(&scratch.0, fs::Permissions::from_mode(0o755)).unwrap();
    let code = leftovers(&scratch.place(), true).unwrap_err().code();
    assert_eq!(code, crate::Code::UnsafeDirectory);
    fs::remove_dir(&scratch.0).unwrap();
    let searched = scratch.place().places().unwrap().searched().unwrap();
    assert!(scratch.found(true).is_empty() && searched.is_empty());
}

#[test]
fn all_of_it_is_removed_and_once() {
    let scratch = Scratch::new("removed");
    scratch.leave(&["dead.lock", "dead.sock", ".gone.map.77-1"]);
    let topic = scratch.publish("news", Kind::Topic, false);
    let readers = Shared::make(topic.path(), 8192).unwrap();
    drop((topic, readers));
    let found = scratch.found(true);
    let removed: Vec<_> = found.iter().map(|left| left.remove().unwrap()).collect();
    assert_eq!(removed, [true, true, true]);
    // A socket that is none is no server's.
    assert_eq!(scratch.files(), ["dead.sock"]);
    assert!(found.iter().all(|left| !left.remove().unwrap()));
}

#[test]
fn what_is_used_again_by_then_stays() {
    let scratch = Scratch::new("again");
    scratch.leave(&["served.lock"]);
    drop(scratch.publish("written", Kind::Frame, false));
    let topic = scratch.publish("read", Kind::Topic, false);
    let readers = Shared::make(topic.path(), 8192).unwrap();
    drop(topic);
    let found = scratch.found(true);
    assert_eq!(found.len(), 3);

    let mut engine = Engine::new().unwrap();
    let options = Options { directory: Some(scratch.0.clone()), ..Options::default() };
    engine.listen("served", &options, &ListenOptions::default()).unwrap();
    let writer = scratch.publish("written", Kind::Frame, false);
    readers.claim(64).unwrap();
    let removed: Vec<_> = found.iter().map(|left| (left.kind, left.remove().unwrap())).collect();
    assert_eq!(removed.iter().filter(|(_, removed)| *removed).count(), 1);
    assert!(removed.contains(&(LeftoverKind::Topic, true)));
    let expected =
        ["read.topic-readers", "served.lock", "served.sock", "served.status", "written.frame"];
    assert_eq!(scratch.files(), expected);
    drop((engine, writer));
}

#[test]
fn a_file_that_is_being_made_stays() {
    let scratch = Scratch::new("making");
    scratch.leave(&[".made.frame.77-1"]);
    // Its maker is between making it and locking it.
    let [left] = scratch.found(false).try_into().unwrap();
    let file = fs::File::options().write(true).open(&left.paths[0]).unwrap();
    assert!(byte_lock::take(&file, WRITER).unwrap());
    assert!(!left.remove().unwrap());
    drop(file);
    assert!(left.remove().unwrap() && scratch.files().is_empty());
}

#[test]
fn what_has_died_anew_is_another() {
    let scratch = Scratch::new("anew");
    scratch.leave(&["served.lock"]);
    drop(scratch.publish("written", Kind::Frame, false));
    let found = scratch.found(true);
    let kept = ["served.lock", "written.frame"].map(|file| {
        // Held open, so that no other file gets its number.
        fs::File::open(scratch.0.join(file)).unwrap()
    });
    fs::remove_file(scratch.0.join("served.lock")).unwrap();
    scratch.leave(&["served.lock"]);
    drop(scratch.publish("written", Kind::Frame, false));
    assert!(found.iter().all(|left| !left.remove().unwrap()));
    assert_eq!(scratch.files(), ["served.lock", "written.frame"]);
    drop(kept);
}

#[test]
fn a_writer_that_starts_meanwhile_keeps_its_file() {
    let scratch = Scratch::new("starting");
    for _ in 0..300 {
        drop(scratch.publish("written", Kind::Frame, true));
        let [left] = scratch.found(true).try_into().unwrap();
        let writer = std::thread::scope(|scope| {
            let starting = scope.spawn(|| scratch.publish("written", Kind::Frame, true));
            left.remove().unwrap();
            starting.join().unwrap()
        });
        assert!(writer.is_at_its_path());
        assert_eq!(scratch.files(), ["written.frame"]);
    }
}
