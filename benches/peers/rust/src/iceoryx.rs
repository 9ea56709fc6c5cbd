//! `iceoryx2` the way it is fastest, which is that of its own benchmark: publish-subscribe with a
//! service each way, messages written into loaned memory and read where they lie, the next loan
//! taken while no message waits for it, and both sides polling without ever sleeping. Its
//! request-response takes twice as long, and its events go through sockets.
//!
//! One-way messages take the way of the requests, so an answer means that those before it have been
//! read. Nothing is lost: what finds a full queue is tried again.

use std::fs;
use std::mem::MaybeUninit;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::mpsc;
use std::thread;
use std::time::{Duration, Instant};

use iceoryx2::config::Config;
use iceoryx2::port::publisher::Publisher;
use iceoryx2::port::server::Server;
use iceoryx2::port::subscriber::Subscriber;
use iceoryx2::prelude::{
    AllocationStrategy, BackpressureStrategy, FileName, LogLevel, NodeBuilder, SemanticString,
    SignalHandlingMode, ipc, set_log_level,
};
use iceoryx2::sample::Sample;
use iceoryx2::sample_mut_uninit::SampleMutUninit;
use iceoryx2::service::port_factory::publish_subscribe::PortFactory;
use iceoryx2::service::port_factory::request_response;
use ringpost_bench::{
    Adapter, Channel, Measured, Messages, Reader, Result, Service, Settings, Sink,
};
use serde_json::{Value, json};

use crate::version;

pub const ADAPTER: Adapter = Adapter { name: "iceoryx2", serve, connect };

/// Messages a side may be behind. More make no difference to how much gets across, and round trips
/// slower, because their memory is used in turn.
const DEPTH: usize = 2;
/// A message says what it is in its header.
type Kind = u64;
const REQUEST: Kind = 0;
const ONE_WAY: Kind = 1;
const GOODBYE: Kind = 2;

/// Polls without news after which a server checks for new clients, and after which either side
/// yields its core. While messages arrive, the count stays below it.
const POLLS: u32 = 1 << 12;
const CONNECT_TIMEOUT: Duration = Duration::from_secs(5);

pub type Node = iceoryx2::node::Node<ipc::Service>;
type Port = PortFactory<ipc::Service, [u8], Kind>;
/// Where clients say who they are.
type Door = request_response::PortFactory<ipc::Service, u64, (), u64, ()>;

// ---- names ----

/// Where everything of one server is.
#[derive(Clone)]
pub struct Place {
    pub address: String,
    folder: PathBuf,
    config: Config,
}

impl Place {
    pub fn new(address: &str, settings: &Settings) -> Result<Self> {
        set_log_level(LogLevel::Error);
        let folder = settings.file(address, "iceoryx2");
        let mut config = Config::default();
        let root = iceoryx2::prelude::Path::new(folder.as_os_str().as_bytes());
        config.global.set_root_path(&root.map_err(debugged)?);
        config.global.prefix = FileName::new(prefix(address).as_bytes()).map_err(debugged)?;
        Ok(Self { address: address.to_owned(), folder, config })
    }

    pub fn node(&self) -> Result<Node> {
        let builder = NodeBuilder::new().signal_handling_mode(SignalHandlingMode::Disabled);
        Ok(builder.config(&self.config).create()?)
    }

    fn door(&self, node: &Node) -> Result<Door> {
        let name = format!("{}/door", self.address);
        let door = node.service_builder(&name.as_str().try_into()?).request_response::<u64, u64>();
        Ok(door.max_clients(8).max_servers(1).max_nodes(8).open_or_create()?)
    }

    /// A service of one connection; `way` is `forth` or `back`.
    fn port(&self, node: &Node, client: u64, way: &str) -> Result<Port> {
        let name = format!("{}/{client}/{way}", self.address);
        let service = node.service_builder(&name.as_str().try_into()?).publish_subscribe::<[u8]>();
        let service =
            service.user_header::<Kind>().max_publishers(1).max_subscribers(1).max_nodes(2);
        let service = service.subscriber_max_buffer_size(DEPTH).subscriber_max_borrowed_samples(1);
        Ok(service.history_size(0).enable_safe_overflow(false).open_or_create()?)
    }

