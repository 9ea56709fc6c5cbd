//! Sending over a connection: requests, streams and one-way messages.

use std::sync::Arc;
use std::time::Duration;

use ipc_core::{Code, Draft, Error, LinkId, Result, Sent};

use super::call::Call;
use super::shared::Shared;
use super::spans::Span;
use super::stream::Streaming;
use super::waits::Topic;
use crate::api::{CallOptions, FlowKey, item_draft};

/// A connection to send over.
pub(super) struct Line<'a> {
    pub shared: &'a Arc<Shared>,
    pub link: LinkId,
    /// When a request is given up unless it says otherwise.
    pub timeout: Duration,
}

impl Line<'_> {
    pub fn request(&self, method: &str, payload: &[u8], options: &CallOptions) -> Call {
        let Self { shared, link, timeout } = *self;
        let span = Span::of_request(method);
        let sent = shared.with(|state| {
            let code = state.engine.code(method)?;
            let id = state.dispatcher.begin(link);
            let draft = options.request(code, id, timeout);
            match state.engine.send(link, &draft, payload) {
                Ok(_) => Ok(id),
                Err(error) => {
                    state.dispatcher.forget(id);
                    Err(error)
                }
            }
        });
        Call::new(Arc::clone(shared), link, sent, span)
    }

    pub fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        let Self { shared, link, .. } = *self;
        let (key, draft) = shared.with(|state| {
            let code = state.engine.code(method)?;
            let id = state.dispatcher.begin(link);
            let draft = options.stream(code, id);
            match state.engine.send(link, &draft, payload) {
                Ok(_) => {
                    let key = FlowKey { link, ours: true, id };
                    state.dispatcher.flows.open(key);
                    Ok((key, item_draft(&draft, key)))
                }
                Err(error) => {
                    state.dispatcher.forget(id);
                    Err(error)
                }
            }
        })?;
        Ok(Streaming::new(Arc::clone(shared), key, draft))
    }

    pub fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.shared.with(|state| {
            let draft = options.one_way(state.engine.code(event)?);
            state.engine.send(self.link, &draft, payload)
        })
    }

    /// Sends a one-way message, and waits until it is written or its lane has dropped it.
    pub async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        let Self { shared, link, .. } = *self;
        let (id, sent) = shared.with(|state| {
            let id = state.dispatcher.sends.insert(None);
            let sent = state.engine.code(event).and_then(|code| {
                let draft = Draft { id, ..options.one_way(code) };
                state.engine.send(link, &draft, payload)
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
