//! A writer in C that knows PROTOCOL.md alone.

use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};

use ringpost::Code;
use ringpost::published::{FrameConfig, FrameStatus, StateFrameWriter};

use super::two_processes::WAIT_POLICY as PATIENCE;
use super::{Place, meeting, reader, writer};

/// Such a process. It does not outlive its test.
struct InC {
    child: Child,
    input: ChildStdin,
    output: BufReader<ChildStdout>,
}

impl InC {
    fn start(program: &Path, place: &Place, capacity: usize) -> Self {
        let mut command = Command::new(program);
        let directory = place.directory.as_ref().unwrap();
        command.arg(directory).args(["demo", &capacity.to_string()]);
        let piped = command.stdin(Stdio::piped()).stdout(Stdio::piped());
        let mut child = piped.spawn().unwrap();
        let (input, output) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        Self { child, input, output: BufReader::new(output) }
    }

    /// What it answers to a value.
    fn write(&mut self, value: &str) -> String {
        writeln!(self.input, "{value}").unwrap();
        self.answer()
    }

    fn answer(&mut self) -> String {
        let mut answer = String::new();
        self.output.read_line(&mut answer).unwrap();
        answer.trim_end().into()
    }
}

impl Drop for InC {
    fn drop(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }
}

/// Compiles it.
fn program(directory: &Path) -> PathBuf {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/published/frame.c");
    let program = directory.join("frame");
    let mut compiler = Command::new("cc");
    compiler.args(["-std=c11", "-O2", "-Wall", "-Wextra", "-Werror", "-o"]);
    let status = compiler.arg(&program).arg(source).status().expect("a C compiler");
    assert!(status.success());
    program
}

#[test]
fn a_frame_of_a_writer_in_c_is_read_waited_for_and_taken_over() {
    let (_meeting, place) = meeting();
    // The directory is made by a writer of Rust, whose file goes.
    writer("other", &place).remove();
    let program = program(place.directory.as_ref().unwrap());
    let mut frames = reader("demo", &place);
    let mut in_c = InC::start(&program, &place, 100);
    assert_eq!(in_c.write("one"), "1");
    let mut next = || {
        let found = frames.wait_for_change(PATIENCE).unwrap().expect("a change");
        (found.number, found.status, String::from_utf8(found.bytes.into()).unwrap())
    };
    assert_eq!(next(), (1, FrameStatus::Fresh, "one".into()));
    for number in 2..200 {
        let value = "x".repeat(number % 101);
        assert_eq!(in_c.write(&value), number.to_string());
        assert_eq!(next(), (u64::try_from(number).unwrap(), FrameStatus::Fresh, value));
    }
    let config = FrameConfig::new().place(place.clone());
    let refused = StateFrameWriter::create("demo", &config).unwrap_err();
    assert_eq!(refused.code(), Code::NameInUse);
    drop(in_c);
    assert_eq!(next().1, FrameStatus::Stale, "it was killed");

    // Numbers go on from one language to the other and back.
    let mut in_rust = writer("demo", &place);
    assert_eq!(in_rust.write(b"in Rust").unwrap(), 200);
    assert_eq!(next(), (200, FrameStatus::Fresh, "in Rust".into()));
    assert_eq!(InC::start(&program, &place, 1000).answer(), "in use");
    drop(in_rust);
    let mut in_c = InC::start(&program, &place, 1000);
    assert_eq!(in_c.write("in C"), "201");
    let found = loop {
        match next() {
            (200, FrameStatus::Stale, _) => {}
            found => break found,
        }
    };
    assert_eq!(found, (201, FrameStatus::Fresh, "in C".into()));
    assert_eq!(frames.head().unwrap().generation, 3);
    assert_eq!(frames.stats().corrupt, 0);

    // And is told when its name is taken.
    let mut in_rust = StateFrameWriter::create("demo", &config.take_over(true)).unwrap();
    assert_eq!(in_c.write("too late"), "superseded");
    assert_eq!(in_rust.write(b"the last").unwrap(), 202);
}
