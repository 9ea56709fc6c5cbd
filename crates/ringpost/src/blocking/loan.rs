//! Messages that are written in place, in shared memory.

use std::ops::{Deref, DerefMut};
use std::ptr::NonNull;

use ipc_core::{Draft, LinkId, Reservation, Result};

use super::Client;
use super::endpoint::Endpoint;
use crate::api::{CallOptions, Reply};

impl Client {
    /// Finds room for a one-way message of `len` bytes in the memory shared with the server, to be
    /// filled there instead of being copied there. It has to fit into one frame, a quarter of its
    /// lane's ring less a few bytes, or it is refused with
    /// [`Code::TooLarge`](crate::Code::TooLarge); while the ring is full it is refused with
    /// [`Code::Full`](crate::Code::Full).
    ///
    /// ```
    /// # use ringpost::blocking::{Client, Server};
    /// # use ringpost::{CallOptions, ClientConfig, ServerConfig};
    /// # let name = format!("ringpost-loan-{}", std::process::id());
    /// # let directory = std::env::temp_dir().join(name);
    /// # let mut server = Server::bind("demo", &ServerConfig::new().directory(&directory))?;
    /// # let stopper = server.stopper();
    /// # let serving = std::thread::spawn(move || server.run());
    /// # let mut client = Client::connect("demo", &ClientConfig::new().directory(&directory))?;
    /// let mut image = client.loan("image", 64 << 10, &CallOptions::default())?;
    /// for row in 0..64 {
    ///     image.write(row << 10, &[0x7f; 1 << 10]);
    /// }
    /// image.send()?;
    /// # stopper.stop();
    /// # serving.join().unwrap()?;
    /// # std::fs::remove_dir_all(directory).unwrap();
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn loan(&mut self, event: &str, len: usize, options: &CallOptions) -> Result<Loan<'_>> {
        Loan::new(&mut self.endpoint, self.link, event, len, options)
    }

    /// As [`Self::loan`], for a request.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut image = client.loan_request("resize", 64 << 10, &CallOptions::new())?;
    /// image.write(0, &[0x7f; 64 << 10]);
    /// let reply = image.request()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn loan_request(
        &mut self,
        method: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<RequestLoan<'_>> {
        RequestLoan::new(&mut self.endpoint, self.link, method, len, options)
    }
}

/// Space for a one-way message in the memory shared with the peer, which sees nothing of it before
/// [`Loan::send`]. Dropping it sends nothing.
///
/// ```
/// # use ringpost::blocking::Client;
/// # use ringpost::{CallOptions, Result};
/// # fn example(client: &mut Client, pixels: &[u8]) -> Result<()> {
/// let mut image = client.loan("image", pixels.len(), &CallOptions::new())?;
/// image.write(0, pixels);
/// image.send()?;
/// # Ok(())
/// # }
/// ```
pub struct Loan<'a> {
    endpoint: &'a mut Endpoint,
    link: LinkId,
    draft: Draft,
    reservation: Reservation,
}

impl<'a> Loan<'a> {
    pub(super) fn new(
        endpoint: &'a mut Endpoint,
        link: LinkId,
        event: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<Self> {
        let draft = options.one_way(endpoint.engine.code(event)?);
        let reservation = endpoint.engine.reserve(link, &draft, len)?;
        Ok(Self { endpoint, link, draft, reservation })
    }

    /// Bytes of the message.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let image = client.loan("image", 4096, &CallOptions::new())?;
    /// assert_eq!(image.len(), 4096);
    /// # Ok(())
    /// # }
    /// ```
    #[expect(clippy::len_without_is_empty, reason = "it is as long as was asked for")]
    pub fn len(&self) -> usize {
        self.reservation.len
    }

    /// Copies `bytes` to `offset` of the message. Panics where they do not fit.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut image = client.loan("image", 4096, &CallOptions::new())?;
    /// image.write(1024, &[0x7f; 1024]);
    /// image.send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn write(&mut self, offset: usize, bytes: &[u8]) {
        self.endpoint.engine.fill(self.link, &self.reservation, offset, bytes);
    }

    /// Where the message lies, for callers that make it in place: [`Self::len`] bytes, valid while
    /// this loan is, with anything in them until they are written. The peer can write there too, so
    /// they are reached through this pointer and never through a reference.
    pub fn as_ptr(&self) -> NonNull<u8> {
        self.endpoint.engine.reserved_pointer(self.link, &self.reservation)
    }

    /// Sends the message as it lies there now.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut image = client.loan("image", 4096, &CallOptions::new())?;
    /// image.write(0, &[0x7f; 4096]);
    /// image.send()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn send(self) -> Result<()> {
        self.endpoint.engine.send_reserved(self.link, &self.draft, &self.reservation)
    }
}

/// Space for a request, as [`Loan`].
///
/// ```
/// # use ringpost::blocking::Client;
/// # use ringpost::{CallOptions, Result};
/// # fn example(client: &mut Client, pixels: &[u8]) -> Result<()> {
/// let mut image = client.loan_request("resize", pixels.len(), &CallOptions::new())?;
/// image.write(0, pixels);
/// let smaller = image.request()?.payload;
/// # Ok(())
/// # }
/// ```
pub struct RequestLoan<'a> {
    loan: Loan<'a>,
}

impl<'a> RequestLoan<'a> {
    pub(super) fn new(
        endpoint: &'a mut Endpoint,
        link: LinkId,
        method: &str,
        len: usize,
        options: &CallOptions,
    ) -> Result<Self> {
        let code = endpoint.engine.code(method)?;
        // The option block, which lies in front of the payload, is as long for every id.
        let draft = options.request(code, 0, endpoint.timeout);
        let reservation = endpoint.engine.reserve(link, &draft, len)?;
        Ok(Self { loan: Loan { endpoint, link, draft, reservation } })
    }

    /// Sends the request as it lies there now, and waits for its outcome.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut image = client.loan_request("resize", 4096, &CallOptions::new())?;
    /// image.write(0, &[0x7f; 4096]);
    /// let reply = image.request()?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn request(self) -> Result<Reply> {
        let Loan { endpoint, link, mut draft, reservation } = self.loan;
        let mut reply = Reply::default();
        let ids = endpoint.begin(link, &mut reply.payload);
        draft.id = ids.wire;
        let sent = endpoint.engine.send_reserved(link, &draft, &reservation);
        reply.codec = endpoint.conclude(link, ids, sent, &mut reply.payload)?;
        Ok(reply)
    }
}

impl<'a> Deref for RequestLoan<'a> {
    type Target = Loan<'a>;

    fn deref(&self) -> &Loan<'a> {
        &self.loan
    }
}

impl DerefMut for RequestLoan<'_> {
    fn deref_mut(&mut self) -> &mut Self::Target {
        &mut self.loan
    }
}
