//! Spans of `tracing` for requests and handlers, with the feature `tracing-spans`. Without it they
//! are nothing, and take nothing.
//!
//! They are made and entered where no lock is held, because subscribers are code of the
//! application.

#[cfg(not(feature = "tracing-spans"))]
pub(super) use absent::{Name, Span};
#[cfg(feature = "tracing-spans")]
pub(super) use present::{Name, Span};

#[cfg(feature = "tracing-spans")]
mod present {
    use std::sync::Arc;

    use ipc_core::{Code, Kind, Message, RemoteError, Result};
    use tracing::field::Empty;

    /// The name of a message, kept for the span of its handler.
    #[derive(Clone)]
    pub struct Name(Arc<str>);

    impl Name {
        pub fn of<'a>(name: impl FnOnce() -> Option<&'a str>) -> Self {
            Self(name().unwrap_or_default().into())
        }
    }

    /// A span, from where it is made until it is dropped.
    pub struct Span(tracing::Span);

    impl Span {
        pub fn of_request(method: &str) -> Self {
            Self(tracing::info_span!(
                "ringpost.request",
                otel.name = method,
                otel.kind = "client",
                rpc.system = "ringpost",
                rpc.method = method,
                error.type = Empty,
            ))
        }

        pub fn of_handler(Name(name): &Name, message: &Message) -> Self {
            Self(tracing::info_span!(
                "ringpost.handler",
                otel.name = &**name,
                otel.kind = if message.kind == Kind::OneWay { "consumer" } else { "server" },
                rpc.system = "ringpost",
                rpc.method = &**name,
                error.type = Empty,
            ))
        }

        /// Runs a part of what it is about.
        pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
            self.0.in_scope(work)
        }

        /// A request has its outcome.
        pub fn answered<T>(&self, outcome: &Result<T>) {
            if let Err(error) = outcome {
                self.0.record("error.type", error.code().as_str());
            }
        }

        /// A handler has its outcome.
        pub fn handled<T>(&self, outcome: &Result<T, RemoteError>) {
            if let Err(error) = outcome {
                let code = error.code.as_deref().unwrap_or(Code::Handler.as_str());
                self.0.record("error.type", code);
            }
        }
    }
}

#[cfg(not(feature = "tracing-spans"))]
mod absent {
    use ipc_core::{Message, RemoteError, Result};

    #[derive(Clone)]
    pub struct Name;

    impl Name {
        pub fn of<'a>(_: impl FnOnce() -> Option<&'a str>) -> Self {
            Self
        }
    }

    pub struct Span;

    impl Span {
        pub fn of_request(_: &str) -> Self {
            Self
        }

        pub fn of_handler(_: &Name, _: &Message) -> Self {
            Self
        }

        pub fn within<T>(&self, work: impl FnOnce() -> T) -> T {
            work()
        }

        pub fn answered<T>(&self, _: &Result<T>) {}

        pub fn handled<T>(&self, _: &Result<T, RemoteError>) {}
    }
}
