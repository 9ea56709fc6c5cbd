use super::*;
use crate::engine::directory::tests::Scratch;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::os::unix::net::{UnixDatagram, UnixListener, UnixStream};
use std::sync::atomic::{AtomicBool, Ordering};

fn directory(scratch: &Scratch) -> Directory {
    Directory::make(scratch).unwrap()
}

fn listen(directory: &Directory, name: &str) -> Result<(Claim, Listening)> {
    Claim::listen(directory.clone(), name)
}

fn code<T>(outcome: Result<T>) -> Code {
    outcome.err().expect("an error").code()
}

fn files(directory: &Directory) -> Vec<String> {
    let entries = fs::read_dir(directory.path()).unwrap();
    let mut names: Vec<_> =
        entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Removes the files of a server, if it is dead.
fn clear(directory: &Directory, name: &str) -> bool {
    abandoned(directory, name).is_some_and(|_locked| remove_files(directory, name).is_ok())
}

/// Gives a claim up as a process does that is killed: its files stay.
fn die((mut claim, socket): (Claim, Listening)) {
    claim.creator = 0;
    drop((claim, socket));
}

#[test]
fn a_name_is_held_once_and_free_again_afterwards() {
    let scratch = Scratch::new("claim");
    let directory = directory(&scratch);
    let held = listen(&directory, "demo").unwrap();
    assert_eq!(code(listen(&directory, "demo")), Code::NameInUse);
    assert!(is_held(&directory, "demo") && !is_held(&directory, "other"));
    for path in [directory.lock_path("demo"), directory.socket_path("demo")] {
        assert_eq!(fs::symlink_metadata(path).unwrap().mode() & 0o777, 0o600);
    }
    drop(held);
    assert!(files(&directory).is_empty() && !is_held(&directory, "demo"));
    listen(&directory, "demo").unwrap();
}

#[test]
fn files_of_a_dead_server_of_the_name_are_replaced() {
    let scratch = Scratch::new("stale");
    let directory = directory(&scratch);
    die(listen(&directory, "demo").unwrap());
    assert_eq!(files(&directory), ["demo.lock", "demo.sock"]);
    drop(listen(&directory, "demo").unwrap());
    // However it may look.
    fs::write(directory.socket_path("demo"), "").unwrap();
    fs::write(directory.lock_path("demo"), "").unwrap();
    drop(listen(&directory, "demo").unwrap());
    assert!(files(&directory).is_empty());
}

#[test]
fn a_planted_lock_that_is_a_link_is_not_followed() {
    let scratch = Scratch::new("planted");
    let directory = directory(&scratch);
    let target = directory.path().join("target");
    symlink(&target, directory.lock_path("demo")).unwrap();
    assert!(listen(&directory, "demo").is_err());
    assert!(!target.exists());
}

#[test]
fn only_files_that_are_its_own_are_removed() {
    let scratch = Scratch::new("own");
    let directory = directory(&scratch);
    let old = listen(&directory, "demo").unwrap();
    for path in [directory.lock_path("demo"), directory.socket_path("demo")] {
        fs::remove_file(path).unwrap();
    }
    let young = listen(&directory, "demo").unwrap();
    assert_eq!(old.0.standing(), Standing::LockReplaced);
    drop(old);
    assert_eq!(young.0.standing(), Standing::Whole);
    assert_eq!(code(listen(&directory, "demo")), Code::NameInUse);
    // Also of those that have its names.
    fs::remove_file(directory.socket_path("demo")).unwrap();
    fs::write(directory.socket_path("demo"), "another's").unwrap();
    drop(young);
    assert_eq!(files(&directory), ["demo.sock"]);
}

#[test]
fn a_server_whose_lock_was_taken_removes_its_socket_if_no_other_has_the_name() {
    let scratch = Scratch::new("lockless");
    let directory = directory(&scratch);
    let held = listen(&directory, "demo").unwrap();
    fs::remove_file(directory.lock_path("demo")).unwrap();
    drop(held);
    assert!(files(&directory).is_empty(), "{:?}", files(&directory));
}

#[test]
fn one_without_its_lock_serves_clients_until_another_takes_the_name() {
    let scratch = Scratch::new("lock-taken");
    let directory = directory(&scratch);
    let mut old = listen(&directory, "demo").unwrap();
    fs::remove_dir_all(directory.path()).unwrap();
    assert!(old.0.restore_for_clients().unwrap().is_some());
    assert!(old.0.restore_for_clients().unwrap().is_none(), "it is there");
    assert_eq!(files(&directory), ["demo.sock"]);
    let young = listen(&directory, "demo").unwrap();
    assert!(old.0.restore_for_clients().unwrap().is_none(), "it is another's");
    assert_eq!(young.0.standing(), Standing::Whole);
    drop(old);
    assert_eq!(young.0.standing(), Standing::Whole);
}

#[test]
fn removed_files_are_restored() {
    let scratch = Scratch::new("back");
    let directory = directory(&scratch);
    let (mut claim, _socket) = listen(&directory, "demo").unwrap();
    let (lock, socket) = (directory.lock_path("demo"), directory.socket_path("demo"));

    fs::remove_file(&socket).unwrap();
    assert_eq!(claim.standing(), Standing::SocketGone);
    assert!(claim.restore().unwrap().is_some(), "a new socket");
    assert_eq!(claim.standing(), Standing::Whole);

    fs::remove_file(&lock).unwrap();
    assert_eq!(claim.standing(), Standing::LockGone);
    assert!(claim.restore().unwrap().is_none(), "the socket is still there");
    assert_eq!(code(listen(&directory, "demo")), Code::NameInUse);

    fs::remove_dir_all(directory.path()).unwrap();
    assert!(claim.restore().unwrap().is_some());
    assert_eq!(claim.standing(), Standing::Whole);

    for path in [&lock, &socket] {
        fs::set_permissions(path, fs::Permissions::from_mode(0o000)).unwrap();
    }
    assert_eq!(claim.standing(), Standing::Whole);
    for path in [&lock, &socket] {
        assert_eq!(fs::symlink_metadata(path).unwrap().mode() & 0o777, 0o600);
    }
}

#[test]
fn files_of_a_name_that_another_took_are_not_restored() {
    let scratch = Scratch::new("taken");
    let directory = directory(&scratch);
    let (mut claim, _socket) = listen(&directory, "demo").unwrap();
    for path in [directory.lock_path("demo"), directory.socket_path("demo")] {
        fs::remove_file(path).unwrap();
    }
    let young = listen(&directory, "demo").unwrap();
    assert_eq!(code(claim.restore()), Code::NameInUse);
    drop(claim);
    assert_eq!(young.0.standing(), Standing::Whole);
}

#[test]
fn leftovers_are_recognised_by_lock_and_mark() {
    let scratch = Scratch::new("dead");
    let directory = directory(&scratch);
    let living = listen(&directory, "living").unwrap();
    die(listen(&directory, "dead").unwrap());
    // Locks and sockets of other programs, and what they have to say.
    for (name, content) in [("empty", ""), ("others", "12345"), ("longer", "ringpost\nand more")] {
        fs::write(directory.lock_path(name), content).unwrap();
    }
    let other = UnixListener::bind(directory.socket_path("foreign")).unwrap();
    drop(other);
    for name in ["living", "empty", "others", "longer", "foreign", "nobody"] {
        assert!(!clear(&directory, name), "{name}");
    }
    assert!(clear(&directory, "dead"));
    let left = ["empty.lock", "foreign.sock", "living.lock", "living.sock", "longer.lock"];
    assert_eq!(files(&directory)[..5], left);
    assert_eq!(living.0.standing(), Standing::Whole);
    // A server of such a name leaves what it has found in the lock as it was, while it lives.
    let (claim, _socket) = listen(&directory, "others").unwrap();
    assert_eq!(fs::read_to_string(directory.lock_path("others")).unwrap(), "12345");
    drop(claim);
}

#[test]
fn a_look_of_a_process_that_loses_its_core_is_not_taken_for_a_server_either() {
    let scratch = Scratch::new("late");
    let directory = directory(&scratch);
    die(listen(&directory, "demo").unwrap());
    let lock = open_lock(&directory.lock_path("demo"), OFlags::empty()).unwrap();
    rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
    let looking = std::thread::spawn(move || {
        std::thread::sleep(Duration::from_millis(60));
        drop(lock);
    });
    listen(&directory, "demo").unwrap();
    looking.join().unwrap();
}

#[test]
fn a_look_at_a_name_is_not_taken_for_a_server_that_holds_it() {
    let scratch = Scratch::new("looks");
    let directory = directory(&scratch);
    let over = AtomicBool::new(false);
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                while !over.load(Ordering::Relaxed) {
                    clear(&directory, "demo");
                    is_held(&directory, "demo");
                    std::thread::yield_now();
                }
            });
        }
        for _ in 0..200 {
            let held = listen(&directory, "demo");
            over.store(held.is_err(), Ordering::Relaxed);
            assert_eq!(held.unwrap().0.standing(), Standing::Whole);
        }
        over.store(true, Ordering::Relaxed);
    });
    assert!(files(&directory).is_empty(), "{:?}", files(&directory));
}

