//! Handlers of typed methods and events.

use ipc_core::RemoteError;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::{Answer, Client, Request, Server};
use crate::api::{Reply, Subscription};
use crate::typed::{self, Event, Method};

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
