//! What requests can be sent over.

use std::future::Future;

use ipc_core::{LinkId, Result, Sent};

use super::call::Call;
use super::client::Client;
use super::request::Request;
use super::server::Server;
use super::stream::Streaming;
#[cfg(feature = "typed")]
use super::typed_stream::Items;
use crate::api::{CallOptions, Reply};
#[cfg(feature = "typed")]
use crate::typed::{self, Event, Method, Stream};

/// Everything that requests and one-way messages can be sent over: a [`Client`], one client of a
/// [`Server`], or the peer of a [`Request`]. Code that is written for any of them need not know
/// which it has.
///
/// ```
/// use ringpost::tokio::Requester;
/// use ringpost::{CallOptions, Result};
///
/// async fn ping(peer: &impl Requester) -> Result<usize> {
///     let reply = peer.request("ping", b"", &CallOptions::new()).await?;
///     Ok(reply.payload.len())
/// }
/// ```
pub trait Requester: Send + Sync {
    /// Sends a request. Awaiting the future gives its outcome, and dropping it cancels the request.
    ///
    /// ```
    /// # use ringpost::tokio::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(peer: &impl Requester) -> Result<()> {
    /// let options = CallOptions::new().timeout(std::time::Duration::from_secs(1));
    /// let reply = peer.request("shout", b"hello", &options).await?;
    /// assert_eq!(reply.payload, b"HELLO");
    /// # Ok(())
    /// # }
    /// ```
    fn request(
        &self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> impl Future<Output = Result<Reply>> + Send + use<Self>;

    /// Sends a request with items in either direction.
    ///
    /// ```
    /// # use ringpost::tokio::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(peer: &impl Requester) -> Result<()> {
    /// let items = peer.stream("count", b"", &CallOptions::new())?;
    /// while let Some(item) = items.next().await? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming>;

    /// Sends a one-way message without waiting.
    ///
    /// ```
    /// # use ringpost::tokio::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(peer: &impl Requester) -> Result<()> {
    /// peer.notify("tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent>;

    /// Sends a one-way message, and waits until it is being written.
    ///
    /// ```
    /// # use ringpost::tokio::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # async fn example(peer: &impl Requester) -> Result<()> {
    /// peer.send("document", &[7; 1 << 20], &CallOptions::new()).await?;
    /// # Ok(())
    /// # }
    /// ```
    fn send(
        &self,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> impl Future<Output = Result<()>> + Send;

    /// Calls a method; see [`typed`](crate::typed).
    ///
    /// ```
    /// # use ringpost::tokio::Requester;
    /// # use ringpost::{Method, Result};
    /// # async fn example(peer: &impl Requester) -> Result<()> {
    /// const ADD: Method<(i64, i64), i64> = Method::new("add");
    /// assert_eq!(peer.call(&ADD, &(2, 3)).await?, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "typed")]
    fn call<P, R>(
        &self,
        method: &Method<P, R>,
        params: &P,
    ) -> impl Future<Output = Result<R>> + Send
    where
        P: serde::Serialize,
        R: serde::de::DeserializeOwned,
    {
        let call = typed::encode(params, method.name())
            .map(|payload| self.request(method.name(), &payload, method.options()));
        async move { typed::result_of(method, &call?.await?) }
    }

    /// Sends an event without waiting; see [`typed`](crate::typed).
    ///
    /// ```
    /// # use ringpost::tokio::Requester;
    /// # use ringpost::{Event, Result};
    /// # async fn example(peer: &impl Requester) -> Result<()> {
    /// const TICK: Event<u64> = Event::new("tick");
    /// peer.emit(&TICK, &1)?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "typed")]
    fn emit<P: serde::Serialize>(&self, event: &Event<P>, payload: &P) -> Result<Sent> {
        let payload = typed::encode(payload, event.name())?;
        self.notify(event.name(), &payload, event.options())
    }

    /// Calls a stream, whose items are read one by one.
    ///
    /// ```no_run
    /// use ringpost::tokio::{Client, Requester};
    /// use ringpost::{ClientConfig, Stream};
    ///
    /// const COUNT: Stream<u32, u32> = Stream::new("count");
    ///
    /// async fn first_three() -> ringpost::Result<()> {
    ///     let client = Client::connect("counter", &ClientConfig::new()).await?;
    ///     let items = client.open(&COUNT, &1)?;
    ///     while let Some(number) = items.next().await? {
    ///         if number == 3 {
    ///             break;
    ///         }
    ///     }
    ///     Ok(())
    /// }
    /// ```
    #[cfg(feature = "typed")]
    fn open<P, I>(&self, stream: &Stream<P, I>, params: &P) -> Result<Items<I>>
    where
        P: serde::Serialize,
    {
        let payload = typed::encode(params, stream.name())?;
        let streaming = self.stream(stream.name(), &payload, stream.options())?;
        Ok(Items::new(streaming, stream.name()))
    }
}

/// What has methods of the same names does what they do.
macro_rules! requester_by_its_methods {
    ($($name:ty),*) => { $(
        impl Requester for $name {
            fn request(
                &self,
                method: &str,
                payload: &[u8],
                options: &CallOptions,
            ) -> impl Future<Output = Result<Reply>> + Send + use<> {
                Self::request(self, method, payload, options)
            }

            fn stream(
                &self,
                method: &str,
                payload: &[u8],
                options: &CallOptions,
            ) -> Result<Streaming> {
                Self::stream(self, method, payload, options)
            }

            fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
                Self::notify(self, event, payload, options)
            }

            async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
                Self::send(self, event, payload, options).await
            }
        }
    )* };
}

requester_by_its_methods!(Client, Request);

/// One client of a server, from [`Server::connection`].
///
/// ```
/// # use ringpost::Change;
/// # use ringpost::tokio::{Requester, Server};
/// # use ringpost::{CallOptions, Result};
/// # async fn example(server: &Server) -> Result<()> {
/// if let Some(Change::Connected(link, _)) = server.next_change().await {
///     let client = server.connection(link);
///     client.notify("welcome", b"", &CallOptions::new())?;
/// }
/// # Ok(())
/// # }
/// ```
#[derive(Clone)]
pub struct Connection {
    server: Server,
    link: LinkId,
}

impl Connection {
    /// Which connection it is.
    pub fn link(&self) -> LinkId {
        self.link
    }
}

impl Server {
    /// One of its clients, to send over.
    ///
    /// ```
    /// use ringpost::tokio::{Requester, Server};
    /// use ringpost::{LinkId, Method, Result};
    ///
    /// const VERSION: Method<(), String> = Method::new("version");
    ///
    /// async fn version_of(server: &Server, client: LinkId) -> Result<String> {
    ///     server.connection(client).call(&VERSION, &()).await
    /// }
    /// ```
    pub fn connection(&self, link: LinkId) -> Connection {
        Connection { server: self.clone(), link }
    }
}

impl Requester for Connection {
    fn request(
        &self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> impl Future<Output = Result<Reply>> + Send + use<> {
        let call: Call = self.server.request(self.link, method, payload, options);
        call
    }

    fn stream(&self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Streaming> {
        self.server.stream(self.link, method, payload, options)
    }

    fn notify(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.server.notify(self.link, event, payload, options)
    }

    async fn send(&self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        self.server.send(self.link, event, payload, options).await
    }
}
