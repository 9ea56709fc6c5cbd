//! Lines of JSON come in, and for each an answer goes out: `{"value": ...}` or `{"error": "..."}`.

use std::io::{BufRead, Write, stdin, stdout};
use std::thread;
use std::time::Instant;

use serde::Serialize;
use serde_json::{Value, json};

use crate::adapter::{Adapter, Result, Service, Settings};
use crate::commands::{Command, ManyConnected};
use crate::measured::{Measured, Until, memcpy};
use crate::payload::Sink;
use crate::published::{Library, Published};
use crate::spans::Spans;

/// Does what the runner says, until it says stop or is gone.
pub fn run(adapters: &[Adapter], libraries: &[Library]) {
    // Neither does it outlive the runner in the middle of a command.
    let signal = Some(rustix::process::Signal::KILL);
    rustix::process::set_parent_process_death_signal(signal).expect("it cannot fail");
    let mut worker = Worker::new(adapters, libraries);
    for line in stdin().lock().lines().map_while(std::result::Result::ok) {
        match serde_json::from_str(&line) {
            Ok(Command::Stop) => return answer(worker.stop().map(|()| Value::Null)),
            Ok(command) => answer(worker.obey(command)),
            Err(error) => answer(Err(error.into())),
        }
    }
    // The runner is gone.
    let _ = worker.stop();
}

fn answer(outcome: Result<Value>) {
    let line = match outcome {
        Ok(value) => json!({ "value": value }),
        Err(error) => json!({ "error": error.to_string() }),
    };
    let mut out = stdout().lock();
    // The other end is closed when the runner is gone.
    let _ = writeln!(out, "{line}").and_then(|()| out.flush());
}

struct Worker<'a> {
    adapters: &'a [Adapter],
    published: Published<'a>,
    sink: Sink,
    service: Option<Service>,
    connection: Option<Connection>,
    many: Vec<Box<dyn Measured>>,
    /// Of each of the many.
    requests: usize,
}

/// A channel, and how to open another like it.
struct Connection {
    channel: Box<dyn Measured>,
    connect: Box<dyn Fn() -> Result<Box<dyn Measured>>>,
}

impl<'a> Worker<'a> {
    fn new(adapters: &'a [Adapter], libraries: &'a [Library]) -> Self {
        let (sink, many) = (Sink::default(), Vec::new());
        let published = Published::by(libraries);
        Self { adapters, published, sink, service: None, connection: None, many, requests: 0 }
    }

    fn obey(&mut self, command: Command) -> Result<Value> {
        match command {
            Command::Serve { adapter, address, settings } => {
                let adapter = self.adapter(&adapter)?;
                self.service = Some((adapter.serve)(&address, &self.sink, &settings)?);
                Ok(Value::Null)
            }
            Command::Connect { adapter, address, settings } => {
                let connect = self.adapter(&adapter)?.connect;
                self.connect(Box::new(move || connect(&address, &settings)))
            }
            Command::Latency { size, ms, pause_ms } => {
                value(self.channel()?.latency(size, ms.0, pause_ms.0))
            }
            Command::OpenLoop { size, ms, rate } => {
                value(self.channel()?.open_loop(size, ms.0, rate))
            }
            Command::Pipelined { size, ms, in_flight } => {
                value(self.channel()?.pipelined(size, ms.0, in_flight))
            }
            Command::OneWay { size, ms } => {
                value(self.channel()?.one_way(size, Until::Elapsed(ms.0)))
            }
            Command::Burst { size, count } => {
                value(self.channel()?.one_way(size, Until::Sent(count)))
            }
            Command::Stream { size, ms } => value(self.channel()?.stream(size, ms.0)),
            Command::Memcpy { size, ms } => value(Ok(memcpy(size, ms.0))),
            Command::Received => Ok(json!({ "count": self.sink.received()? })),
            Command::Reconnect { times } => self.reconnect(times),
            Command::Idle { ms } => {
                thread::sleep(ms.0);
                Ok(Value::Null)
            }
            Command::ConnectMany { address, settings, connections, requests } => {
                self.requests = requests;
                self.connect_many(&address, &settings, connections)
            }
            Command::AskMany => self.ask_many(),
            Command::Stop => unreachable!("the loop ends with it"),
            other => self.published.obey(other, &self.sink),
        }
    }

    fn adapter(&self, name: &str) -> Result<Adapter> {
        let found = self.adapters.iter().find(|adapter| adapter.name == name);
        found.copied().ok_or_else(|| {
            let names: Vec<_> = self.adapters.iter().map(|adapter| adapter.name).collect();
            format!("no adapter '{name}' here; there are {}", names.join(", ")).into()
        })
    }

    fn connect(&mut self, connect: Box<dyn Fn() -> Result<Box<dyn Measured>>>) -> Result<Value> {
        let channel = connect()?;
        let mut description = channel.describe();
        description["others"] = json!([]);
        self.connection = Some(Connection { channel, connect });
        Ok(description)
    }

    fn connection(&mut self) -> Result<&mut Connection> {
        self.connection.as_mut().ok_or_else(|| "there is no connection".into())
    }

    fn channel(&mut self) -> Result<&mut dyn Measured> {
        Ok(&mut *self.connection()?.channel)
    }

    fn reconnect(&mut self, times: u32) -> Result<Value> {
        let connect = &self.connection()?.connect;
        let mut spans = Spans::new();
        for _ in 0..times {
            let start = Instant::now();
            let mut other = connect()?;
            other.ask(&[0; 64])?;
            spans.record(start.elapsed());
            other.close()?;
        }
        value(Ok(spans.latency()))
    }

    fn connect_many(&mut self, address: &str, settings: &Settings, count: usize) -> Result<Value> {
        let connect = self.adapter("ringpost")?.connect;
        let start = Instant::now();
        let connections = (0..count).map(|_| connect(address, settings));
        self.many = connections.collect::<Result<_>>()?;
        let connect_ms = start.elapsed().as_secs_f64() * 1e3;
        for channel in &mut self.many {
            for _ in 0..self.requests {
                channel.ask(&MANY_PAYLOAD)?;
            }
        }
        value(Ok(ManyConnected { connect_ms }))
    }

    /// All spans, because the percentiles of all are not those of any one connection.
    fn ask_many(&mut self) -> Result<Value> {
        let mut spans = Vec::new();
        for _ in 0..self.requests {
            for channel in &mut self.many {
                let span = channel.ask(&MANY_PAYLOAD)?;
                spans.push(u64::try_from(span.as_nanos())?);
            }
        }
        value(Ok(spans))
    }

    /// Leaves nothing behind outside of the process.
    fn stop(self) -> Result<()> {
        let channel = self.connection.map(|connection| connection.channel);
        for channel in self.many.into_iter().chain(channel) {
            channel.close()?;
        }
        self.service.map_or(Ok(()), Service::close)
    }
}

const MANY_PAYLOAD: [u8; 64] = [7; 64];

pub(crate) fn value(outcome: Result<impl Serialize>) -> Result<Value> {
    Ok(serde_json::to_value(outcome?)?)
}
