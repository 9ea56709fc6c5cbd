//! Topics: subscribing, and waiting for the next message.

use std::time::Duration;

use ipc_core::{
    Place, Result, Time, TopicMessage, TopicMode, TopicStart, TopicStats, WatchId, Watcher,
};

use super::waiting::Waiter;

/// A message of a topic, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct OwnedMessage {
    /// The message.
    pub bytes: Vec<u8>,
    /// Its number, from 1 on; each publisher begins anew.
    pub number: u64,
    /// The number of its publisher among all that the topic had.
    pub generation: u64,
    /// When it was published.
    pub written_at: Time,
    /// Messages that this subscriber has missed just before it.
    pub skipped: u64,
    /// It is the first one of another publisher than the one before.
    pub is_restarted: bool,
}

impl From<TopicMessage<'_>> for OwnedMessage {
    fn from(message: TopicMessage<'_>) -> Self {
        let TopicMessage { bytes, number, generation, written_at, skipped, is_restarted } = message;
        let bytes = bytes.to_vec();
        Self { bytes, number, generation, written_at, skipped, is_restarted }
    }
}

/// One of any number of subscribers of a topic. It can be made before there is a publisher, and
/// outlives all of them.
///
/// ```
/// use std::time::Duration;
/// use ringpost::published::{
///     Place, TopicMode, TopicOptions, TopicPublisher, TopicStart, TopicSubscriber,
/// };
/// # let directory = std::env::temp_dir().join(format!("ringpost-topic-{}", std::process::id()));
///
/// let place = Place::at(&directory); // Place::default() is where all of this user meet
/// let mut subscriber =
///     TopicSubscriber::open("alerts", &place, TopicMode::Lossy, TopicStart::Next)?;
///
/// // In another process, say.
/// let mut publisher = TopicPublisher::create("alerts", &place, &TopicOptions::default())?;
/// publisher.publish(b"door open")?;
///
/// let message = subscriber.receive(Duration::from_secs(5))?.expect("it was published");
/// assert_eq!((message.bytes, message.number, message.skipped), (&b"door open"[..], 1, 0));
/// # publisher.remove();
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct TopicSubscriber {
    topic: ipc_core::TopicSubscriber,
    /// Since it has waited first.
    waiter: Option<Waiter>,
}

impl TopicSubscriber {
    /// Subscribes. Where it starts is about what is there now: of a publisher that comes later it
    /// gets everything from the beginning.
    ///
    /// # Errors
    /// What there is under this name is no topic, or not this user's, or cannot be read;
    /// [`Code::Full`](crate::Code::Full): there are 64 lossless subscribers.
    ///
    /// ```
    /// use ringpost::published::{Place, TopicMode, TopicStart, TopicSubscriber};
    ///
    /// let place = Place::default();
    /// let opened = TopicSubscriber::open("../x", &place, TopicMode::Latest, TopicStart::Newest);
    /// assert!(opened.is_err());
    /// ```
    pub fn open(name: &str, place: &Place, mode: TopicMode, start: TopicStart) -> Result<Self> {
        let topic = ipc_core::TopicSubscriber::open(name, place, mode, start)?;
        Ok(Self { topic, waiter: None })
    }

