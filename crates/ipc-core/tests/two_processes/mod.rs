//! Tests whose peer is another process: the test binary runs itself again in a role of its own.

#![allow(dead_code, reason = "each test file uses some of it")]

use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::{Duration, Instant};

use ipc_core::{Code, CrcMode, Error, Lane, Options, Overflow, Transport};

/// All ways to the peer.
pub const TRANSPORTS: [Transport; 3] = Transport::ALL;
/// Those by memory that is shared.
pub const SHARED: [Transport; 2] = [Transport::Sealed, Transport::Portable];
/// How long anything may take, on a machine that is busy with other things, before a test has
/// failed.
pub const WAIT_POLICY: Duration = Duration::from_secs(60);

const ROLE: &str = "RINGPOST_TEST_ROLE";
const DIRECTORY: &str = "RINGPOST_TEST_DIRECTORY";
const TRANSPORT: &str = "RINGPOST_TEST_TRANSPORT";
const CRC: &str = "RINGPOST_TEST_CRC";

/// A directory to meet in and the options to do so.
pub struct Meeting {
    pub options: Options,
    directory: PathBuf,
}

impl Meeting {
    pub fn new(transport: Transport) -> Self {
        Self::with_crc(transport, CrcMode::default())
    }

    pub fn with_crc(transport: Transport, crc: CrcMode) -> Self {
        static NUMBER: AtomicU32 = AtomicU32::new(0);
        let number = NUMBER.fetch_add(1, Ordering::Relaxed);
        let name = format!("ringpost-test-{}-{number}", std::process::id());
        let directory = std::env::temp_dir().join(name);
        Self { options: options(directory.clone(), transport, crc), directory }
    }

    /// Runs this test binary in a role: the test of that name, which finds out by [`role`].
    pub fn run(&self, role: &str) -> Process {
        let command = Command::new(std::env::current_exe().expect("a test binary"));
        self.run_by(command, role)
    }

    /// The same in a namespace in which `mount`, a line of shell, has been executed; `None`: this
    /// machine has none, and that is acknowledged.
    pub fn run_where(&self, mount: &str, role: &str) -> Option<Process> {
        let mut unshare = Command::new("unshare");
        unshare.args(["--map-root-user", "--mount", "sh", "-c"]);
        let can = Command::new("unshare").args(["--map-root-user", "--mount", "true"]).status();
        if !can.is_ok_and(|status| status.success()) {
            let without = std::env::var("RINGPOST_WITHOUT").unwrap_or_default();
            let is_known = without.split(',').any(|missing| missing == "namespaces");
            assert!(is_known, "no namespaces here; RINGPOST_WITHOUT=namespaces skips this");
            return None;
        }
        unshare.arg(format!("{mount} && exec \"$0\" \"$@\""));
        unshare.arg(std::env::current_exe().expect("a test binary"));
        Some(self.run_by(unshare, role))
    }

    fn run_by(&self, mut command: Command, role: &str) -> Process {
        let transport = self.options.transport.expect("a meeting has one");
        command
            .args(["--exact", "in_another_process", "--nocapture", "--test-threads=1"])
            .env(ROLE, role)
            .env(DIRECTORY, &self.directory)
            .env(TRANSPORT, transport.name())
            .env(CRC, self.options.crc.name())
            .stdin(Stdio::piped())
            .stdout(Stdio::null());
        Process(command.spawn().expect("another process"))
    }

    /// A file for a process to write or to wait for.
    pub fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

fn options(directory: PathBuf, transport: Transport, crc: CrcMode) -> Options {
    let transport = Some(transport);
    let mut options = Options { directory: Some(directory), transport, crc, ..Options::default() };
    // Who is slow is waited for: what is dropped is for tests of that.
    for overflow in &mut options.bounds.overflow[..Lane::Low as usize] {
        *overflow = Overflow::Wait(10 * WAIT_POLICY);
    }
    options
}

/// The role of this process and the options to meet with; `None` in the process of the tests.
pub fn role() -> Option<(String, Options)> {
    let role = std::env::var(ROLE).ok()?;
    // When the tests are gone, so is this.
    std::thread::spawn(|| {
        let _ = std::io::copy(&mut std::io::stdin(), &mut std::io::sink());
        std::process::exit(3);
    });
    let variable = |name| std::env::var(name).expect("set together with the role");
    let transport = Transport::from_name(&variable(TRANSPORT)).expect("one there is");
    let crc = match variable(CRC).as_str() {
        "off" => CrcMode::Off,
        "full" => CrcMode::Full,
        _ => CrcMode::Header,
    };
    Some((role, options(Path::new(&variable(DIRECTORY)).to_owned(), transport, crc)))
}

/// A process in a role. It does not outlive its test.
pub struct Process(Child);

impl Process {
    /// SIGKILL.
    pub fn kill(&mut self) {
        self.0.kill().expect("a process to kill");
        self.0.wait().expect("it is ours");
    }

    pub fn id(&self) -> u32 {
        self.0.id()
    }

    /// Whether a signal has stopped it.
    pub fn is_stopped(&self) -> bool {
        self.stat()[0] == "T"
    }

    /// The processor time it has used so far, in ticks of ten milliseconds.
    pub fn processor_time(&self) -> Duration {
        let fields = self.stat();
        let ticks = |field: usize| fields[field].parse::<u64>().expect("a number");
        Duration::from_millis(10 * (ticks(11) + ticks(12)))
    }

    /// What the kernel says of it after its name, which is in parentheses: state, ppid, ... utime
    /// is the 12th, stime the 13th.
    fn stat(&self) -> Vec<String> {
        let path = format!("/proc/{}/stat", self.0.id());
        let stat = std::fs::read_to_string(path).expect("a process");
        let end = stat.rfind(')').expect("a name") + 2;
        stat[end..].split(' ').map(String::from).collect()
    }

    /// Its exit code, or `None` when a signal ended it.
    pub fn wait(&mut self) -> Option<i32> {
        let since = Instant::now();
        loop {
            if let Some(status) = self.0.try_wait().expect("it is ours") {
                return status.code();
            }
            assert!(since.elapsed() < WAIT_POLICY, "the other process does not end");
            std::thread::sleep(Duration::from_millis(5));
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

/// Tries until the server is there.
pub fn patiently<T>(mut connect: impl FnMut() -> Result<T, Error>) -> T {
    let since = Instant::now();
    loop {
        match connect() {
            Ok(connected) => return connected,
            Err(error) if error.code() == Code::NoServer && since.elapsed() < WAIT_POLICY => {
                std::thread::sleep(Duration::from_millis(5));
            }
            Err(error) => panic!("{error}"),
        }
    }
}

/// Waits until something is so.
pub fn eventually(what: &str, mut is_so: impl FnMut() -> bool) {
    let since = Instant::now();
    while !is_so() {
        assert!(since.elapsed() < WAIT_POLICY, "{what} does not come about");
        std::thread::sleep(Duration::from_millis(1));
    }
}

/// Ends the process when a test hangs where no timeout of its own can reach it.
pub fn watch_dog() {
    static STARTED: std::sync::Once = std::sync::Once::new();
    STARTED.call_once(|| {
        std::thread::spawn(|| {
            std::thread::sleep(10 * WAIT_POLICY);
            std::process::abort();
        });
    });
}

/// Random bytes, the same for the same seed.
pub fn noise(len: usize, seed: u64) -> Vec<u8> {
    let mut state = seed.wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut bytes = Vec::with_capacity(len + 8);
    while bytes.len() < len {
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        bytes.extend(state.to_le_bytes());
    }
    bytes.truncate(len);
    bytes
}
