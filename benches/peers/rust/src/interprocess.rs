//! `interprocess`: its local sockets, which are Unix sockets here. Each connection has a thread,
//! frames are those of `uds`, and messages without answers are gathered into long writes.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::thread;

use interprocess::local_socket::prelude::*;
use interprocess::local_socket::{GenericFilePath, ListenerOptions, Name};
use ringpost_bench::framing::{Framed, FramedChannel};
use ringpost_bench::{Adapter, Measured, Result, Service, Settings, Sink};
use serde_json::json;

use crate::version;

pub const ADAPTER: Adapter = Adapter { name: "interprocess", serve, connect };

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    let path = path(address, settings);
    let listener = ListenerOptions::new().name(name(&path)?).create_sync()?;
    let sink = sink.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let reader = sink.reader();
            // How a connection ends is for the side that asks to say.
            thread::spawn(move || Framed::new(stream).serve(reader));
        }
    });
    Ok(Service::new(move || Ok(fs::remove_file(path)?)))
}

fn connect(address: &str, settings: &Settings) -> Result<Box<dyn Measured>> {
    let path = path(address, settings);
    let stream = LocalSocketStream::connect(name(&path)?)?;
    let description = json!({ "version": version("interprocess"), "writes": "gathered" });
    Ok(Box::new(FramedChannel::new(stream, true, description)))
}

fn path(address: &str, settings: &Settings) -> PathBuf {
    settings.file(address, "interprocess")
}

fn name(path: &Path) -> io::Result<Name<'_>> {
    path.as_os_str().to_fs_name::<GenericFilePath>()
}
