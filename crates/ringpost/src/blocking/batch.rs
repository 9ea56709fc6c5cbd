//! Many one-way messages in a row.

use std::time::Duration;

use ipc_core::{Draft, Result, Sent};

use super::Client;
use crate::api::CallOptions;

/// Messages of a batch after which the peer is shown them.
const BATCH_MESSAGES: u32 = 64;

impl Client {
    /// Starts a batch of one-way messages, which the peer is shown some at a time.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut batch = client.batch("sample", &CallOptions::new())?;
    /// for sample in 0..1000u32 {
    ///     batch.notify(&sample.to_le_bytes())?;
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(&mut self, event: &str, options: &CallOptions) -> Result<Batch<'_>> {
        let draft = options.one_way(self.endpoint.engine.code(event)?);
        Ok(Batch { client: self, draft, unseen: 0 })
    }
}

/// One-way messages of one name, from [`Client::batch`]. The rest is shown when it is dropped.
///
/// ```
/// # use std::time::Duration;
/// # use ringpost::blocking::Client;
/// # use ringpost::{CallOptions, Result};
/// # fn example(client: &mut Client) -> Result<()> {
/// let mut samples = client.batch("sample", &CallOptions::new())?;
/// samples.notify(b"1")?;
/// samples.notify(b"2")?;
/// samples.drain(Duration::from_secs(1))?;
/// # Ok(())
/// # }
/// ```
pub struct Batch<'a> {
    client: &'a mut Client,
    draft: Draft,
    unseen: u32,
}

impl Batch<'_> {
    /// Sends one more.
    ///
    /// ```
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut batch = client.batch("sample", &CallOptions::new())?;
    /// batch.notify(b"1")?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn notify(&mut self, payload: &[u8]) -> Result<Sent> {
        let Client { endpoint, link, .. } = &mut *self.client;
        let run = endpoint.engine.run(*link, &self.draft);
        let sent = match run.and_then(|mut run| run.push(payload)) {
            Some(sent) => sent,
            None => endpoint.engine.send(*link, &self.draft, payload)?,
        };
        self.unseen += 1;
        if self.unseen == BATCH_MESSAGES || sent == Sent::Queued {
            self.unseen = 0;
            endpoint.engine.flush();
        }
        Ok(sent)
    }

    /// Waits until nothing waits for room in private memory any more.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::blocking::{Answer, Client};
    /// # use ringpost::{CallOptions, Result};
    /// # fn example(client: &mut Client) -> Result<()> {
    /// let mut batch = client.batch("sample", &CallOptions::new())?;
    /// batch.notify(b"1")?;
    /// batch.drain(Duration::from_secs(1))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn drain(&mut self, timeout: Duration) -> Result<()> {
        self.client.drain(timeout)
    }
}

impl Drop for Batch<'_> {
    fn drop(&mut self) {
        self.client.endpoint.engine.flush();
    }
}
