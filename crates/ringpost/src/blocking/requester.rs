//! What requests can be sent over.

use ipc_core::{LinkId, Result, Sent};

use super::{Client, Server, Streaming};
use crate::api::{CallOptions, Reply};
#[cfg(feature = "typed")]
use crate::typed::{self, Event, Method, Stream};

/// Everything that requests and one-way messages can be sent over: a [`Client`], or one client of a
/// [`Server`]. Code that is written for any of them need not know which it has.
///
/// ```
/// use ringpost::blocking::Requester;
/// use ringpost::{CallOptions, Result};
///
/// fn ping(peer: &mut impl Requester) -> Result<usize> {
///     let reply = peer.request("ping", b"", &CallOptions::new())?;
///     Ok(reply.payload.len())
/// }
/// ```
pub trait Requester {
    /// Sends a request, and waits for its outcome.
    ///
    /// ```
    /// # use ringpost::blocking::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(peer: &mut impl Requester) -> Result<()> {
    /// let options = CallOptions::new().timeout(std::time::Duration::from_secs(1));
    /// let reply = peer.request("shout", b"hello", &options)?;
    /// assert_eq!(reply.payload, b"HELLO");
    /// # Ok(())
    /// # }
    /// ```
    fn request(&mut self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Reply>;

    /// Sends a request with items in either direction.
    ///
    /// ```
    /// # use ringpost::blocking::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(peer: &mut impl Requester) -> Result<()> {
    /// let mut items = peer.stream("count", b"", &CallOptions::new())?;
    /// while let Some(item) = items.next()? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    fn stream(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>>;

    /// Sends a one-way message without waiting.
    ///
    /// ```
    /// # use ringpost::blocking::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(peer: &mut impl Requester) -> Result<()> {
    /// peer.notify("tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    fn notify(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent>;

    /// Sends a one-way message, and waits until it is being written.
    ///
    /// ```
    /// # use ringpost::blocking::Requester;
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(peer: &mut impl Requester) -> Result<()> {
    /// peer.send("document", &[7; 1 << 20], &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    fn send(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()>;

    /// Calls a method, and waits for its result; see [`typed`](crate::typed).
    ///
    /// ```
    /// # use ringpost::blocking::Requester;
    /// # use ringpost::{Method, Result};
    /// # fn example(peer: &mut impl Requester) -> Result<()> {
    /// const ADD: Method<(i64, i64), i64> = Method::new("add");
    /// assert_eq!(peer.call(&ADD, &(2, 3))?, 5);
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "typed")]
    fn call<P, R>(&mut self, method: &Method<P, R>, params: &P) -> Result<R>
    where
        Self: Sized,
        P: serde::Serialize,
        R: serde::de::DeserializeOwned,
    {
        let payload = typed::encode(params, method.name())?;
        let reply = self.request(method.name(), &payload, method.options())?;
        typed::result_of(method, &reply)
    }

    /// Sends an event without waiting; see [`typed`](crate::typed).
    ///
    /// ```
    /// # use ringpost::blocking::Requester;
    /// # use ringpost::{Event, Result};
    /// # fn example(peer: &mut impl Requester) -> Result<()> {
    /// const TICK: Event<u64> = Event::new("tick");
    /// peer.emit(&TICK, &1)?;
    /// # Ok(())
    /// # }
    /// ```
    #[cfg(feature = "typed")]
    fn emit<P>(&mut self, event: &Event<P>, payload: &P) -> Result<Sent>
    where
        Self: Sized,
        P: serde::Serialize,
    {
        let payload = typed::encode(payload, event.name())?;
        self.notify(event.name(), &payload, event.options())
    }

    /// Calls a stream, whose items are read one by one.
    ///
    /// ```no_run
    /// use ringpost::blocking::{Client, Requester};
    /// use ringpost::{ClientConfig, Stream};
    ///
    /// const COUNT: Stream<u32, u32> = Stream::new("count");
    /// let mut client = Client::connect("counter", &ClientConfig::new())?;
    /// let mut items = client.open(&COUNT, &1)?;
    /// while let Some(number) = items.next()? {
    ///     if number == 3 {
    ///         break;
    ///     }
    /// }
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    #[cfg(feature = "typed")]
    fn open<P, I>(&mut self, stream: &Stream<P, I>, params: &P) -> Result<Items<'_, I>>
    where
        Self: Sized,
        P: serde::Serialize,
        I: serde::de::DeserializeOwned,
    {
        let payload = typed::encode(params, stream.name())?;
        let streaming = self.stream(stream.name(), &payload, stream.options())?;
        Ok(Items { streaming, name: stream.name(), types: std::marker::PhantomData })
    }
}

