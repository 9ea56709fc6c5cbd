//! Sending over a connection: requests, streams and one-way messages.

use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Code, Draft, Error, Result, Sent};

use super::call::Call;
use super::groups::To;
use super::shared::{Shared, State};
use super::spans::Span;
use super::stream::Streaming;
use super::waits::Topic;
use crate::api::{CallOptions, FlowKey, item_draft};

/// A connection to send over.
pub(super) struct Line<'a> {
    pub shared: &'a Arc<Shared>,
    pub to: To,
    /// When a request is given up unless it says otherwise.
    pub timeout: Duration,
}

impl Line<'_> {
    pub fn request(&self, method: &str, payload: &[u8], options: &CallOptions) -> Call {
        let Self { shared, to, timeout } = *self;
        let span = Span::of_request(method);
        let sent = shared.with(|State { engine, dispatcher, .. }| {
            let code = engine.code(method)?;
            let draft = options.request(code, 0, timeout);
            dispatcher.ask(engine, to, options.idempotent, payload, draft)
        });
        Call::new(Arc::clone(shared), sent, span)
    }

    pub fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        let Self { shared, to, .. } = *self;
        let (key, draft) = shared.with(|State { engine, dispatcher, .. }| {
            let code = engine.code(method)?;
            let draft = options.stream(code, 0);
            let id = dispatcher.ask(engine, to, options.resumable, payload, draft)?;
            let key = FlowKey::Ours(id);
            Ok::<_, Error>((key, item_draft(&draft, key)))
        })?;
        Ok(Streaming::new(Arc::clone(shared), key, draft))
    }

    pub fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.shared.with(|State { engine, dispatcher, .. }| {
            let draft = options.one_way(engine.code(event)?);
            dispatcher.notify(engine, self.to, draft, payload)
        })
    }

    /// Sends a one-way message, and waits until it is written or its lane has dropped it.
    pub async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        let Self { shared, to, .. } = *self;
        let (id, sent) = shared.with(|State { engine, dispatcher, .. }| {
            let id = dispatcher.sends.insert(None);
            let sent = engine.code(event).and_then(|code| {
                let draft = Draft { id, ..options.one_way(code) };
                dispatcher.notify(engine, to, draft, payload)
            });
            (id, sent)
        });
        let _sending = Sending { shared, id };
        match sent? {
            Sent::Queued => {
                shared
                    .until(Topic::Sent(id), |state| {
                        let outcome = state.dispatcher.sends.get_mut(id)?.take();
                        let over = || Err(Error::new(Code::Closed, "the connection is over"));
                        outcome.or_else(|| state.over.then(over))
                    })
                    .await
            }
            Sent::Dropped => Err(Error::dropped()),
            _ => Ok(()),
        }
    }
}

/// A one-way message whose sender waits until it is written.
struct Sending<'a> {
    shared: &'a Arc<Shared>,
    id: u64,
}

impl Drop for Sending<'_> {
    fn drop(&mut self) {
        self.shared.with(|state| state.dispatcher.sends.remove(self.id));
    }
}
