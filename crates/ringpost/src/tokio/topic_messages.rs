//! The messages of a topic as they come, for tasks.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use ipc_core::Result;

use super::published::Waiting;
use crate::published::{OwnedMessage, TopicSubscriber};

/// The messages of a topic, for ever. It ends with the first error. All of one runtime share one
/// queue of the kernel's, whatever they wait for.
///
/// ```
/// use ringpost::published::{
///     Place, TopicMode, TopicOptions, TopicPublisher, TopicStart, TopicSubscriber,
/// };
/// use ringpost::tokio::TopicMessages;
/// # let directory = std::env::temp_dir().join(format!("ringpost-msg-{}", std::process::id()));
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// # let place = Place::at(&directory);
///
/// let subscriber =
///     TopicSubscriber::open("alerts", &place, TopicMode::Lossless, TopicStart::Next)?;
/// let mut messages = TopicMessages::of(subscriber);
/// // In another process, say.
/// let mut publisher = TopicPublisher::create("alerts", &place, &TopicOptions::default())?;
/// publisher.publish(b"door open")?;
///
/// let message = messages.next().await.expect("it never ends")?;
/// assert_eq!(message.bytes, b"door open");
/// # publisher.remove();
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "nothing is read until it is polled"]
pub struct TopicMessages {
    subscriber: TopicSubscriber,
    waiting: Waiting,
    is_over: bool,
}

impl TopicMessages {
    /// Those that this subscriber has not returned yet.
    ///
    /// ```
    /// # use ringpost::published::TopicSubscriber;
    /// # use ringpost::tokio::TopicMessages;
    /// # fn example(subscriber: TopicSubscriber) -> TopicMessages {
    /// TopicMessages::of(subscriber)
    /// # }
    /// ```
    pub fn of(subscriber: TopicSubscriber) -> Self {
        Self { subscriber, waiting: Waiting::default(), is_over: false }
    }

    /// Waits for the next one. A wait that is dropped loses nothing.
    ///
    /// ```
    /// # use ringpost::tokio::TopicMessages;
    /// # async fn example(messages: &mut TopicMessages) -> ringpost::Result<()> {
    /// while let Some(message) = messages.next().await {
    ///     println!("number {}", message?.number);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<OwnedMessage>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The subscriber, to ask what was counted.
    ///
    /// ```
    /// # use ringpost::tokio::TopicMessages;
    /// # fn example(messages: &mut TopicMessages) {
    /// println!("{} were missed", messages.subscriber().stats().skipped);
    /// # }
    /// ```
    pub fn subscriber(&mut self) -> &mut TopicSubscriber {
        &mut self.subscriber
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<OwnedMessage>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let Self { subscriber, waiting, .. } = self;
        let (watch, look) = (TopicSubscriber::watch, TopicSubscriber::look);
        waiting.poll(context, subscriber, watch, look).map(|found| {
            self.is_over = found.is_err();
            found.map(|()| self.subscriber.last_message()).transpose()
        })
    }
}

impl Stream for TopicMessages {
    type Item = Result<OwnedMessage>;

    fn poll_next(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<OwnedMessage>>> {
        self.get_mut().poll(context)
    }
}

impl std::fmt::Debug for TopicMessages {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicMessages")
            .field("subscriber", &self.subscriber)
            .finish_non_exhaustive()
    }
}