#[test]
fn many_that_want_one_name_leave_it_to_one() {
    let scratch = Scratch::new("many");
    let directory = directory(&scratch);
    for _ in 0..20 {
        die(listen(&directory, "demo").unwrap());
        let held: Vec<_> = std::thread::scope(|scope| {
            let wants: Vec<_> =
                (0..4).map(|_| scope.spawn(|| listen(&directory, "demo"))).collect();
            wants.into_iter().filter_map(|want| want.join().unwrap().ok()).collect()
        });
        assert_eq!(held.len(), 1);
        assert_eq!(held[0].0.standing(), Standing::Whole);
    }
}

/// A socket as a supervisor has it, at the place of this name.
fn supervised(directory: &Directory, name: &str) -> UnixListener {
    UnixListener::bind(directory.socket_path(name)).unwrap()
}

fn inherit(directory: &Directory, name: &str, socket: &impl AsFd) -> Result<(Claim, Listening)> {
    Claim::inherit(directory.clone(), name, socket.as_fd())
}

#[test]
fn an_inherited_socket_outlives_its_servers() {
    let scratch = Scratch::new("inherited");
    let directory = directory(&scratch);
    let socket = supervised(&directory, "demo");
    let held = inherit(&directory, "demo", &socket).unwrap();
    assert_eq!(held.0.standing(), Standing::Whole);
    assert_eq!(code(inherit(&directory, "demo", &socket)), Code::NameInUse);
    let flags = rustix::io::fcntl_getfd(&socket).unwrap();
    assert!(flags.contains(rustix::io::FdFlags::CLOEXEC));
    drop(held);
    assert_eq!(files(&directory), ["demo.sock"]);
    die(inherit(&directory, "demo", &socket).unwrap());
    assert!(!clear(&directory, "demo"), "the supervisor listens");
    drop(inherit(&directory, "demo", &socket).unwrap());
    assert_eq!(files(&directory), ["demo.sock"]);
    // The supervisor has ended as well.
    die(inherit(&directory, "demo", &socket).unwrap());
    drop(socket);
    assert!(clear(&directory, "demo"));
}