impl Requester for Client {
    fn request(&mut self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Reply> {
        Self::request(self, method, payload, options)
    }

    fn stream(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>> {
        Self::stream(self, method, payload, options)
    }

    fn notify(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        Self::notify(self, event, payload, options)
    }

    fn send(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        Self::send(self, event, payload, options)
    }
}

/// One client of a server, from [`Server::connection`].
///
/// ```
/// # use ringpost::Change;
/// # use ringpost::blocking::{Requester, Server};
/// # use ringpost::{CallOptions, Result};
/// # fn example(server: &mut Server) -> Result<()> {
/// for change in server.changes() {
///     if let Change::Connected(link, _) = change {
///         server.connection(link).notify("welcome", b"", &CallOptions::new())?;
///     }
/// }
/// # Ok(())
/// # }
/// ```
pub struct Connection<'a> {
    server: &'a mut Server,
    link: LinkId,
}

impl Server {
    /// One of its clients, to send over.
    ///
    /// ```
    /// use ringpost::blocking::{Requester, Server};
    /// use ringpost::{LinkId, Method, Result};
    ///
    /// const VERSION: Method<(), String> = Method::new("version");
    ///
    /// fn version_of(server: &mut Server, client: LinkId) -> Result<String> {
    ///     server.connection(client).call(&VERSION, &())
    /// }
    /// ```
    pub fn connection(&mut self, link: LinkId) -> Connection<'_> {
        Connection { server: self, link }
    }
}

impl Connection<'_> {
    /// Which connection it is.
    pub fn link(&self) -> LinkId {
        self.link
    }
}

impl Requester for Connection<'_> {
    fn request(&mut self, method: &str, payload: &[u8], options: &CallOptions) -> Result<Reply> {
        self.server.request(self.link, method, payload, options)
    }

    fn stream(
        &mut self,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>> {
        self.server.stream(self.link, method, payload, options)
    }

    fn notify(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<Sent> {
        self.server.notify(self.link, event, payload, options)
    }

    fn send(&mut self, event: &str, payload: &[u8], options: &CallOptions) -> Result<()> {
        self.server.send(self.link, event, payload, options)
    }
}

/// The items of a typed stream, from [`Requester::open`]. Dropping it cancels the stream.
///
/// ```
/// # use ringpost::blocking::{Client, Requester};
/// # use ringpost::{Result, Stream};
/// # fn example(client: &mut Client) -> Result<()> {
/// const LINES: Stream<(), String> = Stream::new("lines");
/// let mut lines = client.open(&LINES, &())?;
/// while let Some(line) = lines.next()? {
///     println!("{line}");
/// }
/// # Ok(())
/// # }
/// ```
#[cfg(feature = "typed")]
pub struct Items<'a, I> {
    streaming: Streaming<'a>,
    name: &'static str,
    types: std::marker::PhantomData<fn() -> I>,
}

#[cfg(feature = "typed")]
impl<I: serde::de::DeserializeOwned> Items<'_, I> {
    /// Waits for the next item; `None`: the stream has ended.
    ///
    /// ```
    /// use ringpost::{Result, blocking::Items};
    ///
    /// fn sum(mut items: Items<'_, u64>) -> Result<u64> {
    ///     let mut sum = 0;
    ///     while let Some(item) = items.next()? {
    ///         sum += item;
    ///     }
    ///     Ok(sum)
    /// }
    /// ```
    #[expect(
        clippy::should_implement_trait,
        reason = "an iterator of results goes on after an error"
    )]
    pub fn next(&mut self) -> Result<Option<I>> {
        self.streaming.next()?.map(|item| typed::item_of(&item, self.name)).transpose()
    }
}
