//! What the backend serves.

use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;

use ringpost::tokio::{Handlers, Request};
use ringpost::{Code, RemoteError};
use serde_json::json;
use tokio::task::spawn_blocking;

use crate::chat::chat;
use crate::complete::complete;
use crate::contract::{CHAT, COMPLETE, EMBED, GREET, PROTOCOL, USAGE};
use crate::contract::{Completion, Hello, Welcome};
use crate::counters::Counters;
use crate::embed::embed;
use crate::log;
use crate::model::MODELS;

/// Characters of an editor's name that are shown.
const CLIENT_SHOWN: usize = 100;

#[derive(Clone)]
pub struct Backend {
    /// The version it says it has.
    version: Arc<str>,
    counters: Arc<Counters>,
}

impl Backend {
    pub fn new(version: &str) -> Self {
        Self { version: version.into(), counters: Counters::new() }
    }

    /// A window has come, or gone. Returns how many there are.
    pub fn editors(&self, came: bool) -> usize {
        let editors = &self.counters.editors;
        if came { editors.fetch_add(1, Relaxed) + 1 } else { editors.fetch_sub(1, Relaxed) - 1 }
    }

    pub fn handlers(&self) -> Handlers {
        let handlers = Handlers::new();
        let backend = self.clone();
        let handlers = handlers.serve(&GREET, move |hello, request| {
            let welcome = backend.greet(hello, &request);
            async { welcome }
        });
        let counters = Arc::clone(&self.counters);
        let handlers = handlers.serve(&CHAT, move |prompt, request| {
            let mut running = counters.begin();
            async move {
                let outcome = chat(&prompt, request, &mut running).await;
                running.end(outcome)
            }
        });
        let counters = Arc::clone(&self.counters);
        let handlers = handlers.serve(&COMPLETE, move |place, request| {
            let running = counters.begin();
            async move {
                let completed =
                    compute(request, move |is_cancelled| complete(&place, is_cancelled));
                running.end(completed.await.map(|text| Completion { text }))
            }
        });
        let counters = Arc::clone(&self.counters);
        let handlers = handlers.serve(&EMBED, move |batch, request| {
            let running = counters.begin();
            async move {
                let embedded = compute(request, move |is_cancelled| embed(&batch, is_cancelled));
                running.end(embedded.await)
            }
        });
        let backend = self.clone();
        handlers.serve(&USAGE, move |(), _| {
            let usage = backend.counters.usage(&backend.version);
            async { Ok(usage) }
        })
    }

    fn greet(&self, hello: Hello, request: &Request) -> Result<Welcome, RemoteError> {
        let Hello { client, protocol } = hello;
        let (pid, version) = (request.peer.pid, &self.version);
        let shown: String = client.chars().take(CLIENT_SHOWN).collect();
        log::line("greeted", json!({ "editor": pid, "client": shown, "protocol": protocol }));
        if protocol != PROTOCOL {
            let message = format!(
                "the backend {version} speaks protocol {PROTOCOL}, the editor \"{shown}\" \
                 speaks protocol {protocol}: update the older one",
            );
            return Err(RemoteError::new("ERR_PROTOCOL", message));
        }
        let (backend, pid) = (version.to_string(), std::process::id());
        Ok(Welcome { backend, protocol: PROTOCOL, pid, models: MODELS })
    }
}

/// Computes in a thread for that, so that others are answered meanwhile.
async fn compute<T, F>(request: Request, work: F) -> Result<T, RemoteError>
where
    T: Send + 'static,
    F: FnOnce(&dyn Fn() -> bool) -> Option<T> + Send + 'static,
{
    let cancellation = request.cancellation();
    let computed = spawn_blocking(move || work(&|| cancellation.is_cancelled())).await;
    let cancelled = || RemoteError::new(Code::Cancelled.as_str(), "the request was cancelled");
    computed.ok().flatten().ok_or_else(cancelled)
}