    /// The next message, if there is one, without waiting.
    ///
    /// # Errors
    /// Of a lossless subscriber: [`Code::Lagged`](crate::Code::Lagged), because it was too slow, or
    /// [`Code::Corrupt`](crate::Code::Corrupt). It is over then.
    ///
    /// ```
    /// # use ringpost::published::TopicSubscriber;
    /// # fn example(subscriber: &mut TopicSubscriber) -> ringpost::Result<()> {
    /// while let Some(message) = subscriber.read()? {
    ///     println!("number {}, after {} that were missed", message.number, message.skipped);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn read(&mut self) -> Result<Option<TopicMessage<'_>>> {
        self.topic.read()
    }

    /// The next message; `None`: there was none for so long. [`Duration::MAX`] is for ever.
    ///
    /// The thread sleeps meanwhile. All of this process that wait share one queue of the kernel's,
    /// whatever they wait for.
    ///
    /// # Errors
    /// As [`read`](Self::read); or the system has no queue left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::published::TopicSubscriber;
    /// # fn example(subscriber: &mut TopicSubscriber) -> ringpost::Result<()> {
    /// match subscriber.receive(Duration::from_millis(100))? {
    ///     Some(message) => println!("{} bytes", message.bytes.len()),
    ///     None => println!("no news"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn receive(&mut self, timeout: Duration) -> Result<Option<TopicMessage<'_>>> {
        if self.topic.advance()? {
            return Ok(self.topic.last());
        }
        let until = Time::now() + timeout;
        // Taken out, so that it is asked and the rest looks.
        let mut waiter = Waiter::of_thread(self.waiter.take(), |watcher| self.watch(watcher))?;
        let found = waiter.wait_until(until, || self.look());
        self.waiter = Some(waiter);
        Ok(found?.and_then(|()| self.topic.last()))
    }

    /// Waits so long at most until there is a message, and gives `each` all that there are, so many
    /// at most. Returns how many there were.
    ///
    /// # Errors
    /// As [`receive`](Self::receive); `each` has had those before.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::published::TopicSubscriber;
    /// # fn example(subscriber: &mut TopicSubscriber) -> ringpost::Result<()> {
    /// let count = subscriber.batch(Duration::from_millis(100), 1000, |message| {
    ///     println!("number {}", message.number);
    /// })?;
    /// assert!(count <= 1000);
    /// # Ok(())
    /// # }
    /// ```
    pub fn batch(
        &mut self,
        timeout: Duration,
        count_max: usize,
        mut each: impl FnMut(TopicMessage<'_>),
    ) -> Result<usize> {
        let Some(first) = self.receive(timeout)? else { return Ok(0) };
        each(first);
        let mut count = 1;
        while count < count_max {
            let Some(message) = self.topic.read()? else { break };
            each(message);
            count += 1;
        }
        Ok(count)
    }

    /// All messages, for which it waits for ever. It ends with the first error.
    ///
    /// ```
    /// # use ringpost::published::TopicSubscriber;
    /// # fn example(subscriber: &mut TopicSubscriber) -> ringpost::Result<()> {
    /// for message in subscriber.messages() {
    ///     println!("{:?}", message?.bytes);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn messages(&mut self) -> Messages<'_> {
        Messages { subscriber: self, is_over: false }
    }

    /// Whether the publisher lives whose messages are read. A system call.
    ///
    /// ```
    /// # use ringpost::published::TopicSubscriber;
    /// # fn example(subscriber: &TopicSubscriber) {
    /// if !subscriber.has_publisher() {
    ///     println!("the publisher is gone");
    /// }
    /// # }
    /// ```
    pub fn has_publisher(&self) -> bool {
        self.topic.has_publisher()
    }

    /// What was counted.
    ///
    /// ```
    /// # use ringpost::published::TopicSubscriber;
    /// # fn example(subscriber: &TopicSubscriber) {
    /// println!("{} were missed", subscriber.stats().skipped);
    /// # }
    /// ```
    pub fn stats(&self) -> TopicStats {
        self.topic.stats()
    }

    pub(crate) fn watch(&mut self, watcher: &mut Watcher) -> WatchId {
        self.topic.watch(watcher)
    }

    /// Reads the next one, if there is one.
    pub(crate) fn look(&mut self) -> Result<Option<()>> {
        Ok(self.topic.advance()?.then_some(()))
    }

    /// What was read last.
    pub(crate) fn last_message(&self) -> Option<OwnedMessage> {
        self.topic.last().map(OwnedMessage::from)
    }
}

impl std::fmt::Debug for TopicSubscriber {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("TopicSubscriber").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The messages of a subscriber: [`TopicSubscriber::messages`].
#[derive(Debug)]
pub struct Messages<'a> {
    subscriber: &'a mut TopicSubscriber,
    is_over: bool,
}

impl Iterator for Messages<'_> {
    type Item = Result<OwnedMessage>;

    fn next(&mut self) -> Option<Self::Item> {
        while !self.is_over {
            match self.subscriber.receive(Duration::MAX) {
                Ok(Some(_)) => return self.subscriber.last_message().map(Ok),
                // A time that is never over.
                Ok(None) => {}
                Err(error) => {
                    self.is_over = true;
                    return Some(Err(error));
                }
            }
        }
        None
    }
}
