//! Handlers of typed methods, streams and events.

use ipc_core::RemoteError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::dispatcher::{Handler, Outcome};
use super::sources::Next;
use super::{Answer, Client, Request, Server};
use crate::api::{Reply, Subscription, not_a_stream};
use crate::typed::{self, Event, Method, Stream};

macro_rules! serving {
    ($endpoint:ident) => {
        impl $endpoint {
            /// Calls `handler` for each request of a method, with its parameters; see
            /// [`typed`](crate::typed). Parameters that cannot be decoded fail the request before.
            ///
            /// ```
            /// use ringpost::{Method, blocking::Server};
            ///
            /// const ADD: Method<(i64, i64), i64> = Method::new("add");
            /// fn add(server: &mut Server) {
            ///     server.serve(&ADD, |(a, b), _| Ok(a + b));
            /// }
            /// ```
            pub fn serve<P, R, H>(&mut self, method: &Method<P, R>, handler: H)
            where
                P: DeserializeOwned + 'static,
                R: Serialize + 'static,
                H: FnMut(P, &Request<'_>) -> Result<R, RemoteError> + Send + 'static,
            {
                self.handle(method.name(), answering(method, handler));
            }

            /// Calls `handler` for each request of a stream, with its parameters, and sends the
            /// items it returns, until they end or one is an error.
            ///
            /// The next item is asked for when the caller has room for it, by the thread that
            /// serves everything else in the meantime: any number of streams at once, none of which
            /// may wait for its items. What comes from elsewhere is sent with a
            /// [`Ticket`](crate::blocking::Ticket), by [`Self::take_stream`].
            ///
            /// ```
            /// use ringpost::{Stream, blocking::Server};
            ///
            /// const COUNT: Stream<u32, u32> = Stream::new("count");
            /// fn count(server: &mut Server) {
            ///     server.serve_stream(&COUNT, |from, _| Ok((from..from + 10).map(Ok)));
            /// }
            /// ```
            pub fn serve_stream<P, I, S, H>(&mut self, stream: &Stream<P, I>, handler: H)
            where
                P: DeserializeOwned + 'static,
                I: Serialize + 'static,
                S: IntoIterator<Item = Result<I, RemoteError>>,
                S::IntoIter: Send + 'static,
                H: FnMut(P, &Request<'_>) -> Result<S, RemoteError> + Send + 'static,
            {
                self.endpoint.serve(stream.name(), streaming(stream, handler));
            }

            /// Calls `listener` for each event, with its payload; see [`typed`](crate::typed). One
            /// that cannot be decoded is dropped.
            ///
            /// ```
            /// use ringpost::{Event, blocking::Server};
            ///
            /// const TICK: Event<u64> = Event::new("tick");
            /// fn print(server: &mut Server) {
            ///     server.listen(&TICK, |tick, _| println!("{tick}"));
            /// }
            /// ```
            pub fn listen<P, L>(&mut self, event: &Event<P>, mut listener: L) -> Subscription
            where
                P: DeserializeOwned + 'static,
                L: FnMut(P, &Request<'_>) + Send + 'static,
            {
                let name = event.name();
                self.on(name, move |request| {
                    if let Ok(payload) = typed::decode(request.message.codec, request.payload, name)
                    {
                        listener(payload, request);
                    }
                })
            }
        }
    };
}

serving!(Client);
serving!(Server);

fn answering<P, R, H>(
    method: &Method<P, R>,
    mut handler: H,
) -> impl FnMut(&Request<'_>, &mut Reply) -> Result<Answer, RemoteError> + Send + use<P, R, H>
where
    P: DeserializeOwned,
    R: Serialize,
    H: FnMut(P, &Request<'_>) -> Result<R, RemoteError> + Send,
{
    let (name, compress) = (method.name(), method.options().compress);
    move |request, reply| {
        let params = typed::decode(request.message.codec, request.payload, name);
        let result = handler(params.map_err(|error| typed::refusal(&error))?, request)?;
        *reply = typed::reply_with(&result, name, compress)?;
        Ok(Answer::Now)
    }
}

fn streaming<P, I, S, H>(stream: &Stream<P, I>, mut handler: H) -> Box<Handler>
where
    P: DeserializeOwned,
    I: Serialize,
    S: IntoIterator<Item = Result<I, RemoteError>>,
    S::IntoIter: Send + 'static,
    H: FnMut(P, &Request<'_>) -> Result<S, RemoteError> + Send + 'static,
{
    let name = stream.name();
    Box::new(move |request, _| {
        request.message.window.ok_or_else(not_a_stream)?;
        let params = typed::decode(request.message.codec, request.payload, name);
        let items = handler(params.map_err(|error| typed::refusal(&error))?, request)?;
        let mut items = items.into_iter();
        Ok(Outcome::Items(Box::new(move || next(items.next(), name))))
    })
}

/// What comes next in a stream, from what its iterator has returned.
fn next<I: Serialize>(item: Option<Result<I, RemoteError>>, name: &str) -> Next {
    match item {
        None => Next::End(typed::reply_with(&(), name, false)),
        Some(Err(error)) => Next::End(Err(error)),
        Some(Ok(item)) => match typed::encode(&item, name) {
            Ok(payload) => Next::Item(payload),
            Err(error) => Next::End(Err(typed::refusal(&error))),
        },
    }
}
