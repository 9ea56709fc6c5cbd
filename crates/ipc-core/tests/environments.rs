//! Sandboxes that refuse system calls, and limits a process is given: it works, or there is an
//! error that names what is missing. Each situation is a process of its own.

// A filter of system calls, and limits.
#![allow(unsafe_code)]

mod two_processes;

use std::path::PathBuf;
use std::process::Command;

use ipc_core::{Code, Engine, Error, Options, Transport};
use ringpost::{CallOptions, Change, ClientConfig, ServerConfig, blocking};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};
use two_processes::eventually;

const ROLE: &str = "RINGPOST_ENVIRONMENT_ROLE";
const DIRECTORY: &str = "RINGPOST_ENVIRONMENT_DIRECTORY";
/// What a role exits with when all of it was as it should be.
const GOOD: i32 = 42;
/// And where the filter cannot be had.
const NO_SANDBOX: i32 = 77;

/// From now on these system calls fail in this thread and those it starts.
fn refuse(calls: &[libc::c_long], errno: i32) {
    let statement = |code: u32, k: u32, jt: usize, jf: usize| libc::sock_filter {
        code: code.try_into().unwrap(),
        jt: jt.try_into().unwrap(),
        jf: jf.try_into().unwrap(),
        k,
    };
    let mut filter = vec![statement(libc::BPF_LD | libc::BPF_W | libc::BPF_ABS, 0, 0, 0)];
    for (at, call) in calls.iter().enumerate() {
        let to_refusal = calls.len() - at;
        let equal = libc::BPF_JMP | libc::BPF_JEQ | libc::BPF_K;
        filter.push(statement(equal, u32::try_from(*call).unwrap(), to_refusal, 0));
    }
    let errno = u32::try_from(errno).unwrap();
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ALLOW, 0, 0));
    filter.push(statement(libc::BPF_RET | libc::BPF_K, libc::SECCOMP_RET_ERRNO | errno, 0, 0));
    let len = filter.len().try_into().unwrap();
    let program = libc::sock_fprog { len, filter: filter.as_mut_ptr() };
    // SAFETY: the program lives until the calls have returned.
    let entered = unsafe {
        libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) == 0
            && libc::prctl(libc::PR_SET_SECCOMP, libc::SECCOMP_MODE_FILTER, &raw const program) == 0
    };
    if !entered {
        std::process::exit(NO_SANDBOX);
    }
}

fn options() -> Options {
    let directory = std::env::var_os(DIRECTORY).map(PathBuf::from);
    Options { directory, ..Options::default() }
}

/// Serves, asks and is answered, in this process. Returns how memory was shared.
fn converse(options: &Options) -> Result<Transport, Error> {
    let mut server = blocking::Server::bind("server", &ServerConfig::from(options))?;
    server.handle("echo", |request, reply| {
        reply.payload.extend_from_slice(request.payload);
        Ok(blocking::Answer::Now)
    });
    let stopper = server.stopper();
    let serving = std::thread::spawn(move || server.run());
    let outcome =
        blocking::Client::connect("server", &ClientConfig::from(options)).and_then(|mut client| {
            let reply = client.request("echo", b"question", &CallOptions::default())?;
            assert_eq!(reply.payload, b"question");
            let transport = client.peer().transport;
            client.close()?;
            Ok(transport)
        });
    stopper.stop();
    serving.join().unwrap()?;
    outcome
}

fn limit(resource: Resource, value: u64) {
    let maximum = getrlimit(resource).maximum;
    setrlimit(resource, Rlimit { current: Some(value), maximum }).unwrap();
}

/// The error names what is missing, and its value.
fn fails<T>(outcome: Result<T, Error>, code: Code, texts: &[&str]) {
    let Err(error) = outcome else { panic!("it did not fail") };
    let message = error.to_string();
    assert_eq!(error.code(), code, "{message}");
    assert!(texts.iter().all(|text| message.contains(text)), "{texts:?} in: {message}");
}

#[test]
fn in_another_process() {
    let Ok(role) = std::env::var(ROLE) else { return };
    play(&role, &options());
    std::process::exit(GOOD);
}

