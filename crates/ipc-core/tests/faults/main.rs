//! What a connection survives: system calls that fail, and peers that die or write nonsense.

mod bells;
mod calls;
mod census;
mod engines;
mod files;
mod handover;
mod malicious_peer;
mod many_clients;
mod peers;
mod published;
mod stream;
mod truncated;

use std::fs;
use std::path::PathBuf;
use std::sync::{Mutex, MutexGuard, PoisonError};

use ipc_core::{Geometry, Options, Transport};

/// One test at a time: they count what the process holds.
fn alone() -> MutexGuard<'static, ()> {
    static TURN: Mutex<()> = Mutex::new(());
    TURN.lock().unwrap_or_else(PoisonError::into_inner)
}

/// Ring capacities no other process is likely to have, so that a segment that is left behind shows
/// by its size whose it is.
fn geometry() -> Geometry {
    let choice = std::process::id();
    Geometry { rings: std::array::from_fn(|ring| 4096 << (choice >> (3 * ring) & 7)) }
}

/// A directory to meet in that goes with the test.
struct Meeting(PathBuf);

impl Meeting {
    fn new(name: &str) -> Self {
        let process = std::process::id();
        let path = std::env::temp_dir().join(format!("ringpost-faults-{name}-{process}"));
        let _ = fs::remove_dir_all(&path);
        Self(path)
    }

    fn options(&self, transport: Transport) -> Options {
        let (directory, rings) = (Some(self.0.clone()), geometry().rings);
        Options { directory, transport: Some(transport), rings, ..Options::default() }
    }
}

impl Drop for Meeting {
    fn drop(&mut self) {
        let _ = fs::remove_dir_all(&self.0);
    }
}
