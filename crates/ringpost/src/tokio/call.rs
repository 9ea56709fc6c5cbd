//! A request in flight.

use std::future::Future;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};

use ipc_core::{Error, Result};

use super::shared::Shared;
use super::spans::Span;
use crate::api::Reply;

/// A request that was sent, as the future of its outcome. Dropping it before that cancels the
/// request, and its handler at the peer is dropped.
///
/// ```
/// # use std::time::Duration;
/// # use ringpost::tokio::Client;
/// # use ringpost::{CallOptions, Result};
/// # async fn example(client: &Client) -> Result<()> {
/// // Both are on their way before either is awaited.
/// let first = client.request("part", b"1", &CallOptions::new());
/// let second = client.request("part", b"2", &CallOptions::new());
/// let parts = [first.await?.payload, second.await?.payload];
/// # Ok(())
/// # }
/// ```
#[must_use = "a request that is dropped is cancelled"]
pub struct Call {
    shared: Arc<Shared>,
    state: State,
    span: Span,
}

enum State {
    InFlight(u64),
    /// It could not be sent.
    Failed(Error),
    Done,
}

impl Call {
    pub(super) fn new(shared: Arc<Shared>, sent: Result<u64>, span: Span) -> Self {
        Self { shared, state: sent.map_or_else(State::Failed, State::InFlight), span }
    }
}

impl Future for Call {
    type Output = Result<Reply>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        let id = match std::mem::replace(&mut self.state, State::Done) {
            State::InFlight(id) => id,
            State::Failed(error) => {
                let outcome = Err(error);
                self.span.answered(&outcome);
                return Poll::Ready(outcome);
            }
            State::Done => panic!("a request has one outcome, and it was handed over already"),
        };
        // Wakers may run code of the application when they are cloned and dropped, which is why
        // both are done without the lock.
        let waker = context.waker().clone();
        let (outcome, displaced) =
            self.shared.with(|state| match state.dispatcher.take_outcome(id) {
                Some(outcome) => (Some(outcome), Some(waker)),
                None => (None, state.dispatcher.await_outcome(id, waker)),
            });
        drop(displaced);
        match outcome {
            Some(outcome) => {
                self.span.answered(&outcome);
                Poll::Ready(outcome)
            }
            None => {
                self.state = State::InFlight(id);
                Poll::Pending
            }
        }
    }
}

impl Drop for Call {
    fn drop(&mut self) {
        let State::InFlight(id) = self.state else { return };
        let given_up = self.shared.with(|state| state.dispatcher.give_up(&mut state.engine, id));
        drop(given_up);
    }
}

impl std::fmt::Debug for Call {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let state = match self.state {
            State::InFlight(_) => "in flight",
            State::Failed(_) => "failed",
            State::Done => "done",
        };
        f.debug_tuple("Call").field(&state).finish()
    }
}
