//! The values of a state frame as they change, for tasks.

use std::future::poll_fn;
use std::pin::Pin;
use std::task::{Context, Poll};

use futures_core::Stream;
use ipc_core::Result;

use super::published::Waiting;
use crate::published::{Frame, StateFrameReader};

/// The newest value of a state frame each time there is another, for ever. Those that were replaced
/// before this was polled again are skipped. The last one of a writer comes once more when that is
/// gone, as [`FrameStatus::Stale`](crate::published::FrameStatus::Stale). It ends with the first
/// error.
///
/// All of one runtime share one queue of the kernel's, whatever they wait for. A value that its
/// writer has not rung for, because it had rung for another a moment before, is seen after a
/// millisecond, the resolution of tokio's timers.
///
/// ```
/// use ringpost::published::{FrameConfig, Place, StateFrameReader, StateFrameWriter};
/// use ringpost::tokio::FrameChanges;
/// # let directory = std::env::temp_dir().join(format!("ringpost-chg-{}", std::process::id()));
/// # let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
/// # runtime.block_on(async {
/// # let place = Place::at(&directory);
///
/// let reader = StateFrameReader::open("position", &place)?;
/// let mut changes = FrameChanges::of(reader);
/// // In another process, say.
/// let mut writer = StateFrameWriter::create("position", &FrameConfig::new().place(place))?;
/// writer.write(b"here")?;
///
/// let frame = changes.next().await.expect("it never ends")?;
/// assert_eq!(frame.bytes, b"here");
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// # }).unwrap();
/// ```
#[must_use = "nothing is read until it is polled"]
pub struct FrameChanges {
    reader: StateFrameReader,
    waiting: Waiting,
    is_over: bool,
}

impl FrameChanges {
    /// Those that this reader has not returned yet.
    ///
    /// ```
    /// use ringpost::published::{Place, StateFrameReader};
    /// use ringpost::tokio::FrameChanges;
    ///
    /// let reader = StateFrameReader::open("position", &Place::default())?;
    /// let changes = FrameChanges::of(reader);
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn of(reader: StateFrameReader) -> Self {
        Self { reader, waiting: Waiting::default(), is_over: false }
    }

    /// Waits for the next one. A wait that is dropped loses nothing.
    ///
    /// ```
    /// # use ringpost::tokio::FrameChanges;
    /// # async fn example(changes: &mut FrameChanges) -> ringpost::Result<()> {
    /// while let Some(frame) = changes.next().await {
    ///     println!("number {}", frame?.number);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub async fn next(&mut self) -> Option<Result<Frame>> {
        poll_fn(|context| self.poll(context)).await
    }

    /// The reader, to read in between and to ask what was counted.
    ///
    /// ```
    /// # use ringpost::tokio::FrameChanges;
    /// # fn example(changes: &mut FrameChanges) {
    /// println!("{} were skipped", changes.reader().stats().skipped);
    /// # }
    /// ```
    pub fn reader(&mut self) -> &mut StateFrameReader {
        &mut self.reader
    }

    fn poll(&mut self, context: &mut Context<'_>) -> Poll<Option<Result<Frame>>> {
        if self.is_over {
            return Poll::Ready(None);
        }
        let Self { reader, waiting, .. } = self;
        let polled = waiting.poll(context, reader, StateFrameReader::watch, StateFrameReader::look);
        polled.map(|found| {
            self.is_over = found.is_err();
            Some(found.map(|()| self.reader.last_frame()))
        })
    }
}

impl Stream for FrameChanges {
    type Item = Result<Frame>;

    fn poll_next(self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Option<Result<Frame>>> {
        self.get_mut().poll(context)
    }
}

impl std::fmt::Debug for FrameChanges {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("FrameChanges").field("reader", &self.reader).finish_non_exhaustive()
    }
}
