//! The process by itself: a line is answered, and it exits when its input ends.

use std::io::{BufRead, BufReader, Write};
use std::process::{Command, Stdio};

#[test]
fn a_command_is_answered_and_the_end_of_input_ends_the_process() {
    let mut peer = Command::new(env!("CARGO_BIN_EXE_test-peer"))
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .expect("the test peer starts");
    let mut input = peer.stdin.take().expect("its input");
    let mut output = BufReader::new(peer.stdout.take().expect("its output"));
    writeln!(input, r#"{{"id": 7, "do": {{"counted": {{"what": "nothing"}}}}}}"#).expect("written");
    let mut line = String::new();
    output.read_line(&mut line).expect("an answer");
    let answer: serde_json::Value = serde_json::from_str(&line).expect("JSON");
    assert_eq!(answer, serde_json::json!({ "id": 7, "ok": 0 }));
    drop(input);
    assert!(peer.wait().expect("its status").success());
}
