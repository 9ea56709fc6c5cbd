//! Ringpost through its face for threads that wait: raw bytes, and otherwise as anyone would use
//! it. The names are those of `benches/adapters/ringpost.mts`, so either side may be that one.

use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::mpsc::channel;
use std::thread;
use std::time::Duration;

use ringpost::blocking::{Answer, Client, Server, Ticket};
use ringpost::{
    CallOptions, ClientConfig, Item, Options, RemoteError, Reply, Sent, ServerConfig, Transport,
    WaitPolicy,
};
use serde_json::{Value, json};

use crate::adapter::{Adapter, Channel, Result, Service, Settings};
use crate::measured::{Measured, Messages};
use crate::payload::{Sink, stamp};

/// `ringpost`.
pub const ADAPTER: Adapter = Adapter { name: "ringpost", serve, connect };

const ECHO: &str = "echo";
const DROP: &str = "drop";
const FLOW: &str = "flow";
/// How often the server's thread checks whether it has to stop.
const STOP_POLL: Duration = Duration::from_secs(1);

/// How long to wait for a side that does not read.
const DRAIN_TIMEOUT: Duration = Duration::from_secs(10);

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    let mut server = Server::bind(
        address,
        &ServerConfig::from(options(settings)).wait_policy(wait_policy(settings)),
    )?;
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
    let (asking, asked) = channel();
    server.handle(FLOW, move |request, _| {
        let params = serde_json::from_slice(request.payload)
            .map_err(|error| RemoteError::new("ERR_INVALID_PAYLOAD", error.to_string()))?;
        // The thread that takes it is the one this is called by.
        let _ = asking.send((request.ticket(), params));
        Ok(Answer::Later)
    });
    let (stopper, stops) = (server.stopper(), Arc::new(AtomicBool::new(false)));
    let stop = Arc::clone(&stops);
    let serving = thread::spawn(move || {
        while !stop.load(Ordering::Relaxed) {
            server.turn(STOP_POLL)?;
            server.changes();
            while let Ok((ticket, params)) = asked.try_recv() {
                flow(&mut server, &ticket, params);
            }
        }
        Ok::<_, ringpost::Error>(())
    });
    Ok(Service::new(move || {
        stops.store(true, Ordering::Relaxed);
        stopper.stop();
        serving.join().map_err(|_| "the thread that served panicked")??;
        Ok(())
    }))
}

/// Items of a download, for as long as they are wanted.
fn flow(server: &mut Server, ticket: &Ticket, [count, size]: [u64; 2]) {
    let mut payload = vec![0; usize::try_from(size).unwrap_or(usize::MAX)];
    let served = server.take_stream(ticket).and_then(|mut items| {
        for number in 0..count {
            stamp(&mut payload, number);
            items.send(&payload)?;
        }
        Ok(Reply::default())
    });
    // The reader may be gone by now.
    let _ = server.answer(ticket, served.as_ref());
}

fn connect(address: &str, settings: &Settings) -> Result<Box<dyn Measured>> {
    let client = Client::connect(
        address,
        &ClientConfig::from(options(settings)).wait_policy(wait_policy(settings)),
    )?;
    Ok(Box::new(RingpostChannel { client, answer: Vec::new() }))
}

fn options(settings: &Settings) -> Options {
    let transport = settings.transport.as_deref().and_then(Transport::from_name);
    Options { directory: Some(settings.directory.clone()), transport, ..Options::default() }
}

fn wait_policy(settings: &Settings) -> WaitPolicy {
    if settings.spin { WaitPolicy::DEFAULT } else { WaitPolicy::NONE }
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

    fn download(&mut self, count: u64, size: usize, mut read: impl FnMut(&[u8])) -> Result<()> {
        let params = json!([count, size]).to_string();
        let mut items = self.client.stream(FLOW, params.as_bytes(), &CallOptions::default())?;
        let mut item = Item::default();
        while items.next_into(&mut item)? {
            read(&item.payload);
        }
        items.reply()?;
        Ok(())
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
