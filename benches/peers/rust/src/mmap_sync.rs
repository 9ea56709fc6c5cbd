//! `mmap-sync`: one value in two files, of which readers look at the newer one where it lies, with
//! nothing copied and nothing checked. Its writer waits for readers of the older one, and sleeps
//! meanwhile: far shorter here than the second it takes by itself, as readers never pause.

use std::time::Duration;

use mmap_sync::locks::LockDisabled;
use mmap_sync::synchronizer::Synchronizer;
use ringpost_bench::published::{FRAME_LEN, Library, Publishing, Reading, Subscribing, Writing};
use ringpost_bench::{Result, Settings};
use wyhash::WyHash;

pub const LIBRARY: Library = Library { name: "mmap-sync", publish, subscribe, write, read };

/// Bytes of its memory for what is no fixed size, as it has by itself.
const SCRATCH_LEN: usize = 1024;
/// Between two looks at whether there are readers, in nanoseconds.
const SLEEP_NS: u64 = 1_000;
/// How long a writer waits for readers before it overwrites what they read.
const GRACE: Duration = Duration::from_secs(1);

type Value = [u8; FRAME_LEN];
type Newest = Synchronizer<WyHash, LockDisabled, SCRATCH_LEN, SLEEP_NS>;

fn publish(_: &str, _: &Settings, _: usize) -> Result<Publishing> {
    Err("mmap-sync has no messages".into())
}

fn subscribe(_: &str, _: &Settings) -> Result<Subscribing> {
    Err("mmap-sync has no messages".into())
}

fn write(address: &str, settings: &Settings) -> Result<Writing> {
    let mut newest = Newest::with_params(settings.file(address, "mmap-sync").as_os_str());
    Ok(Box::new(move |value| {
        newest.write(value, GRACE)?;
        Ok(())
    }))
}

#[allow(unsafe_code, reason = "it maps files that it trusts")]
fn read(address: &str, settings: &Settings) -> Result<Reading> {
    let mut newest = Newest::with_params(settings.file(address, "mmap-sync").as_os_str());
    Ok(Box::new(move |show| {
        // SAFETY: `write` above has written the files, as a value of this type, and any bytes are
        // one.
        let value = unsafe { newest.read::<Value>(false)? };
        show(&*value);
        Ok(())
    }))
}
