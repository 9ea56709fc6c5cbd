//! Handlers of the application, and binding them to the engine their messages come from.

use std::future::{Future, ready};
use std::pin::Pin;
use std::sync::{Arc, Weak};
use std::time::Duration;

use ipc_core::{Code, RemoteError};

use super::job::{Handler, Handling, Job};
use super::request::Request;
use super::shared::Shared;
use crate::api::{Reply, Router};

/// A handler of the application whose type is erased.
pub(super) type Erased = Arc<dyn Fn(Request) -> Handling + Send + Sync>;

/// Handlers by name, in place before the first message arrives.
///
/// ```
/// use ringpost::Reply;
/// use ringpost::tokio::{Handlers, Request};
///
/// let handlers = Handlers::new()
///     .handle("echo", |request: Request| async move { Ok(Reply::bytes(request.payload)) })
///     .accept_compressed("echo");
/// ```
#[derive(Default)]
pub struct Handlers {
    handlers: Vec<(Box<str>, Erased)>,
    packed: Vec<Box<str>>,
}

impl Handlers {
    /// No handlers yet.
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds `handler` for each request or one-way message of that name. What it returns for a
    /// one-way message is dropped.
    ///
    /// ```
    /// use ringpost::{RemoteError, Reply};
    /// use ringpost::tokio::{Handlers, Request};
    ///
    /// let handlers = Handlers::new().handle("parse", |request: Request| async move {
    ///     match std::str::from_utf8(&request.payload) {
    ///         Ok(text) => Ok(Reply::bytes(text.trim())),
    ///         Err(error) => Err(RemoteError::new("E_TEXT", error.to_string())),
    ///     }
    /// });
    /// ```
    #[must_use]
    pub fn handle<H, F>(self, name: &str, handler: H) -> Self
    where
        H: Fn(Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
    {
        self.add(name, erase(handler))
    }

    pub(super) fn add(mut self, name: &str, handler: Erased) -> Self {
        self.handlers.push((name.into(), handler));
        self
    }

    /// Accepts requests and one-way messages of this name compressed: unpacking them takes up to 64
    /// times what their sender has put in.
    #[must_use]
    pub fn accept_compressed(mut self, name: &str) -> Self {
        self.packed.push(name.into());
        self
    }

    /// Puts them into the router of a client or server.
    pub(super) fn install(self, router: &mut Router<Handler>, binding: &Binding) {
        for (name, handler) in self.handlers {
            router.handle(&name, binding.bind(handler));
        }
        for name in self.packed {
            router.accept_packed(&name);
        }
    }
}

impl std::fmt::Debug for Handlers {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_list().entries(self.handlers.iter().map(|(name, _)| name)).finish()
    }
}

/// The engine that messages come from. A handler in it keeps it alive no longer than its handles
/// do.
pub(super) struct Binding {
    pub shared: Weak<Shared>,
    /// When a request of a handler is given up unless it says otherwise.
    pub timeout: Duration,
}

impl Binding {
    pub fn bind(&self, handler: Erased) -> Handler {
        let (shared, timeout) = (Weak::clone(&self.shared), self.timeout);
        Arc::new(move |job: Job| match shared.upgrade() {
            Some(shared) => handler(Request::new(job, shared, timeout)),
            None => {
                let error = RemoteError::new(Code::Closed.as_str(), "the connection is over");
                Box::pin(ready(Err(error)))
            }
        })
    }
}

/// Erases the type of a handler. It is called when its future is polled first, so that all of it
/// runs where a panic is caught.
pub(super) fn erase<H, F>(handler: H) -> Erased
where
    H: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<Reply, RemoteError>> + Send + 'static,
{
    let handler = Arc::new(handler);
    Arc::new(move |request| -> Pin<Box<dyn Future<Output = _> + Send>> {
        let handler = Arc::clone(&handler);
        Box::pin(async move { handler(request).await })
    })
}

/// The same for a listener, which has no outcome.
pub(super) fn erase_listener<L, F>(listener: L) -> Erased
where
    L: Fn(Request) -> F + Send + Sync + 'static,
    F: Future<Output = ()> + Send + 'static,
{
    let listener = Arc::new(listener);
    erase(move |request| {
        let listener = Arc::clone(&listener);
        async move {
            listener(request).await;
            Ok(Reply::default())
        }
    })
}