    /// The library leaves its folders, and a segment that all processes share.
    pub fn clean(&self) -> Result<()> {
        fs::remove_dir_all(&self.folder)?;
        let prefix = prefix(&self.address);
        for file in fs::read_dir(Path::new("/dev/shm"))?.flatten() {
            if file.file_name().as_bytes().starts_with(prefix.as_bytes()) {
                fs::remove_file(file.path())?;
            }
        }
        Ok(())
    }
}

/// Of all files in the shared memory of the system.
fn prefix(address: &str) -> String {
    format!("iox2_{address}_")
}

/// Some errors there are no errors to the standard library.
fn debugged(error: impl std::fmt::Debug) -> String {
    format!("{error:?}")
}

// ---- messages ----

/// Sends one way. The memory is made for a class of lengths: slots far longer than what is in them
/// would be spread over many pages.
struct Outlet {
    port: Port,
    publisher: Option<Publisher<ipc::Service, [u8], Kind>>,
    /// The longest it is made for.
    class: usize,
    /// For the next message, if it is as long as the last.
    loan: Option<SampleMutUninit<ipc::Service, [MaybeUninit<u8>], Kind>>,
}

impl Outlet {
    fn new(port: Port) -> Self {
        Self { port, publisher: None, class: 0, loan: None }
    }

    #[inline]
    fn send(&mut self, kind: Kind, payload: &[u8]) -> Result<()> {
        let mut loan = match self.loan.take() {
            Some(loan) if loan.payload().len() == payload.len() => loan,
            _ => self.loan(payload.len())?,
        };
        *loan.user_header_mut() = kind;
        match loan.write_from_slice(payload).send()? {
            1 => Ok(()),
            _ => Err("no server was there to take a message".into()),
        }
    }

    /// Takes the memory for the next message, while no message waits for it.
    #[inline]
    fn prepare(&mut self, len: usize) -> Result<()> {
        if self.loan.is_none() {
            self.loan = Some(self.loan(len)?);
        }
        Ok(())
    }

    #[inline]
    fn loan(
        &mut self,
        len: usize,
    ) -> Result<SampleMutUninit<ipc::Service, [MaybeUninit<u8>], Kind>> {
        let class = len.next_power_of_two().max(64);
        if class != self.class {
            self.remake(class)?;
        }
        let publisher = self.publisher.as_ref().expect("made for its class");
        Ok(publisher.loan_slice_uninit(len)?)
    }

    /// Only while the other side has read everything.
    #[cold]
    fn remake(&mut self, class: usize) -> Result<()> {
        self.publisher = None;
        let publisher = self.port.publisher_builder();
        let publisher = publisher.initial_max_slice_len(class);
        let publisher = publisher.allocation_strategy(AllocationStrategy::Static);
        let publisher = publisher.backpressure_strategy(BackpressureStrategy::RetryUntilDelivered);
        self.publisher = Some(publisher.create()?);
        self.class = class;
        Ok(())
    }
}

type Inlet = Subscriber<ipc::Service, [u8], Kind>;

/// The next message, however long that takes.
#[inline]
fn await_message(inlet: &Inlet) -> Result<Sample<ipc::Service, [u8], Kind>> {
    let mut polls = 0;
    loop {
        if let Some(sample) = inlet.receive()? {
            return Ok(sample);
        }
        polls += 1;
        if polls == POLLS {
            polls = 0;
            thread::yield_now();
        }
    }
}

// ---- the side that serves ----

fn serve(address: &str, sink: &Sink, settings: &Settings) -> Result<Service> {
    let place = Place::new(address, settings)?;
    let (said, heard) = mpsc::channel();
    let stopped = Arc::<AtomicBool>::default();
    let (stop, reader, at) = (Arc::clone(&stopped), sink.reader(), place.clone());
    // Its ports belong to the thread that made them.
    let serving = thread::spawn(move || match Serving::new(at, reader) {
        Ok(mut serving) => {
            let _ = said.send(Ok(()));
            while !stopped.load(Ordering::Relaxed) {
                serving.turn()?;
            }
            Ok(())
        }
        Err(error) => {
            let _ = said.send(Err(error));
            Ok(())
        }
    });
    heard.recv()??;
    Ok(Service::new(move || {
        stop.store(true, Ordering::Relaxed);
        let outcome: Result<()> = serving.join().map_err(|_| "the thread that served panicked")?;
        place.clean()?;
        outcome
    }))
}

