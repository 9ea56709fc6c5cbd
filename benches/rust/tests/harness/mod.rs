//! Workers as the runner starts them, and every command with tiny numbers.

use std::fs::DirBuilder;
use std::io::{BufRead, BufReader, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};

use serde_json::{Value, json};

/// What the runner has of a worker.
pub struct Worker {
    child: Child,
    commands: ChildStdin,
    answers: BufReader<ChildStdout>,
}

impl Worker {
    pub fn start(program: &str) -> Self {
        let mut child = Command::new(program)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the worker starts");
        let commands = child.stdin.take().expect("it is piped");
        let answers = BufReader::new(child.stdout.take().expect("it is piped"));
        Self { child, commands, answers }
    }

    /// What a command comes to that succeeds.
    pub fn call(&mut self, command: &Value) -> Value {
        let mut answer = self.say(&command.to_string());
        assert_eq!(answer.get("error"), None, "{command}");
        answer["value"].take()
    }

    /// What is said of a command that fails.
    pub fn refuse(&mut self, line: &str) -> String {
        let answer = self.say(line);
        answer["error"].as_str().unwrap_or_else(|| panic!("{line}: {answer}")).to_owned()
    }

    fn say(&mut self, line: &str) -> Value {
        writeln!(self.commands, "{line}").expect("the worker listens");
        let mut answer = String::new();
        self.answers.read_line(&mut answer).expect("the worker answers");
        serde_json::from_str(&answer).expect("an answer is JSON")
    }

    pub fn stop(mut self) {
        assert_eq!(self.call(&json!({ "do": "stop" })), Value::Null);
        self.end();
    }

    /// Has nothing more to say to it, which ends it too.
    pub fn end(self) {
        let Self { mut child, commands, .. } = self;
        drop(commands);
        assert!(child.wait().expect("it ends").success());
    }
}

/// Two workers that talk, in a folder as private as a run's.
pub struct Pair {
    pub serves: Worker,
    pub asks: Worker,
    /// What the connection says of itself.
    pub description: Value,
    pub folder: Folder,
}

impl Pair {
    /// Of an adapter that serves and one that asks.
    pub fn open(program: &str, adapters: [&str; 2], spin: bool) -> Self {
        let folder = Folder::new();
        let (mut serves, mut asks) = (Worker::start(program), Worker::start(program));
        let order = |what: &str, adapter: &str| {
            let settings = json!({ "directory": folder.0, "spin": spin, "whatever": 1 });
            let address = folder.address();
            json!({ "do": what, "adapter": adapter, "address": address, "settings": settings })
        };
        assert_eq!(serves.call(&order("serve", adapters[0])), Value::Null);
        let description = asks.call(&order("connect", adapters[1]));
        assert!(description["version"].is_string() && description["others"] == json!([]));
        Self { serves, asks, description, folder }
    }

    /// What every pair can do.
    pub fn play(&mut self, sizes: &[usize]) {
        for size in sizes {
            let latency = self.asks.call(&json!({ "do": "latency", "size": size, "ms": 5.5 }));
            assert!(check_latency(&latency) > 0);
            self.check_count(&json!({ "do": "one-way", "size": size, "ms": 5 }));
            self.check_count(&json!({ "do": "burst", "size": size, "count": 130 }));
        }
        let asks = &mut self.asks;
        let pausing = asks.call(&json!({ "do": "latency", "size": 64, "ms": 20, "pauseMs": 4 }));
        assert!((1..=5).contains(&check_latency(&pausing)));
        let open = asks.call(&json!({ "do": "open-loop", "size": 64, "ms": 20, "rate": 1_000 }));
        // A transport that only polls may not get done in time where others compute.
        assert!((1..=20).contains(&check_latency(&open)));
        assert!(open["perSecond"].as_f64() > Some(1.0));
        assert_eq!(asks.call(&json!({ "do": "idle", "ms": 1 })), Value::Null);
    }

    pub fn reconnect(&mut self) {
        let again = self.asks.call(&json!({ "do": "reconnect", "times": 3 }));
        assert_eq!(check_latency(&again), 3);
        // The first is as it was.
        self.check_count(&json!({ "do": "burst", "size": 64, "count": 10 }));
    }

