//! What the editor and the backend share. The editor has the same in `contract.mts`.

use ringpost::Method;
use serde::{Deserialize, Serialize, Serializer};

/// What both understand.
pub const PROTOCOL: u32 = 1;

// ---- what the backend serves ----

pub const GREET: Method<Hello, Welcome> = Method::new("greet");
/// A stream of tokens, whose result is how it has ended.
pub const CHAT: Method<Prompt, Finished> = Method::new("chat");
pub const COMPLETE: Method<Place, Completion> = Method::new("complete");
pub const EMBED: Method<Batch, Embeddings> = Method::new("embed");
pub const USAGE: Method<(), Usage> = Method::new("usage");

#[derive(Deserialize)]
pub struct Hello {
    pub client: String,
    pub protocol: u32,
}

#[derive(Serialize)]
pub struct Welcome {
    pub backend: String,
    pub protocol: u32,
    pub pid: u32,
    pub models: &'static [&'static str],
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Prompt {
    pub messages: Vec<Message>,
    pub model: Option<String>,
    pub seed: Option<u64>,
    pub max_tokens: Option<u64>,
    pub unpaced: Option<bool>,
}

#[derive(Deserialize)]
pub struct Message {
    pub role: Role,
    pub text: String,
}

#[derive(Clone, Copy, Deserialize, PartialEq)]
#[serde(rename_all = "lowercase")]
pub enum Role {
    User,
    Assistant,
}

#[derive(Serialize)]
pub struct Token<'a> {
    pub text: &'a str,
}

#[derive(Debug, PartialEq, Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Finished {
    pub reason: Reason,
    pub tokens: u64,
    pub tool_calls: usize,
}

#[derive(Clone, Copy, Debug, PartialEq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum Reason {
    Stop,
    Length,
}

#[derive(Deserialize)]
pub struct Place {
    pub path: String,
    pub prefix: String,
    pub suffix: String,
}

#[derive(Serialize)]
pub struct Completion {
    pub text: String,
}

#[derive(Deserialize)]
pub struct Batch {
    pub files: Vec<File>,
}

#[derive(Deserialize)]
pub struct File {
    pub text: String,
}

#[derive(Serialize)]
pub struct Embeddings {
    pub dimensions: usize,
    #[serde(serialize_with = "as_bytes")]
    pub vectors: Vec<u8>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Usage {
    pub pid: u32,
    pub backend: String,
    pub uptime_seconds: f64,
    pub editors: usize,
    pub requests: u64,
    pub cancelled: u64,
    pub failed: u64,
    pub tokens: u64,
    pub mean_micros: f64,
    pub requests_per_second: f64,
}

/// A list of numbers would be longer, and a list for the editor too.
fn as_bytes<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_bytes(bytes)
}

// ---- what the editor serves ----

pub const READ_FILE: &str = "workspace.readFile";
pub const APPLY_EDIT: &str = "edit.apply";

#[derive(Serialize)]
pub struct Read<'a> {
    pub path: &'a str,
}

#[derive(Deserialize)]
pub struct Text {
    pub text: String,
}

#[derive(Serialize)]
pub struct Edit<'a> {
    pub path: &'a str,
    pub old: &'a str,
    pub new: &'a str,
}

#[derive(Deserialize)]
pub struct Applied {
    pub applied: bool,
}
