//! The program as it is started and ended.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

/// A place for one test, which is gone after it.
struct Place(PathBuf);

impl Place {
    fn new(test: &str) -> Self {
        let path = std::env::temp_dir().join(format!("perception-{test}-{}", std::process::id()));
        Self(path)
    }

    fn producer(&self, arguments: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_perception-producer"));
        command.args(arguments).env("RINGPOST_DIR", &self.0);
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        command
    }

    fn files(&self) -> usize {
        fs::read_dir(&self.0).map_or(0, Iterator::count)
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}

/// Starts one, and waits until it has said that it runs.
fn running(place: &Place, arguments: &[&str]) -> (Child, BufReader<impl Read + use<>>) {
    let mut child = place.producer(arguments).spawn().unwrap();
    let mut output = BufReader::new(child.stdout.take().unwrap());
    let mut line = String::new();
    output.read_line(&mut line).unwrap();
    assert!(line.contains("publishes detections, tracks and timelines"), "{line}");
    (child, output)
}

fn text(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

fn end(child: &Child, signal: &str) {
    let kill = Command::new("kill").args([signal, &child.id().to_string()]).status();
    assert!(kill.unwrap().success());
}

fn wait_for(path: &Path) -> String {
    // It is written as soon as the producer runs; the machine may be busy.
    for _ in 0..3_000 {
        if let Ok(text) = fs::read_to_string(path) {
            return text;
        }
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    panic!("there is no {}", path.display());
}

#[test]
fn a_signal_ends_it_and_nothing_is_left() {
    for signal in ["-TERM", "-INT"] {
        let place = Place::new(&format!("end{signal}"));
        let statistics = place.0.join("statistics.json");
        let (mut child, mut output) =
            running(&place, &["--statistics", statistics.to_str().unwrap()]);
        let seen: serde_json::Value = serde_json::from_str(&wait_for(&statistics)).unwrap();
        assert_eq!((&seen["pid"], &seen["objects"]), (&child.id().into(), &24.into()));
        assert!(place.files() > 3);
        end(&child, signal);
        assert!(child.wait().unwrap().success());
        let mut rest = String::new();
        output.read_to_string(&mut rest).unwrap();
        assert_eq!(rest, "producer: has ended\n");
        assert_eq!(place.files(), 0);
    }
}

#[test]
fn an_attached_one_ends_with_what_has_started_it() {
    let place = Place::new("attached");
    let mut command = place.producer(&["--attached"]);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    drop(child.stdin.take());
    assert!(child.wait().unwrap().success());
    assert_eq!(place.files(), 0);
}

#[test]
fn a_second_one_of_a_name_says_why_it_does_not_run() {
    let place = Place::new("second");
    let (mut first, _output) = running(&place, &["--name", "one"]);
    let second = place.producer(&["--name", "one"]).output().unwrap();
    assert!(!second.status.success());
    assert_eq!(text(&second), "producer: a producer named \"one\" is running already\n");
    let (mut other, _output) = running(&place, &["--name", "two"]);
    for child in [&mut first, &mut other] {
        end(child, "-TERM");
        assert!(child.wait().unwrap().success());
    }
}

#[test]
fn arguments_that_it_does_not_know_are_named() {
    let place = Place::new("arguments");
    for (arguments, message) in [
        (&["--nam", "one"][..], "there is no option --nam"),
        (&["--name"], "--name needs a value"),
        (&["--seed", "one"], "--seed needs a number"),
    ] {
        let output = place.producer(arguments).output().unwrap();
        assert!(!output.status.success());
        assert!(text(&output).contains(message), "{}", text(&output));
    }
}