    /// All that was sent has been read.
    fn check_count(&mut self, command: &Value) {
        let sent = self.asks.call(command);
        let received = self.serves.call(&json!({ "do": "received" }));
        assert_eq!(sent["count"], received["count"], "{command}");
        assert!(sent["perSecond"].is_number() && sent["bytesPerSecond"].is_number());
    }

    pub fn close(self) {
        self.asks.stop();
        self.serves.stop();
        self.folder.assert_empty();
    }
}

/// What one process publishes, by a library.
pub struct Published {
    program: &'static str,
    library: &'static str,
    pub folder: Folder,
}

impl Published {
    pub fn by(program: &'static str, library: &'static str) -> Self {
        Self { program, library, folder: Folder::new() }
    }

    fn order(&self, what: &str, more: Value) -> Value {
        let settings = json!({ "directory": self.folder.0 });
        let mut order = json!({ "do": what, "library": self.library, "settings": settings });
        order["address"] = self.folder.address().into();
        for (name, value) in more.as_object().expect("an object") {
            order[name] = value.clone();
        }
        order
    }

    fn start(&self) -> Worker {
        let mut worker = Worker::start(self.program);
        let libraries = worker.call(&json!({ "do": "libraries" }));
        assert!(libraries.as_array().expect("a list").contains(&self.library.into()));
        worker
    }

    /// All that one publishes is read by each of several.
    pub fn messages(&self) {
        let (mut publisher, mut subscribers) = (self.start(), vec![self.start(), self.start()]);
        let subscriber_count = json!({ "subscribers": subscribers.len() });
        assert_eq!(publisher.call(&self.order("publish", subscriber_count)), Value::Null);
        for subscriber in &mut subscribers {
            assert_eq!(subscriber.call(&self.order("subscribe", json!({}))), Value::Null);
        }
        for _ in 0..2 {
            publisher.call(&json!({ "do": "publish-all", "size": 64, "count": 3_000 }));
            for subscriber in &mut subscribers {
                let read = subscriber.call(&json!({ "do": "read-all", "count": 3_000 }));
                assert_eq!(read, 3_000);
            }
        }
        subscribers.into_iter().for_each(Worker::stop);
        publisher.stop();
    }

    /// One reads what another writes.
    pub fn newest(&self) {
        let (mut writer, mut reader) = (self.start(), self.start());
        assert_eq!(writer.call(&self.order("write", json!({}))), Value::Null);
        let read = reader.call(&self.order("read-often", json!({ "reads": 1_000 })));
        assert!(check_latency(&read["latency"]) == 10 && read["torn"] == 0);
        let nanos = writer.call(&json!({ "do": "write-for", "ms": 5 }));
        assert!(nanos.as_f64() > Some(0.0));
        reader.stop();
        writer.stop();
    }
}

/// That all figures are there; how many there were.
fn check_latency(latency: &Value) -> u64 {
    let figure = |name: &str| latency[name].as_u64().unwrap_or_else(|| panic!("{name}"));
    let rising = ["p50", "p90", "p99", "p999", "p9999", "max"].map(figure);
    assert!(rising.is_sorted() && rising[0] > 0, "{latency}");
    assert!(latency["mean"].as_f64() > Some(0.0) && latency["stddev"].is_number());
    figure("count")
}

pub struct Folder(pub PathBuf);

impl Folder {
    fn new() -> Self {
        static FOLDERS: AtomicU32 = AtomicU32::new(0);
        // Short, because the names of sockets have to be.
        let number = FOLDERS.fetch_add(1, Ordering::Relaxed);
        let path = std::env::temp_dir().join(format!("rb-{}-{number}", std::process::id()));
        DirBuilder::new().mode(0o700).create(&path).expect("room for a folder");
        Self(path)
    }

    /// Another one for each folder, because not everything is in folders.
    pub fn address(&self) -> String {
        self.0.file_name().expect("it has a name").to_string_lossy().into_owned()
    }

    pub fn assert_empty(&self) {
        let left: Vec<_> = std::fs::read_dir(&self.0).expect("it is there").collect();
        assert!(left.is_empty(), "{left:?} stayed behind");
    }
}

impl Drop for Folder {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.0);
    }
}
