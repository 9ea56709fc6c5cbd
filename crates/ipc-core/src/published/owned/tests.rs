use std::cell::RefCell;
use std::os::unix::fs::DirBuilderExt;

use rustix::io::Errno;

use super::temporary::{Unfilled, fill};
use super::*;
use crate::engine::directory::Places;
use crate::engine::os::credentials::own_uid;
use crate::header::Codec;
use crate::published::Place;
use crate::published::head::{Format, Kind};
use crate::published::opened::Opened;

fn shape() -> Shape {
    let format = Format::of(Codec::Bytes);
    Shape { kind: Kind::Frame, capacity: 0, second: 0, data_len: 128, format }
}

/// Readers that look in between must not take the last writer for alive again.
#[test]
fn a_writer_that_is_gone_stays_gone_while_the_next_one_takes_its_place() {
    let directory = std::env::temp_dir().join(format!("ringpost-next-{}", std::process::id()));
    let name = Name::new(&Place::at(&directory), "demo", Kind::Frame).unwrap();
    let owned = Owned::create(&name, &shape(), false, |_, _, _| Ok(())).unwrap();
    let path = owned.path().to_owned();
    let reader = Opened::open(&path, Kind::Frame).unwrap().unwrap();
    let predecessor = || Predecessor::at(&path, &name).unwrap().unwrap();
    assert!(reader.has_writer() && !predecessor().lock(&path).unwrap());
    drop(owned);
    let next = predecessor();
    assert!(next.lock(&path).unwrap());
    assert!(!reader.has_writer());
    assert!(!predecessor().lock(&path).unwrap(), "one takes its place at a time");
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_new_file_that_another_has_locked_at_once_is_refused() {
    let path = std::env::temp_dir().join(format!("ringpost-owned-{}", std::process::id()));
    fs::write(&path, b"").unwrap();
    let file = || opened::open(&path, OFlags::RDWR).unwrap().unwrap();
    let hostile = file();
    assert!(byte_lock::take(&hostile, WRITER).unwrap());
    assert!(matches!(fill(&file(), 8192, 8192), Err(Unfilled::Call(Errno::AGAIN))));
    drop(hostile);
    assert!(fill(&file(), 8192, 8192).is_ok());
    fs::remove_file(path).unwrap();
}

#[test]
fn the_next_file_of_a_writer_lies_where_its_last_does_although_an_earlier_place_counts_by_now() {
    let root = std::env::temp_dir().join(format!("ringpost-beside-{}", std::process::id()));
    fs::create_dir_all(root.join("tmp")).unwrap();
    let (places, kind) = (Places::known_below(&root), Kind::Frame);
    let name = Name { places, file: "demo.frame".into(), name: "demo".into(), kind };
    let mut owned = Owned::create(&name, &shape(), false, |_, _, _| Ok(())).unwrap();
    let path = owned.path().to_owned();
    let run = root.join(format!("run/user/{}", own_uid()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(run).unwrap();
    owned.replace(&shape(), |_, _, _| Ok(())).unwrap();
    assert_eq!(owned.path(), path, "the last one stays behind, without a writer");
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_writer_in_another_place_loses_its_name_to_one_that_takes_it_over() {
    let root = std::env::temp_dir().join(format!("ringpost-places-{}", std::process::id()));
    fs::create_dir_all(root.join("tmp")).unwrap();
    // In some systems these are the same.
    fs::create_dir_all(root.join("var")).unwrap();
    std::os::unix::fs::symlink(root.join("tmp"), root.join("var/tmp")).unwrap();
    let (places, kind) = (Places::known_below(&root), Kind::Frame);
    let name = Name { places, file: "demo.frame".into(), name: "demo".into(), kind };
    let create = |take_over| Owned::create(&name, &shape(), take_over, |_, _, _| Ok(()));
    let first = create(false).unwrap();
    let run = root.join(format!("run/user/{}", own_uid()));
    fs::DirBuilder::new().recursive(true).mode(0o700).create(&run).unwrap();
    assert_eq!(create(false).map(drop).map_err(|error| error.code()), Err(Code::NameInUse));
    let second = create(true).unwrap();
    assert!(second.path().starts_with(&run) && second.is_at_its_path());
    assert!(first.is_superseded() && !first.path().exists());
    fs::remove_dir_all(&run).unwrap();
    let third = create(true).unwrap();
    assert!(third.is_at_its_path() && !third.is_superseded());
    fs::remove_dir_all(root).unwrap();
}

#[test]
fn a_writer_whose_name_is_taken_over_while_it_makes_its_next_file_has_lost_it() {
    let directory = std::env::temp_dir().join(format!("ringpost-lost-{}", std::process::id()));
    let name = Name::new(&Place::at(&directory), "demo", Kind::Frame).unwrap();
    let mut owned = Owned::create(&name, &shape(), false, |_, _, _| Ok(())).unwrap();
    let taker = RefCell::new(None);
    let replaced = owned.replace(&shape(), |_, _, _| {
        let taken = || Owned::create(&name, &shape(), true, |_, _, _| Ok(())).unwrap();
        taker.borrow_mut().get_or_insert_with(taken);
        Ok(())
    });
    assert_eq!(replaced.map_err(|error| error.code()), Err(Code::NameInUse));
    let taker = taker.into_inner().unwrap();
    assert!(owned.is_superseded() && !taker.is_superseded() && taker.is_at_its_path());
    fs::remove_dir_all(directory).unwrap();
}

#[test]
fn a_writer_that_comes_between_a_look_and_the_exchange_keeps_its_name() {
    let root = std::env::temp_dir().join(format!("ringpost-between-{}", std::process::id()));
    let name = Name::new(&Place::at(&root), "demo", Kind::Frame).unwrap();
    let create = |take_over| Owned::create(&name, &shape(), take_over, |_, _, _| Ok(())).unwrap();
    let first = create(false);
    let path = first.path().to_owned();
    let predecessor = Predecessor::at(&path, &name).unwrap().unwrap();
    let before = predecessor.map();
    let directory = Directory::existing(&root).unwrap().unwrap();
    let head = Head { generation: 2, writer: std::process::id(), shape: shape() };
    let made = Temporary::make(&directory, &name.file, &head).unwrap();
    let taker = create(true);
    assert!(!made.exchange(&path, &predecessor, before.as_ref(), 2).unwrap());
    drop(made);
    assert!(taker.is_at_its_path() && !taker.is_superseded());
    fs::remove_dir_all(root).unwrap();
}
