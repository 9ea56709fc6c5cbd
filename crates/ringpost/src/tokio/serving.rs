//! Handlers of typed methods, streams and events.

use std::future::Future;

use ipc_core::{Error, RemoteError};
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::client::Client;
use super::handler::{Erased, Handlers, erase, erase_listener};
use super::request::Request;
use super::server::Server;
use super::typed_stream::ItemSender;
use crate::api::Subscription;
use crate::typed::{self, Event, Method, Stream};

impl Handlers {
    /// Adds `handler` for each request of a method, with its parameters; see
    /// [`typed`](crate::typed). Parameters that cannot be decoded fail the request before.
    ///
    /// ```
    /// use ringpost::Method;
    /// use ringpost::tokio::Handlers;
    ///
    /// const ADD: Method<(i64, i64), i64> = Method::new("add");
    /// let handlers = Handlers::new().serve(&ADD, |(a, b), _| async move { Ok(a + b) });
    /// ```
    #[must_use]
    pub fn serve<P, R, H, F>(self, method: &Method<P, R>, handler: H) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        R: Serialize + 'static,
        H: Fn(P, Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<R, RemoteError>> + Send + 'static,
    {
        self.add(method.name(), answering(method, handler))
    }

    /// Adds `handler` for each request of a stream, with its parameters and where its items go.
    ///
    /// ```
    /// use ringpost::Stream;
    /// use ringpost::tokio::Handlers;
    ///
    /// const COUNT: Stream<u32, u32> = Stream::new("count");
    /// let handlers = Handlers::new().serve_stream(&COUNT, |from, items, _| async move {
    ///     for number in from..from + 10 {
    ///         items.send(&number).await?;
    ///     }
    ///     Ok(())
    /// });
    /// ```
    #[must_use]
    pub fn serve_stream<P, I, H, F>(self, stream: &Stream<P, I>, handler: H) -> Self
    where
        P: DeserializeOwned + Send + 'static,
        I: Serialize + 'static,
        H: Fn(P, ItemSender<I>, Request) -> F + Send + Sync + 'static,
        F: Future<Output = Result<(), StreamError>> + Send + 'static,
    {
        self.add(stream.name(), streaming(stream, handler))
    }
}

macro_rules! serving {
    ($endpoint:ident) => {
        impl $endpoint {
            /// Calls `handler` for each request of a method from now on; see [`Handlers::serve`].
            ///
            /// ```
            /// use ringpost::{Method, tokio::Server};
            ///
            /// const ADD: Method<(i64, i64), i64> = Method::new("add");
            /// fn add(server: &Server) {
            ///     server.serve(&ADD, |(a, b), _| async move { Ok(a + b) });
            /// }
            /// ```
            pub fn serve<P, R, H, F>(&self, method: &Method<P, R>, handler: H)
            where
                P: DeserializeOwned + Send + 'static,
                R: Serialize + 'static,
                H: Fn(P, Request) -> F + Send + Sync + 'static,
                F: Future<Output = Result<R, RemoteError>> + Send + 'static,
            {
                self.owner().handle(method.name(), answering(method, handler));
            }

            /// Calls `handler` for each request of a stream from now on; see
            /// [`Handlers::serve_stream`].
            ///
            /// ```
            /// use ringpost::tokio::{ItemSender, Server};
            /// use ringpost::Stream;
            ///
            /// const COUNT: Stream<u32, u32> = Stream::new("count");
            /// fn count(server: &Server) {
            ///     server.serve_stream(&COUNT, |to, items: ItemSender<u32>, _| async move {
            ///         for number in 0..to {
            ///             items.send(&number).await?;
            ///         }
            ///         Ok(())
            ///     });
            /// }
            /// ```
            pub fn serve_stream<P, I, H, F>(&self, stream: &Stream<P, I>, handler: H)
            where
                P: DeserializeOwned + Send + 'static,
                I: Serialize + 'static,
                H: Fn(P, ItemSender<I>, Request) -> F + Send + Sync + 'static,
                F: Future<Output = Result<(), StreamError>> + Send + 'static,
            {
                self.owner().handle(stream.name(), streaming(stream, handler));
            }

            /// Calls `listener` for each event from now on, with its payload; see
            /// [`typed`](crate::typed). One that cannot be decoded is dropped.
            ///
            /// ```
            /// use ringpost::{Event, tokio::Server};
            ///
            /// const TICK: Event<u64> = Event::new("tick");
            /// fn print(server: &Server) {
            ///     server.listen(&TICK, |tick, _| async move { println!("{tick}") });
            /// }
            /// ```
            pub fn listen<P, L, F>(&self, event: &Event<P>, listener: L) -> Subscription
            where
                P: DeserializeOwned + Send + 'static,
                L: Fn(P, Request) -> F + Send + Sync + 'static,
                F: Future<Output = ()> + Send + 'static,
            {
                let name = event.name();
                let listener = erase_listener(move |mut request: Request| {
                    let payload = take_payload(&mut request, name);
                    let handling = payload.ok().map(|payload| listener(payload, request));
                    async move {
                        if let Some(handling) = handling {
                            handling.await;
                        }
                    }
                });
                self.owner().listen(name, false, listener)
            }
        }
    };
}

serving!(Client);
serving!(Server);

/// What a handler of a stream may fail with: an error of its own, or that of an item it sent, which
/// it passes on with `?`.
///
/// ```
/// use ringpost::RemoteError;
/// use ringpost::tokio::{ItemSender, StreamError};
///
/// async fn count(to: u64, items: ItemSender<u64>) -> Result<(), StreamError> {
///     if to > 1000 {
///         return Err(RemoteError::new("E_RANGE", "that is too far").into());
///     }
///     for number in 0..to {
///         items.send(&number).await?;
///     }
///     Ok(())
/// }
/// ```
#[derive(Debug)]
pub struct StreamError(RemoteError);

impl From<RemoteError> for StreamError {
    fn from(error: RemoteError) -> Self {
        Self(error)
    }
}

impl From<Error> for StreamError {
    fn from(error: Error) -> Self {
        Self(typed::refusal(&error))
    }
}

fn take_payload<T: DeserializeOwned>(request: &mut Request, name: &str) -> Result<T, RemoteError> {
    let payload = std::mem::take(&mut request.payload);
    typed::decode(request.message.codec, &payload, name).map_err(|error| typed::refusal(&error))
}

fn answering<P, R, H, F>(method: &Method<P, R>, handler: H) -> Erased
where
    P: DeserializeOwned + Send + 'static,
    R: Serialize + 'static,
    H: Fn(P, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<R, RemoteError>> + Send + 'static,
{
    let (name, compress) = (method.name(), method.options().compress);
    erase(move |mut request| {
        let handling = take_payload(&mut request, name).map(|params| handler(params, request));
        async move { typed::reply_with(&handling?.await?, name, compress) }
    })
}

fn streaming<P, I, H, F>(stream: &Stream<P, I>, handler: H) -> Erased
where
    P: DeserializeOwned + Send + 'static,
    I: Serialize + 'static,
    H: Fn(P, ItemSender<I>, Request) -> F + Send + Sync + 'static,
    F: Future<Output = Result<(), StreamError>> + Send + 'static,
{
    let name = stream.name();
    erase(move |mut request| {
        let items = request.take_stream().map(|items| ItemSender::new(items, name));
        let params = take_payload(&mut request, name);
        let handling = items.and_then(|items| Ok(handler(params?, items, request)));
        async move {
            handling?.await.map_err(|StreamError(error)| error)?;
            typed::reply_with(&(), name, false)
        }
    })
}
