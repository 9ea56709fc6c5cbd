//! The interface of every transport under measurement: an echo for requests, a sink
//! for one-way messages, and nothing else, so that no one is measured with more comfort than
//! another.

use std::error::Error;
use std::path::PathBuf;

use serde::Deserialize;
use serde_json::Value;

use crate::measured::{Measured, Messages};
use crate::payload::Sink;

/// Whatever goes wrong is for the runner to read.
pub type Result<T> = std::result::Result<T, Box<dyn Error + Send + Sync>>;

/// One transport.
#[derive(Clone, Copy)]
pub struct Adapter {
    /// What the runner calls it.
    pub name: &'static str,
    /// Serves at an address in threads of its own: answers each request with its payload, after a
    /// [`Reader`](crate::Reader) of the sink has touched it, and hands one-way messages to the
    /// reader.
    pub serve: fn(address: &str, sink: &Sink, settings: &Settings) -> Result<Service>,
    /// Connects to an address: a [`Channel`], boxed.
    pub connect: fn(address: &str, settings: &Settings) -> Result<Box<dyn Measured>>,
}

/// The side that asks. The worker's loops are compiled for each transport, so nothing stands
/// between them and these calls.
pub trait Channel {
    /// Sends a payload and shows `read` what comes back, where it lies.
    fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()>;

    /// Sends one-way messages until there are no more, and returns when the other side has read the
    /// last. None may be lost.
    fn send_all(&mut self, messages: &mut Messages) -> Result<()>;

    /// Asks with each of the messages, so many in flight all the time, and shows `read` the answers
    /// in the order of their requests.
    fn pipelined(
        &mut self,
        messages: &mut Messages,
        in_flight: usize,
        read: impl FnMut(&[u8]),
    ) -> Result<()> {
        let _ = (messages, in_flight, read);
        Err("this transport asks one at a time".into())
    }

    /// Has the other side send so many items of so many bytes, numbered from 0, and shows them to
    /// `read`. Only where there are streams.
    fn download(&mut self, count: u64, size: usize, read: impl FnMut(&[u8])) -> Result<()> {
        let _ = (count, size, read);
        Err("this transport has no streams".into())
    }

    /// What a report should say of it: an object, with a `version`.
    fn describe(&self) -> Value;

    /// Ends the connection in good order.
    fn close(self) -> Result<()>
    where
        Self: Sized,
    {
        Ok(())
    }
}

/// The side that serves, as long as the process is there.
pub struct Service(Box<dyn FnOnce() -> Result<()>>);

impl Service {
    /// `close` leaves nothing behind outside of the process.
    pub fn new(close: impl FnOnce() -> Result<()> + 'static) -> Self {
        Self(Box::new(close))
    }

    pub(crate) fn close(self) -> Result<()> {
        (self.0)()
    }
}

/// What a run sets; each adapter takes what concerns it.
#[derive(Clone, Debug, Deserialize)]
pub struct Settings {
    /// A folder of the run's own, for sockets and the like.
    pub directory: PathBuf,
    /// Whether to spin before going to sleep, where there is a choice.
    #[serde(default = "yes")]
    pub spin: bool,
    /// The transport of ours, by its name; else the best there is.
    pub transport: Option<String>,
}

impl Settings {
    /// A file in the run's folder.
    pub fn file(&self, address: &str, kind: &str) -> PathBuf {
        self.directory.join(format!("{address}.{kind}"))
    }
}

fn yes() -> bool {
    true
}

/// The version of a package in the text of a `Cargo.lock`, which is the one that was built in.
pub fn version_in<'a>(lock: &'a str, package: &str) -> &'a str {
    let entry = format!("name = \"{package}\"\nversion = \"");
    let version = lock.split_once(&entry).and_then(|(_, rest)| rest.split_once('"'));
    version.map_or("unknown", |(version, _)| version)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_come_from_the_lock_file() {
        let lock = "[[package]]\nname = \"a\"\nversion = \"1.2.3\"\n\n\
            [[package]]\nname = \"b\"\nversion = \"4.5.6\"\n";
        assert_eq!(version_in(lock, "b"), "4.5.6");
        assert_eq!(version_in(lock, "c"), "unknown");
    }
}
