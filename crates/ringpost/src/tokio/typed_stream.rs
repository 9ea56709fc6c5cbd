//! Both ends of a typed stream.

use std::marker::PhantomData;

use ipc_core::Result;
use serde::Serialize;
use serde::de::DeserializeOwned;

use super::stream::Streaming;
use crate::typed;

/// The items of a typed stream, from [`Requester::open`](super::Requester::open). Dropping it
/// cancels the stream.
///
/// ```
/// # use ringpost::tokio::{Client, Requester};
/// # use ringpost::{Result, Stream};
/// # async fn example(client: &Client) -> Result<()> {
/// const LINES: Stream<(), String> = Stream::new("lines");
/// let lines = client.open(&LINES, &())?;
/// while let Some(line) = lines.next().await? {
///     println!("{line}");
/// }
/// # Ok(())
/// # }
/// ```
#[must_use = "a stream that is dropped is cancelled"]
pub struct Items<I> {
    streaming: Streaming,
    name: &'static str,
    types: PhantomData<fn() -> I>,
}

impl<I> Items<I> {
    pub(super) fn new(streaming: Streaming, name: &'static str) -> Self {
        Self { streaming, name, types: PhantomData }
    }
}

impl<I: DeserializeOwned> Items<I> {
    /// Waits for the next item; `None`: the stream has ended.
    ///
    /// ```
    /// use ringpost::{Result, tokio::Items};
    ///
    /// async fn sum(items: Items<u64>) -> Result<u64> {
    ///     let mut sum = 0;
    ///     while let Some(item) = items.next().await? {
    ///         sum += item;
    ///     }
    ///     Ok(sum)
    /// }
    /// ```
    pub async fn next(&self) -> Result<Option<I>> {
        self.streaming.next().await?.map(|item| typed::item_of(&item, self.name)).transpose()
    }
}

/// Where the handler of a typed stream sends its items.
///
/// ```
/// use ringpost::Stream;
/// use ringpost::tokio::{Handlers, ItemSender};
///
/// const LINES: Stream<(), String> = Stream::new("lines");
/// let handlers =
///     Handlers::new().serve_stream(&LINES, |(), lines: ItemSender<String>, _| async move {
///         for line in ["one", "two"] {
///             lines.send(&line.into()).await?;
///         }
///         Ok(())
///     });
/// ```
pub struct ItemSender<I> {
    streaming: Streaming,
    name: &'static str,
    types: PhantomData<fn(I)>,
}

impl<I> ItemSender<I> {
    pub(super) fn new(streaming: Streaming, name: &'static str) -> Self {
        Self { streaming: streaming.typed(), name, types: PhantomData }
    }
}

impl<I: Serialize> ItemSender<I> {
    /// Sends an item, and waits while the caller does not keep up.
    ///
    /// ```
    /// use ringpost::tokio::{ItemSender, StreamError};
    ///
    /// async fn count(from: u64, items: ItemSender<u64>) -> Result<(), StreamError> {
    ///     for number in from..from + 10 {
    ///         items.send(&number).await?;
    ///     }
    ///     Ok(())
    /// }
    /// ```
    pub async fn send(&self, item: &I) -> Result<()> {
        let payload = typed::encode(item, self.name);
        self.streaming.send(&payload?).await
    }
}
