//! The reference in Rust: a Unix socket of tokio's as an expert writes it, both sides on runtimes of
//! one thread. Frames are read into one buffer and gathered into one write a turn; long payloads are
//! written from where they lie. It speaks what `uds` speaks.

use std::fs;
use std::io::{self, IoSlice};
use std::os::unix::net;
use std::thread;

use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt, Interest};
use tokio::net::{UnixListener, UnixStream};
use tokio::runtime::{Builder, Runtime};

use crate::adapter::{Adapter, Channel, Result, Service, Settings, version_in};
use crate::framing::{COPIED_MAX, Frame, GONE, Incoming, Kind, next_id, put_header};
use crate::measured::{Measured, Messages};
use crate::payload::{Reader, Sink};

/// `expert`.
pub const ADAPTER: Adapter = Adapter { name: "expert", serve, connect };

/// Gathered before it is written.
const GATHERED: usize = 64 << 10;

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    let path = settings.file(address, "uds");
    let listener = net::UnixListener::bind(&path)?;
    listener.set_nonblocking(true)?;
    let (runtime, sink) = (runtime()?, sink.clone());
    thread::spawn(move || runtime.block_on(accept(listener, sink)));
    Ok(Service::new(move || Ok(fs::remove_file(path)?)))
}

fn runtime() -> io::Result<Runtime> {
    Builder::new_current_thread().enable_io().build()
}

async fn accept(listener: net::UnixListener, sink: Sink) -> io::Result<()> {
    let listener = UnixListener::from_std(listener)?;
    loop {
        let (stream, _) = listener.accept().await?;
        tokio::spawn(answer(stream, sink.reader()));
    }
}

/// Serves until the other side is gone.
async fn answer(mut stream: UnixStream, mut reader: Reader) -> io::Result<()> {
    let (mut incoming, mut outgoing) = (Incoming::default(), Vec::new());
    loop {
        while let Some(Frame { kind, id, payload }) = incoming.next() {
            if kind == Kind::Request as u32 {
                reader.touch(payload);
                put(&stream, &mut outgoing, Kind::Reply, id, payload).await?;
            } else {
                reader.got(payload);
            }
        }
        stream.write_all(&outgoing).await?;
        outgoing.clear();
        let len = stream.read(incoming.room()).await?;
        if len == 0 {
            return Ok(());
        }
        incoming.came(len);
    }
}

fn connect(address: &str, settings: &Settings) -> Result<Box<dyn Measured>> {
    let runtime = runtime()?;
    let stream = runtime.block_on(UnixStream::connect(settings.file(address, "uds")))?;
    let link = Link { stream, incoming: Incoming::default(), outgoing: Vec::new(), last: 0 };
    Ok(Box::new(TokioChannel { runtime, link }))
}

struct TokioChannel {
    runtime: Runtime,
    link: Link,
}

impl Channel for TokioChannel {
    fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()> {
        self.runtime.block_on(self.link.request(payload, read))
    }

    fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        self.runtime.block_on(self.link.send_all(messages))
    }

    fn pipelined(
        &mut self,
        messages: &mut Messages,
        in_flight: usize,
        read: impl FnMut(&[u8]),
    ) -> Result<()> {
        self.runtime.block_on(self.link.pipelined(messages, in_flight, read))
    }

    fn describe(&self) -> Value {
        let lock = include_str!("../../../../Cargo.lock");
        json!({ "version": version_in(lock, "tokio"), "writes": "gathered" })
    }
}

struct Link {
    stream: UnixStream,
    incoming: Incoming,
    outgoing: Vec<u8>,
    last: u32,
}

impl Link {
    async fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()> {
        self.put(Kind::Request, payload).await?;
        self.flush().await?;
        loop {
            if let Some(frame) = self.incoming.next() {
                if frame.kind != Kind::Reply as u32 || frame.id != self.last {
                    return Err("something else came than the answer".into());
                }
                read(frame.payload);
                return Ok(());
            }
            let len = self.stream.read(self.incoming.room()).await?;
            if len == 0 {
                return Err(GONE.into());
            }
            self.incoming.came(len);
        }
    }

    async fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        while let Some(payload) = messages.next() {
            self.put(Kind::OneWay, payload).await?;
            if self.outgoing.len() >= GATHERED {
                self.flush().await?;
            }
        }
        // Everything before it has been read when this is answered.
        self.request(&[], |_| {}).await
    }

    /// Writes as much as there is room for and reads whatever has come, so that neither side waits
    /// for the other to read first.
    async fn pipelined(
        &mut self,
        messages: &mut Messages,
        in_flight: usize,
        mut read: impl FnMut(&[u8]),
    ) -> Result<()> {
        let (mut open, mut written) = (0, 0);
        loop {
            while open < in_flight
                && self.outgoing.len() < GATHERED
                && let Some(payload) = messages.next()
            {
                // Copied however long: a write that waits would keep answers from being read.
                self.last = next_id(self.last);
                put_header(&mut self.outgoing, Kind::Request, self.last, payload.len());
                self.outgoing.extend_from_slice(payload);
                open += 1;
            }
            if open == 0 {
                return Ok(());
            }
            let writes = written < self.outgoing.len();
            let both = Interest::READABLE | Interest::WRITABLE;
            let ready = self.stream.ready(if writes { both } else { Interest::READABLE }).await?;
            if writes && ready.is_writable() {
                written += would_block(self.stream.try_write(&self.outgoing[written..]))?;
                if written == self.outgoing.len() {
                    self.outgoing.clear();
                    written = 0;
                }
            }
            if ready.is_readable() {
                match self.stream.try_read(self.incoming.room()) {
                    Ok(0) => return Err(GONE.into()),
                    outcome => self.incoming.came(would_block(outcome)?),
                }
                while let Some(frame) = self.incoming.next() {
                    read(frame.payload);
                    open -= 1;
                }
            }
        }
    }

    async fn put(&mut self, kind: Kind, payload: &[u8]) -> io::Result<()> {
        self.last = next_id(self.last);
        put(&self.stream, &mut self.outgoing, kind, self.last, payload).await
    }

    async fn flush(&mut self) -> io::Result<()> {
        self.stream.write_all(&self.outgoing).await?;
        self.outgoing.clear();
        Ok(())
    }
}

/// Gathers a frame, or writes it with all that was gathered before.
async fn put(
    stream: &UnixStream,
    gathered: &mut Vec<u8>,
    kind: Kind,
    id: u32,
    payload: &[u8],
) -> io::Result<()> {
    put_header(gathered, kind, id, payload.len());
    if payload.len() <= COPIED_MAX {
        gathered.extend_from_slice(payload);
        return Ok(());
    }
    let mut slices = [IoSlice::new(gathered), IoSlice::new(payload)];
    let mut left = &mut slices[..];
    while !left.is_empty() {
        stream.writable().await?;
        let written = would_block(stream.try_write_vectored(left))?;
        IoSlice::advance_slices(&mut left, written);
    }
    gathered.clear();
    Ok(())
}

/// Readiness is only a hint: nothing done is no failure.
fn would_block(outcome: io::Result<usize>) -> io::Result<usize> {
    match outcome {
        Err(error) if error.kind() == io::ErrorKind::WouldBlock => Ok(0),
        outcome => outcome,
    }
}
