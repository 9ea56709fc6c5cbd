//! A plain Unix socket of the standard library's, with a thread for each connection.

use std::fs;
use std::os::unix::net::{UnixListener, UnixStream};
use std::thread;

use serde_json::json;

use super::system_version;
use crate::adapter::{Adapter, Result, Service, Settings};
use crate::framing::{Framed, FramedChannel};
use crate::measured::Measured;
use crate::payload::Sink;

/// `uds`.
pub const ADAPTER: Adapter = Adapter { name: "uds", serve, connect };

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    let path = settings.file(address, "uds");
    let listener = UnixListener::bind(&path)?;
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
    let stream = UnixStream::connect(settings.file(address, "uds"))?;
    let description = json!({ "version": system_version() });
    Ok(Box::new(FramedChannel::new(stream, false, description)))
}
