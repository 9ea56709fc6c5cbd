//! Spans of `tracing`, as a subscriber sees them.

use std::collections::HashMap;
use std::fmt::Debug;
use std::sync::{Arc, Mutex};

use ringpost::tokio::{Client, Handlers, Request, Server};
use ringpost::{CallOptions, ClientConfig, RemoteError, Reply, ServerConfig};
use tracing::field::{Field, Visit};
use tracing::span::{Attributes, Id, Record};
use tracing::{Event, Metadata, Subscriber};

/// A span: what it is called, its fields, and how often it was entered.
#[derive(Clone, Debug, Default)]
struct Seen {
    name: &'static str,
    fields: HashMap<&'static str, String>,
    entered: u32,
    closed: bool,
}

impl Visit for Seen {
    fn record_debug(&mut self, field: &Field, value: &dyn Debug) {
        self.fields.insert(field.name(), format!("{value:?}"));
    }

    fn record_str(&mut self, field: &Field, value: &str) {
        self.fields.insert(field.name(), value.into());
    }
}

/// Keeps all spans there were.
#[derive(Clone, Default)]
struct Recorder(Arc<Mutex<Vec<Seen>>>);

impl Recorder {
    fn with(&self, id: &Id, act: impl FnOnce(&mut Seen)) {
        let place = usize::try_from(id.into_u64()).unwrap() - 1;
        act(&mut self.0.lock().unwrap()[place]);
    }

    fn taken(&self) -> Vec<Seen> {
        let ours = |seen: &Seen| seen.name.starts_with("ringpost.");
        self.0.lock().unwrap().iter().filter(|seen| ours(seen)).cloned().collect()
    }
}

impl Subscriber for Recorder {
    fn enabled(&self, _: &Metadata<'_>) -> bool {
        true
    }

    fn new_span(&self, attributes: &Attributes<'_>) -> Id {
        let mut seen = Seen { name: attributes.metadata().name(), ..Seen::default() };
        attributes.record(&mut seen);
        let mut all = self.0.lock().unwrap();
        all.push(seen);
        Id::from_u64(all.len() as u64)
    }

    fn record(&self, id: &Id, values: &Record<'_>) {
        self.with(id, |seen| values.record(seen));
    }

    fn record_follows_from(&self, _: &Id, _: &Id) {}

    fn event(&self, _: &Event<'_>) {}

    fn enter(&self, id: &Id) {
        self.with(id, |seen| seen.entered += 1);
    }

    fn exit(&self, _: &Id) {}

    fn try_close(&self, id: Id) -> bool {
        self.with(&id, |seen| seen.closed = true);
        true
    }
}

#[test]
fn requests_and_handlers_have_spans_with_their_names_and_outcomes() {
    let recorder = Recorder::default();
    tracing::subscriber::set_global_default(recorder.clone()).unwrap();
    let directory = std::env::temp_dir().join(format!("ringpost-spans-{}", std::process::id()));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    runtime.block_on(async {
        let handlers = Handlers::new()
            .handle("echo", |request: Request| async move {
                tokio::task::yield_now().await;
                Ok(Reply::bytes(request.payload))
            })
            .handle("fail", |_| async { Err(RemoteError::new("E_MINE", "no")) })
            .handle("tick", |_| async { Ok(Reply::default()) });
        let config = ServerConfig::new().directory(&directory);
        let server = Server::bind_with("spans", &config, handlers).await.unwrap();
        let config = ClientConfig::new().directory(&directory);
        let client = Client::connect("spans", &config).await.unwrap();
        client.request("echo", b"hello", &CallOptions::new()).await.unwrap();
        client.request("fail", b"", &CallOptions::new()).await.unwrap_err();
        client.request("none", b"", &CallOptions::new()).await.unwrap_err();
        client.notify("tick", b"", &CallOptions::new()).unwrap();
        client.request("echo", b"", &CallOptions::new()).await.unwrap();
        client.close().await;
        server.close().await;
    });
    drop(runtime);
    std::fs::remove_dir_all(directory).unwrap();
    let spans = recorder.taken();
    assert!(spans.iter().all(|seen| seen.closed), "{spans:?}");
    let found = |name: &str, kind: &str, method: &str| {
        let is_it = |seen: &&Seen| {
            let field = |name| seen.fields.get(name).map(String::as_str);
            let (kind, method) = (Some(kind), Some(method));
            seen.name == name && field("otel.kind") == kind && field("rpc.method") == method
        };
        let all: Vec<_> = spans.iter().filter(is_it).collect();
        let errors = all.iter().map(|seen| seen.fields.get("error.type").cloned());
        (errors.collect::<Vec<_>>(), all.iter().map(|seen| seen.entered).sum::<u32>())
    };
    let error = |code: &str| vec![Some(code.into())];
    let requests = |method| found("ringpost.request", "client", method).0;
    assert_eq!(requests("echo"), [None, None]);
    // The code of a handler's own is in the error itself.
    assert_eq!(requests("fail"), error("ERR_HANDLER"));
    assert_eq!(requests("none"), error("ERR_UNKNOWN_METHOD"));
    let (echoed, entered) = found("ringpost.handler", "server", "echo");
    assert_eq!(echoed, [None, None]);
    assert!(entered >= 4, "it was entered for each poll, {entered} in all");
    assert_eq!(found("ringpost.handler", "server", "fail").0, error("E_MINE"));
    assert_eq!(found("ringpost.handler", "consumer", "tick").0, [None]);
    assert_eq!(found("ringpost.handler", "server", "none").0, []);
}