struct Serving {
    clients: Vec<Peer>,
    door: Server<ipc::Service, u64, (), u64, ()>,
    place: Place,
    reader: Reader,
    // Dropped last, as what belongs to it needs it.
    node: Node,
}

struct Peer {
    inlet: Inlet,
    outlet: Outlet,
}

impl Serving {
    fn new(place: Place, reader: Reader) -> Result<Self> {
        let node = place.node()?;
        let door = place.door(&node)?.server_builder().create()?;
        Ok(Self { clients: Vec::new(), door, place, reader, node })
    }

    /// Serves until there has been nothing to do for some time, and then checks for new clients.
    fn turn(&mut self) -> Result<()> {
        let mut polls = 0;
        while polls < POLLS {
            polls += 1;
            let mut gone = None;
            for (index, client) in self.clients.iter_mut().enumerate() {
                let Some(sample) = client.inlet.receive()? else { continue };
                polls = 0;
                let payload = sample.payload();
                match *sample.user_header() {
                    REQUEST => {
                        self.reader.touch(payload);
                        client.outlet.send(REQUEST, payload)?;
                        let len = payload.len();
                        drop(sample);
                        client.outlet.prepare(len)?;
                    }
                    ONE_WAY => self.reader.got(payload),
                    _ => gone = Some(index),
                }
            }
            if let Some(gone) = gone {
                self.clients.swap_remove(gone);
            }
        }
        if let Some(request) = self.door.receive()? {
            let client = *request.payload();
            let forth = self.place.port(&self.node, client, "forth")?;
            let inlet = forth.subscriber_builder().create()?;
            let outlet = Outlet::new(self.place.port(&self.node, client, "back")?);
            self.clients.push(Peer { inlet, outlet });
            request.send_copy(client)?;
        }
        thread::yield_now();
        Ok(())
    }
}

// ---- the side that asks ----

fn connect(address: &str, settings: &Settings) -> Result<Box<dyn Measured>> {
    static CLIENTS: AtomicU32 = AtomicU32::new(0);
    let place = Place::new(address, settings)?;
    let number = CLIENTS.fetch_add(1, Ordering::Relaxed);
    let client = u64::from(std::process::id()) << 32 | u64::from(number);
    let node = place.node()?;
    let back = place.port(&node, client, "back")?;
    let inlet = back.subscriber_builder().create()?;
    let outlet = Outlet::new(place.port(&node, client, "forth")?);
    let door = place.door(&node)?.client_builder().create()?;
    let welcome = door.send_copy(client)?;
    let end = Instant::now() + CONNECT_TIMEOUT;
    while welcome.receive()?.is_none() {
        if Instant::now() > end {
            return Err("no server opens the service".into());
        }
        thread::yield_now();
    }
    drop(welcome);
    Ok(Box::new(IceoryxChannel { inlet, outlet, _node: node }))
}

struct IceoryxChannel {
    inlet: Inlet,
    outlet: Outlet,
    // Dropped last, as what belongs to it needs it.
    _node: Node,
}

impl Channel for IceoryxChannel {
    #[inline]
    fn request(&mut self, payload: &[u8], read: impl FnOnce(&[u8])) -> Result<()> {
        self.outlet.send(REQUEST, payload)?;
        let answer = await_message(&self.inlet)?;
        read(answer.payload());
        drop(answer);
        self.outlet.prepare(payload.len())
    }

    fn send_all(&mut self, messages: &mut Messages) -> Result<()> {
        let payload = vec![0; messages.size()];
        // Memory that was only just made is known to the other side when it has answered; before,
        // it could miss messages.
        self.request(&payload, |_| {})?;
        while let Some(payload) = messages.next() {
            self.outlet.send(ONE_WAY, payload)?;
        }
        // Everything before it has been read when this is answered.
        self.request(&payload, |_| {})
    }

    fn describe(&self) -> Value {
        json!({ "version": version("iceoryx2"), "waiting": "polls without sleeping" })
    }

    fn close(mut self) -> Result<()> {
        self.outlet.send(GOODBYE, &[])
    }
}
