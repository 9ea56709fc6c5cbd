//! Lines for operators: what happens and to which process, and nothing of what people have typed.

use std::io::{Write, stderr};
use std::time::{SystemTime, UNIX_EPOCH};

use serde::Serialize;
use serde_json::{Value, to_string};

/// A line of JSON.
#[derive(Serialize)]
struct Line<'a> {
    /// Milliseconds since 1970.
    time: u128,
    event: &'a str,
    pid: u32,
    #[serde(flatten)]
    more: Value,
}

pub fn line(event: &str, more: Value) {
    let time = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis();
    let line = Line { time, event, pid: std::process::id(), more };
    // What has started this may have ended, and then nothing reads it.
    let _ = to_string(&line).map(|line| writeln!(stderr(), "{line}"));
}
