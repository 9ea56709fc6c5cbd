//! `ipc-channel`: channels of bytes, which nothing is serialized for. A connection has one for
//! requests, one for messages without answers and one for answers, and on the side that serves a
//! thread for each of the first two.
//!
//! A client connects to a one-shot server, which takes one client. The next of them is named in a
//! file in the run's folder; the client that renames that file has it.

use std::fs;
use std::io;
use std::path::Path;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use ipc_channel::ipc::{self, IpcBytesReceiver, IpcBytesSender, IpcOneShotServer, IpcSender};
use ringpost_bench::{
    Adapter, Channel, Measured, Messages, Reader, Result, Service, Settings, Sink,
};
use serde_json::{Value, json};

use crate::version;

pub const ADAPTER: Adapter = Adapter { name: "ipc-channel", serve, connect };

/// What a client brings: its requests, its messages, and the way for answers. Nothing: the server
/// stops itself.
type Connection = Option<(IpcBytesReceiver, IpcBytesReceiver, IpcBytesSender)>;

/// Until a free server is named.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    keep_sockets_in(&settings.directory);
    let path = settings.file(address, "ipc-channel");
    let (mut next, sink) = (announce(&path)?, sink.clone());
    let named = path.clone();
    let serving: JoinHandle<Result<()>> = thread::spawn(move || {
        loop {
            let accepted = next.accept();
            if let Ok((_, None)) = accepted {
                return Ok(());
            }
            next = announce(&named)?;
            // The client may be gone already.
            let Ok((_, Some((requests, messages, answers)))) = accepted else { continue };
            let (reader, also) = (sink.reader(), answers.clone());
            thread::spawn(move || answer(&requests, &answers, &reader));
            let reader = sink.reader();
            thread::spawn(move || drain(&messages, &also, reader));
        }
    });
    Ok(Service::new(move || {
        // It waits for a client, so it is told by one.
        IpcSender::<Connection>::connect(take(&path)?)?.send(None)?;
        serving.join().map_err(|_| "the thread that served panicked")?
    }))
}

/// They are made in the system's temporary folder otherwise, and stay there if the process is
/// killed.
fn keep_sockets_in(folder: &Path) {
    // Fails where it was set before, by another adapter's call with the same folder.
    let _ = tempfile::env::override_temp_dir(folder);
}

/// Makes the next one-shot server and says what it is called.
fn announce(path: &Path) -> Result<IpcOneShotServer<Connection>> {
    let (server, name) = IpcOneShotServer::new()?;
    let written = path.with_extension("new");
    fs::write(&written, name)?;
    fs::rename(written, path)?;
    Ok(server)
}

/// The name of a one-shot server, which no other client will connect to.
fn take(path: &Path) -> io::Result<String> {
    static TAKEN: AtomicU32 = AtomicU32::new(0);
    let number = TAKEN.fetch_add(1, Ordering::Relaxed);
    let mine = path.with_extension(format!("{}-{number}", std::process::id()));
    let end = Instant::now() + CONNECT_TIMEOUT;
    loop {
        match fs::rename(path, &mine) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && Instant::now() < end => {
                thread::yield_now();
            }
            renamed => break renamed?,
        }
    }
    let name = fs::read_to_string(&mine)?;
    fs::remove_file(mine)?;
    Ok(name)
}

/// Until the client is gone.
fn answer(requests: &IpcBytesReceiver, answers: &IpcBytesSender, reader: &Reader) -> Result<()> {
    loop {
        let payload = requests.recv()?;
        reader.touch(&payload);
        answers.send(&payload)?;
    }
}

/// Likewise. An empty message is a question whether all before it have been read.
fn drain(messages: &IpcBytesReceiver, answers: &IpcBytesSender, mut reader: Reader) -> Result<()> {
    loop {
        let payload = messages.recv()?;
        if payload.is_empty() {
            answers.send(&payload)?;
        } else {
            reader.got(&payload);
        }
    }
}

fn connect(address: &str, settings: &Settings) -> Result<Box<dyn Measured>> {
    let (requests, asked) = ipc::bytes_channel()?;
    let (messages, told) = ipc::bytes_channel()?;
    let (answered, answers) = ipc::bytes_channel()?;
    let name = take(&settings.file(address, "ipc-channel"))?;
    IpcSender::<Connection>::connect(name)?.send(Some((asked, told, answered)))?;
    Ok(Box::new(IpcChannel { requests, messages, answers }))
}

struct IpcChannel {
    requests: IpcBytesSender,
    messages: IpcBytesSender,
    answers: IpcBytesReceiver,
}

impl Channel for IpcChannel {
    fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()> {
        self.requests.send(payload)?;
        read(&self.answers.recv()?);
        Ok(())
    }

    fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        if messages.size() == 0 {
            return Err("an empty message means something else here".into());
        }
        while let Some(payload) = messages.next() {
            self.messages.send(payload)?;
        }
        self.messages.send(&[])?;
        self.answers.recv()?;
        Ok(())
    }

    fn describe(&self) -> Value {
        json!({ "version": version("ipc-channel") })
    }
}
