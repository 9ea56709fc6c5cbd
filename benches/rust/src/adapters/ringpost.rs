//! Ringpost through its face for threads that wait: raw bytes, and otherwise as anyone would use
//! it. The names are those of `benches/adapters/ringpost.mts`, so either side may be that one.

use std::thread;
use std::time::Duration;

use ipc_core::blocking::{Answer, Client, Server};
use ipc_core::{CallOptions, FaceOptions, Options, Patience, Sent};
use serde_json::{Value, json};

use crate::adapter::{Adapter, Channel, Result, Service, Settings};
use crate::measured::{Measured, Messages};
use crate::payload::Sink;

/// `ringpost`.
pub const ADAPTER: Adapter = Adapter { name: "ringpost", serve, connect };

const ECHO: &str = "echo";
const DROP: &str = "drop";

/// How long to wait for a side that does not read.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    let mut server = Server::bind(address, &options(settings), face(settings))?;
    // The handlers are called by one thread, each with a reader of its own.
    let (asked, mut told) = (sink.reader(), sink.reader());
    server.handle(ECHO, move |request, reply| {
        asked.touch(request.payload);
        reply.payload.extend_from_slice(request.payload);
        Ok(Answer::Now)
    });
    server.handle(DROP, move |request, _| {
        told.got(request.payload);
        Ok(Answer::Now)
    });
    let stopper = server.stopper();
    let serving = thread::spawn(move || server.run());
    Ok(Service::new(move || {
        stopper.stop();
        serving.join().map_err(|_| "the thread that served panicked")??;
        Ok(())
    }))
}

fn connect(address: &str, settings: &Settings) -> Result<Box<dyn Measured>> {
    let client = Client::connect(address, &options(settings), face(settings))?;
    Ok(Box::new(RingpostChannel { client, answer: Vec::new() }))
}

fn options(settings: &Settings) -> Options {
    Options { directory: Some(settings.directory.clone()), ..Options::default() }
}

fn face(settings: &Settings) -> FaceOptions {
    let patience = if settings.look { Patience::DEFAULT } else { Patience::NONE };
    FaceOptions { patience, ..FaceOptions::default() }
}

struct RingpostChannel {
    client: Client,
    answer: Vec<u8>,
}

impl Channel for RingpostChannel {
    #[inline]
    fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()> {
        let Self { client, answer } = self;
        client.request_into(ECHO, payload, &CallOptions::default(), answer)?;
        read(answer);
        Ok(())
    }

    fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        let mut batch = self.client.batch(DROP, &CallOptions::default())?;
        while let Some(payload) = messages.next() {
            if batch.notify(payload)? == Sent::Queued {
                batch.drain(DRAIN_TIMEOUT)?;
            }
        }
        drop(batch);
        // Everything before it has been read when this is answered.
        self.request(&[], |_| {})
    }

    fn describe(&self) -> Value {
        let peer = self.client.peer();
        let [critical, high, normal, low, control] = peer.agreement.geometry.rings;
        json!({
            "version": env!("CARGO_PKG_VERSION"),
            "transport": peer.transport.name(),
            "crc": (["off", "header", "full"][peer.agreement.crc as usize]),
            "rings": {
                "critical": critical, "high": high, "normal": normal, "low": low,
                "control": control,
            },
        })
    }

    fn close(self) -> Result<()> {
        Ok(self.client.close()?)
    }
}
