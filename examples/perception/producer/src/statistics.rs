//! A file that a person can read at any time, and that is always whole: it is written beside and
//! then takes the place of the last one.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Statistics {
    pub pid: u32,
    /// Milliseconds since 1970.
    pub timestamp: f64,
    pub uptime_seconds: f64,
    /// Of the last second.
    pub frames_per_second: f64,
    pub frames: u64,
    /// Times at which a frame was due, and the one before was not done.
    pub frames_missed: u64,
    pub objects: usize,
    pub active_timelines: usize,
    pub neighbours: usize,
    pub commands: Commands,
}

#[derive(Serialize, Clone, Copy, Default)]
pub struct Commands {
    pub accepted: u64,
    pub refused: u64,
}

pub struct StatisticsFile {
    path: PathBuf,
    beside: PathBuf,
}

impl StatisticsFile {
    pub fn new(path: &Path) -> Self {
        let mut beside = path.as_os_str().to_owned();
        beside.push(".next");
        Self { path: path.into(), beside: beside.into() }
    }

    pub fn replace(&self, statistics: &Statistics) -> io::Result<()> {
        let mut text = serde_json::to_string_pretty(statistics)?;
        text.push('\n');
        self.open()?.write_all(text.as_bytes())?;
        fs::rename(&self.beside, &self.path)
    }

    /// Only for this user, as everything else.
    fn open(&self) -> io::Result<File> {
        OpenOptions::new().write(true).create(true).truncate(true).mode(0o600).open(&self.beside)
    }

    pub fn remove(&self) {
        // What is not there any more need not be removed.
        let _ = fs::remove_file(&self.path);
    }
}
