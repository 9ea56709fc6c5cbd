use super::*;
use crate::published::Watcher;
use crate::published::head::Kind;
use crate::published::place::Name;
use std::os::unix::fs::{PermissionsExt, symlink};

/// A path where nothing is, neither now nor afterwards.
pub(in crate::engine) struct Scratch(PathBuf);

impl Scratch {
    pub fn new(test: &str) -> Self {
        let name = format!("ringpost-test-{test}-{}", std::process::id());
        Self(std::env::temp_dir().join(name))
    }
}

impl std::ops::Deref for Scratch {
    type Target = Path;

    fn deref(&self) -> &Path {
        &self.0
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

fn mode(path: &Path) -> u32 {
    fs::metadata(path).unwrap().mode() & 0o777
}

fn set_mode(path: &Path, mode: u32) {
    fs::set_permissions(path, fs::Permissions::from_mode(mode)).unwrap();
}

/// Places as if they were those every process knows.
fn known(paths: &[&Path]) -> Places {
    let paths = paths.iter().map(|path| (*path).to_owned()).collect();
    Places { paths, chosen: false, run: None }
}

fn error<T>(outcome: Result<T>) -> (Code, String) {
    let error = outcome.err().expect("an error");
    (error.code(), error.to_string())
}

#[test]
fn a_directory_is_made_private() {
    let scratch = Scratch::new("private");
    Directory::make(&scratch).unwrap();
    assert_eq!(mode(&scratch), 0o700);
}

#[test]
fn a_link_a_file_and_an_open_directory_are_refused_with_what_to_do() {
    let scratch = Scratch::new("open");
    let path: &Path = &scratch;
    fs::create_dir(path).unwrap();
    set_mode(path, 0o755);
    let refused = |path: &Path| error(Directory::make(path));
    let (code, message) = refused(path);
    assert_eq!(code, Code::UnsafeDirectory);
    assert!(message.contains(&format!("`chmod 700 {}`", path.display())), "{message}");
    assert_eq!(mode(path), 0o755, "what is open to others may have been used by them");
    set_mode(path, 0o700);
    let other = Scratch::new("link");
    let link: &Path = &other;
    symlink(path, link).unwrap();
    fs::write(path.join("file"), "").unwrap();
    for (path, what) in [(link, "a link"), (&path.join("file"), "a file")] {
        let (code, message) = refused(path);
        assert_eq!(code, Code::UnsafeDirectory);
        assert!(message.contains(what) && message.contains("RINGPOST_DIR"), "{message}");
    }
    fs::remove_file(link).unwrap();
}

#[test]
fn modes_that_a_umask_took_are_restored() {
    let scratch = Scratch::new("umask");
    fs::create_dir(&*scratch).unwrap();
    for missing in [0, 0o100, 0o500, 0o600] {
        set_mode(&scratch, missing);
        Directory::make(&scratch).unwrap();
        assert_eq!(mode(&scratch), 0o700);
    }
}

#[test]
fn a_parent_that_is_missing_is_named() {
    let scratch = Scratch::new("parent");
    let (code, message) = error(Directory::make(&scratch.join("within")));
    assert_eq!(code, Code::UnsafeDirectory);
    assert!(message.contains("within") && message.contains("RINGPOST_DIR"), "{message}");
}

#[test]
fn the_places_of_all_processes_are_absolute_and_in_one_order() {
    let options = Options { environment: false, ..Options::default() };
    let places = Places::of(&options).unwrap();
    let uid = own_uid();
    let last = [format!("/tmp/ringpost-{uid}"), format!("/var/tmp/ringpost-{uid}")];
    assert_eq!(places.paths[1..], last.map(PathBuf::from));
    assert_eq!(places.paths[0], PathBuf::from(format!("/run/user/{uid}/ringpost")));
    assert!(!places.chosen && places.paths.iter().all(|path| path.is_absolute()));
    let relative = Options { directory: Some("here/or/there".into()), ..options };
    let places = Places::of(&relative).unwrap();
    assert_eq!(places.paths, [std::env::current_dir().unwrap().join("here/or/there")]);
}

#[test]
fn a_place_that_cannot_be_used_is_passed_over_by_both_sides() {
    let (squatted, good) = (Scratch::new("squatted"), Scratch::new("good"));
    fs::write(&*squatted, "").unwrap();
    let places = known(&[&squatted, &good]);
    let (doors, reasons) = places.doors("demo").unwrap();
    assert!(doors.is_empty() && reasons.len() == 1, "the other could still be made");
    let (claim, _socket) = places.listen("demo", None).unwrap();
    assert_eq!(claim.directory().path(), &*good);
    let (doors, reasons) = places.doors("demo").unwrap();
    assert_eq!(doors[0].directory.path(), &*good);
    assert!(reasons[0].contains("is a file, not a directory"), "{reasons:?}");
    // One that was chosen is not passed over.
    let chosen = Places { chosen: true, ..known(&[&squatted]) };
    assert_eq!(error(chosen.listen("demo", None)).0, Code::UnsafeDirectory);
    assert_eq!(error(chosen.doors("demo")).0, Code::UnsafeDirectory);
}

#[test]
fn a_name_that_is_held_in_a_later_place_is_held() {
    let (first, second) = (Scratch::new("first"), Scratch::new("second"));
    fs::write(&*first, "").unwrap();
    let places = known(&[&first, &second]);
    let held = places.listen("demo", None).unwrap();
    fs::remove_file(&*first).unwrap();
    // The first place can be used by now, but clients may be led to either.
    assert_eq!(error(places.listen("demo", None)).0, Code::NameInUse);
    places.listen("other", None).unwrap();
    drop(held);
    places.listen("demo", None).unwrap();
}

#[test]
fn where_no_directory_can_be_used_all_reasons_are_reported() {
    let (first, second) = (Scratch::new("neither"), Scratch::new("nor"));
    fs::write(&*first, "").unwrap();
    fs::create_dir(&*second).unwrap();
    set_mode(&second, 0o777);
    let places = known(&[&first, &second]);
    for outcome in [error(places.listen("demo", None)), error(places.doors("demo"))] {
        let (code, message) = outcome;
        assert_eq!(code, Code::UnsafeDirectory);
        for part in ["is a file", "is open to others", "the option `directory`", "RINGPOST_DIR"] {
            assert!(message.contains(part), "{part} in: {message}");
        }
    }
}

#[test]
fn an_address_that_is_too_long_says_by_how_much() {
    let scratch = Scratch::new("long");
    let long = scratch.join("x".repeat(80));
    fs::create_dir_all(&long).unwrap();
    set_mode(&long, 0o700);
    let directory = Directory::make(&long).unwrap();
    let (code, message) = error(directory.address("a-name-of-its-own"));
    assert_eq!(code, Code::InvalidName);
    assert!(message.contains("at most 107"), "{message}");
}

/// What a machine has before any of its users is logged in, and what it makes for this one then.
fn before_a_login(root: &Path) -> PathBuf {
    for parent in ["run", "tmp", "var/tmp"] {
        fs::create_dir_all(root.join(parent)).unwrap();
    }
    root.join(format!("run/user/{}", own_uid()))
}

#[test]
fn a_place_whose_parent_comes_later_is_watched_for_and_counts_from_then_on() {
    let root = Scratch::new("login");
    let run = before_a_login(&root);
    let place = run.join("ringpost");
    let (places, arrivals) = (Places::known_below(&root), Arrivals::new().unwrap());
    let comes = |what: &str, make: &dyn Fn()| {
        let (awaited, all_watched) = places.watch("late", &arrivals);
        assert!(all_watched, "{what} could come unseen");
        make();
        assert!(arrivals.take().any_of(&awaited), "{what} has come unseen");
    };
    assert_eq!(places.candidates().count(), 2);
    comes("the directory of all users", &|| fs::create_dir(run.parent().unwrap()).unwrap());
    comes("that of this user", &|| fs::DirBuilder::new().mode(0o700).create(&run).unwrap());
    assert_eq!(places.candidates().next(), Some(&*place));
    comes("the place", &|| Directory::make(&place).map(drop).unwrap());
    comes("the socket", &|| fs::write(place.join("late.sock"), "").unwrap());
    assert_eq!(places.doors("late").unwrap().0[0].directory.path(), place);
    set_mode(&run, 0o755);
    assert!(places.doors("late").unwrap().0.is_empty(), "others may have been there");
}

#[test]
fn readers_look_in_a_place_whose_parent_has_come_after_them() {
    let root = Scratch::new("reader-at-login");
    let run = before_a_login(&root);
    let (places, kind) = (Places::known_below(&root), Kind::Frame);
    let name = Name { places, file: "demo.frame".into(), name: "demo".into(), kind };
    let mut watcher = Watcher::new().unwrap();
    let id = watcher.add(&name);
    fs::create_dir_all(&run).unwrap();
    set_mode(&run, 0o700);
    let mut changed = Vec::new();
    watcher.take(&mut changed);
    assert_eq!(changed, [id]);
    Directory::make(&run.join("ringpost")).unwrap();
    fs::write(run.join("ringpost/demo.frame"), "broken").unwrap();
    assert!(name.another(None, Ok).is_err(), "it was not even opened");
}

#[test]
fn a_socket_that_came_before_it_was_watched_for_is_not_left_to_the_watch() {
    let scratch = Scratch::new("before");
    Directory::make(&scratch).unwrap();
    let (places, arrivals) = (known(&[&scratch]), Arrivals::new().unwrap());
    assert!(places.watch("late", &arrivals).1);
    fs::write(scratch.join("late.sock"), "").unwrap();
    assert!(!places.watch("late", &arrivals).1, "it will not appear again");
    fs::remove_file(scratch.join("late.sock")).unwrap();
    assert!(places.watch("late", &arrivals).1);
}
