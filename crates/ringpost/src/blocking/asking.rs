//! What a server sends to its clients.

use ipc_core::{Error, LinkId, RemoteError, Result, Sent};

use super::{Loan, RequestLoan, Server, Streaming, Ticket};
use crate::api::{CallOptions, Reply};

impl Server {
    /// Sends a client a request, and waits for its outcome while serving all clients.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let reply = server.request(link, "name", b"", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(
        &mut self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Reply> {
        let mut reply = Reply::default();
        let code = self.endpoint.engine.code(method)?;
        reply.codec = self.endpoint.request(link, code, payload, options, &mut reply.payload)?;
        Ok(reply)
    }

    /// Sends a client a request with items in either direction.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let mut stream = server.stream(link, "count", b"", &CallOptions::new())?;
    /// while let Some(item) = stream.next()? {
    ///     println!("{} bytes", item.payload.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn stream(
        &mut self,
        link: LinkId,
        method: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Streaming<'_>> {
        Streaming::ask(&mut self.endpoint, link, method, payload, options)
    }

    /// The items of a request that is answered later. The error, for a request that is no
    /// stream, is meant for the caller. It may be called again, to go on with a stream after
    /// something else.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Reply, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let (tickets, streams) = std::sync::mpsc::channel();
    /// server.handle("count", move |request, _| {
    ///     tickets.send(request.ticket()).expect("it is received below");
    ///     Ok(Answer::Later)
    /// });
    /// if let Ok(ticket) = streams.try_recv() {
    ///     let served = server.take_stream(&ticket).and_then(|mut items| {
    ///         items.send(b"one")?;
    ///         Ok(Reply::default())
    ///     });
    ///     server.answer(&ticket, served.as_ref())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn take_stream(&mut self, ticket: &Ticket) -> Result<Streaming<'_>, RemoteError> {
        Streaming::serve(&mut self.endpoint, ticket)
    }

    /// Sends a client a one-way message without waiting.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.notify(link, "tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify(
        &mut self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Sent> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        let sent = self.endpoint.engine.send(link, &draft, payload);
        self.endpoint.engine.flush();
        sent
    }

    /// As [`Self::notify`], and waits until the message is being written.
    /// [`Code::Full`](crate::Code::Full): its lane has dropped it.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// server.send(link, "tick", b"1", &CallOptions::new())?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(
        &mut self,
        link: LinkId,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<()> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        self.endpoint.send(link, &draft, payload)
    }

    /// Sends some clients, or all [`Self::peers`], a one-way message. Returns those it could not be
    /// sent to, with the reason.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let all: Vec<_> = server.peers().into_iter().map(|(link, _)| link).collect();
    /// let failed = server.notify_each(all, "tick", b"1", &CallOptions::new())?;
    /// assert!(failed.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn notify_each(
        &mut self,
        links: impl IntoIterator<Item = LinkId>,
        event: &str,
        payload: &[u8],
        options: &CallOptions,
    ) -> Result<Vec<(LinkId, Error)>> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        let mut left = Vec::new();
        for link in links {
            if let Err(error) = self.endpoint.engine.send(link, &draft, payload) {
                left.push((link, error));
            }
        }
        self.endpoint.engine.flush();
        Ok(left)
    }

    /// Reserves space for a one-way message to a client, as [`super::Client::loan`].
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let mut image = server.loan(link, "image", 4096, &CallOptions::new())?;
    /// image.write(0, &[0x7f; 4096]);
    /// image.send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn loan(
        &mut self,
        link: LinkId,
        event: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<Loan<'_>> {
        Loan::new(&mut self.endpoint, link, event, len, options)
    }

    /// As [`Self::loan`], for a request.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Server};
    /// # use ringpost::{CallOptions, LinkId, Result};
    /// # fn example(server: &mut Server, link: LinkId) -> Result<()> {
    /// let mut image = server.loan_request(link, "resize", 4096, &CallOptions::new())?;
    /// image.write(0, &[0x7f; 4096]);
    /// let reply = image.request()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn loan_request(
        &mut self,
        link: LinkId,
        method: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<RequestLoan<'_>> {
        RequestLoan::new(&mut self.endpoint, link, method, len, options)
    }
}
