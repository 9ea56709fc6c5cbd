//! The values of a key of a map as they change, for tasks.

use std::future::{Future, poll_fn};
use std::pin::Pin;
use std::task::{Context, Poll};

use ::tokio::time::{Instant, Sleep, sleep_until};
use futures_core::Stream;
use ipc_core::Result;

use super::published::Waiting;
use crate::published::KeyWatch;

/// The values of one key each time there is another, for ever; `None`: it is missing now. The first
/// is what is there. Those that were replaced before this was polled again are skipped. It ends
/// with the first error.
///
/// ```
/// use ringpost::published::{KeyWatch, MapConfig, MapReader, MapWriter, Place};
/// use ringpost::tokio::KeyChanges;
/// # let directory = std::env::temp_dir().join(format!("ringpost-kch-{}", std::process::id()));
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// # let place = Place::at(&directory);
///
/// let reader = MapReader::open("flags", &place)?;
/// let mut trial = KeyChanges::of(KeyWatch::of(reader, "trial"));
/// assert_eq!(trial.next().await.expect("it never ends")?, None);
/// // In another process, say.
/// let mut flags = MapWriter::create("flags", &MapConfig::new().place(place))?;
/// flags.set("trial", b"on", None)?;
///
/// assert_eq!(trial.next().await.expect("it never ends")?, Some(b"on".to_vec()));
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "nothing is looked up until it is polled"]
pub struct KeyChanges {
    watch: KeyWatch,
    waiting: Waiting,
    /// Until the value that was seen expires, which rings nothing.
    expiry: Option<Pin<Box<Sleep>>>,
    is_over: bool,
}

impl KeyChanges {
    /// Those that were not waited for yet.
    ///
    /// ```
    /// use ringpost::published::{KeyWatch, MapReader, Place};
    /// use ringpost::tokio::KeyChanges;
    ///
    /// let reader = MapReader::open("flags", &Place::default())?;
    /// let changes = KeyChanges::of(KeyWatch::of(reader, "trial"));
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn of(watch: KeyWatch) -> Self {
        Self { watch, waiting: Waiting::default(), expiry: None, is_over: false }
    }

    /// Waits for the next one. A wait that is dropped loses nothing.
    ///
    /// ```
    /// # use ringpost::tokio::KeyChanges;
    /// # async fn example(changes: &mut KeyChanges) -> ringpost::Result<()> {
    /// while let Some(value) = changes.next().await {
    ///     println!("{:?}", value?);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Option<Vec<u8>>>> {
        poll_fn(|context| self.poll(context)).await
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Option<Vec<u8>>>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        loop {
            let Self { watch, waiting, .. } = self;
            let polled = waiting.poll(context, watch, KeyWatch::watch, KeyWatch::look);
            if let Poll::Ready(found) = polled {
                self.expiry = None;
                self.is_over = found.is_err();
                return Poll::Ready(Some(found.map(|()| self.watch.last_value())));
            }
            let Some(left) = self.watch.expires().remaining() else { return Poll::Pending };
            // A time beyond tokio's is beyond that of this process.
            let Some(due) = Instant::now().checked_add(left) else { return Poll::Pending };
            let expiry = self.expiry.get_or_insert_with(|| Box::pin(sleep_until(due)));
            if expiry.as_mut().poll(context).is_pending() {
                return Poll::Pending;
            }
            self.expiry = None;
        }
    }
}

impl Stream for KeyChanges {
    type Item = Result<Option<Vec<u8>>>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Self::Item>> {
        self.get_mut().poll(context)
    }
}

impl std::fmt::Debug for KeyChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyChanges").field("watch", &self.watch).finish_non_exhaustive()
    }
}