#[test]
fn an_inherited_socket_is_not_made_again_and_its_lock_is() {
    let scratch = Scratch::new("supervised");
    let directory = directory(&scratch);
    let socket = supervised(&directory, "demo");
    let (mut claim, _listening) = inherit(&directory, "demo", &socket).unwrap();
    fs::remove_file(directory.lock_path("demo")).unwrap();
    assert!(claim.restore_for_clients().unwrap().is_none());
    assert!(claim.restore().unwrap().is_none());
    assert_eq!(claim.standing(), Standing::Whole);
    fs::remove_file(directory.socket_path("demo")).unwrap();
    assert_eq!(code(claim.restore()), Code::NoServer);
    fs::write(directory.socket_path("demo"), "another's").unwrap();
    assert_eq!(code(claim.restore()), Code::NoServer);
    drop(claim);
    assert_eq!(files(&directory), ["demo.sock"]);
}

#[test]
fn what_is_no_socket_of_the_name_is_refused_with_where_it_belongs() {
    let scratch = Scratch::new("handed");
    let directory = directory(&scratch);
    let demo = supervised(&directory, "demo");
    let other = supervised(&directory, "other");
    let connected = UnixStream::connect(directory.socket_path("demo")).unwrap();
    let silent = socket::stream().unwrap();
    socket::bind(&silent, &directory.address("silent").unwrap()).unwrap();
    let messages = UnixDatagram::bind(directory.socket_path("messages")).unwrap();
    let refuses = |name: &str, socket: &dyn AsFd, reason: &str| {
        let outcome = Claim::inherit(directory.clone(), name, socket.as_fd());
        let error = outcome.err().expect(reason);
        assert_eq!(error.code(), Code::InvalidArgument, "{error}");
        let unit = format!("ListenStream={}", directory.socket_path(name).display());
        assert!(error.to_string().contains(&unit), "{error}");
        assert!(error.to_string().contains(reason), "{error}");
    };
    refuses("demo", &other, "listens at");
    refuses("nobody", &demo, "listens at");
    refuses("demo", &connected, "that listens");
    refuses("silent", &silent, "that listens");
    refuses("messages", &messages, "that listens");
    refuses("demo", &fs::File::open("/dev/null").unwrap(), "that listens");
    assert!(!files(&directory).iter().any(|file| file.ends_with(".lock")));
}