fn play(role: &str, options: &Options) {
    let sealed = Options { transport: Some(Transport::Sealed), ..options.clone() };
    let portable = Options { transport: Some(Transport::Portable), ..options.clone() };
    match role {
        "nothing is refused" => {
            refuse(&[], libc::ENOSYS);
            assert_eq!(converse(options).unwrap(), Transport::Sealed);
        }
        "no memory files, not even known" => no_memory_files(options, &sealed, libc::ENOSYS),
        "no memory files, by a policy" => no_memory_files(options, &sealed, libc::EPERM),
        "no event counters" => {
            refuse(&[libc::SYS_eventfd2], libc::ENOSYS);
            assert_eq!(converse(options).unwrap(), Transport::Sealed);
            converse(&portable).unwrap();
        }
        "no word of files that are touched" => {
            refuse(&[libc::SYS_inotify_init1, libc::SYS_inotify_add_watch], libc::EPERM);
            converse(options).unwrap();
            comes_back(options);
        }
        "no advice about memory" => {
            refuse(&[libc::SYS_madvise], libc::EPERM);
            converse(options).unwrap();
        }
        "no timers" => {
            refuse(&[libc::SYS_timerfd_create], libc::ENOSYS);
            fails(Engine::new().map(drop), Code::System, &["timerfd_create"]);
        }
        "no epoll" => {
            refuse(&[libc::SYS_epoll_create1], libc::EPERM);
            fails(Engine::new().map(drop), Code::Access, &["epoll_create1"]);
        }
        "no locks" => {
            refuse(&[libc::SYS_flock], libc::ENOSYS);
            fails(converse(options), Code::System, &["locking", "server.lock"]);
        }
        "no accepting" => {
            refuse(&[libc::SYS_accept4], libc::EPERM);
            let mut server =
                blocking::Server::bind("server", &ServerConfig::from(options)).unwrap();
            let patient = options.clone();
            std::thread::spawn(move || {
                blocking::Client::connect("server", &ClientConfig::from(&patient))
            });
            eventually("the loss", || {
                let _ = server.turn(std::time::Duration::from_millis(10));
                server.changes().into_iter().any(|change| match change {
                    Change::NameLost(error) => {
                        fails(Err::<(), _>(error), Code::Access, &["accept4"]);
                        true
                    }
                    _ => false,
                })
            });
        }
        "no sockets" => {
            refuse(&[libc::SYS_socket], libc::EACCES);
            fails(converse(options), Code::Access, &["server.sock"]);
        }
        "small files" => {
            for max in [0, 4096] {
                limit(Resource::Fsize, max);
                let names = ["RLIMIT_FSIZE", &max.to_string()];
                fails(converse(&sealed), Code::NoSpace, &names);
                fails(converse(&portable), Code::NoSpace, &names);
            }
            // Enough for rings that are small enough.
            limit(Resource::Fsize, 64 << 10);
            converse(&Options { rings: [4096; 5], ..sealed }).unwrap();
            converse(&Options { rings: [4096; 5], ..portable }).unwrap();
        }
        "little to map" => {
            let mapped = std::fs::read_to_string("/proc/self/statm").unwrap();
            let pages: u64 = mapped.split(' ').next().unwrap().parse().unwrap();
            // For the threads of a conversation, but not for 33 MB of memory between them.
            limit(Resource::As, pages * 4096 + (24 << 20));
            let rings = [4 << 20; 5];
            fails(converse(&Options { rings, ..sealed }), Code::NoSpace, &["RLIMIT_AS"]);
            fails(converse(&Options { rings, ..portable }), Code::NoSpace, &["RLIMIT_AS"]);
        }
        "few descriptors" => {
            let taken = std::fs::read_dir("/proc/self/fd").unwrap().count() as u64;
            let mut room = 0;
            // With one more each time, until there are enough for all of it.
            while let Err(error) = {
                limit(Resource::Nofile, taken + room);
                converse(&sealed)
            } {
                assert_eq!(error.code(), Code::NoDescriptors, "{error}");
                room += 1;
                assert!(room < 64, "{error}");
            }
            assert!(room > 5, "{room} descriptors are enough");
        }
        role => panic!("unknown role {role}"),
    }
}

fn no_memory_files(options: &Options, sealed: &Options, errno: i32) {
    refuse(&[libc::SYS_memfd_create], errno);
    assert_eq!(converse(options).unwrap(), Transport::Portable);
    let code = if errno == libc::EPERM { Code::Access } else { Code::System };
    fails(converse(sealed), code, &["memfd_create"]);
}

/// A server whose files are removed is found again.
fn comes_back(options: &Options) {
    let mut server = blocking::Server::bind("again", &ServerConfig::from(options)).unwrap();
    let stopper = server.stopper();
    let serving = std::thread::spawn(move || server.run());
    let directory = options.directory.as_ref().unwrap();
    for file in ["again.lock", "again.sock"] {
        std::fs::remove_file(directory.join(file)).unwrap();
    }
    eventually("the server", || {
        blocking::Client::connect("again", &ClientConfig::from(options)).is_ok()
    });
    stopper.stop();
    serving.join().unwrap().unwrap();
}

fn plays(role: &str) {
    let directory = std::env::temp_dir().join(format!(
        "ringpost-environment-{}-{}",
        std::process::id(),
        role.len()
    ));
    let mut command = Command::new(std::env::current_exe().unwrap());
    command.args(["--exact", "in_another_process", "--nocapture", "--test-threads=1"]);
    let output = command.env(ROLE, role).env(DIRECTORY, &directory).output().unwrap();
    let _ = std::fs::remove_dir_all(directory);
    let stderr = String::from_utf8_lossy(&output.stderr);
    match output.status.code() {
        Some(GOOD) => {}
        Some(NO_SANDBOX) => panic!("this machine has no filters of system calls (seccomp)"),
        _ => panic!("{role}: {} {stderr}", output.status),
    }
}

#[test]
fn sandboxes_without_memory_files_use_named_segments() {
    plays("nothing is refused");
    plays("no memory files, not even known");
    plays("no memory files, by a policy");
}

#[test]
fn missing_system_calls_are_replaced_where_that_is_possible() {
    plays("no event counters");
    plays("no word of files that are touched");
    plays("no advice about memory");
}

#[test]
fn a_missing_system_call_without_replacement_is_named() {
    for role in ["no timers", "no epoll", "no locks", "no accepting", "no sockets"] {
        plays(role);
    }
}

#[test]
fn limits_are_named_with_their_values_and_never_met_with_a_signal() {
    for role in ["small files", "little to map", "few descriptors"] {
        plays(role);
    }
}
