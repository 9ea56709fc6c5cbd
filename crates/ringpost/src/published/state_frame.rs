//! State frames: writing one, reading one, and waiting for the next value.

use std::time::Duration;

use ipc_core::{
    FrameHead, FrameRead, FrameStats, FrameStatus, Place, Result, Time, WatchId, Watcher,
};

use super::config::FrameConfig;
use super::waiting::Waiter;

/// The one writer of a state frame. It never waits for readers.
///
/// Dropped, it leaves the last value behind, which readers get as [`FrameStatus::Stale`].
///
/// ```
/// use ringpost::published::{FrameConfig, StateFrameWriter};
/// # let directory = std::env::temp_dir().join(format!("ringpost-writer-{}", std::process::id()));
/// # let config = FrameConfig::new().directory(&directory);
///
/// let mut writer = StateFrameWriter::create("position", &config)?;
/// assert_eq!(writer.write(b"here")?, 1);
/// assert_eq!(writer.write(b"there")?, 2);
/// writer.remove();
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct StateFrameWriter(ipc_core::StateFrameWriter);

impl StateFrameWriter {
    /// Becomes the writer of the frame `name`.
    ///
    /// # Errors
    /// [`Code::NameInUse`](crate::Code::NameInUse): it has a writer that lives.
    ///
    /// ```
    /// use ringpost::Code;
    /// use ringpost::published::{FrameConfig, StateFrameWriter};
    /// # let directory = std::env::temp_dir().join(format!("ringpost-one-{}", std::process::id()));
    /// # let config = FrameConfig::new().directory(&directory);
    ///
    /// let writer = StateFrameWriter::create("position", &config)?;
    /// let second = StateFrameWriter::create("position", &config);
    /// assert_eq!(second.err().unwrap().code(), Code::NameInUse);
    /// # std::fs::remove_dir_all(directory).unwrap();
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn create(name: &str, config: &FrameConfig) -> Result<Self> {
        ipc_core::StateFrameWriter::create(name, &config.place, &config.options).map(Self)
    }

    /// Replaces the value. Returns its number, one more than that of the last one. Numbers go on
    /// over restarts of the writer.
    ///
    /// # Errors
    /// [`Code::NameInUse`](crate::Code::NameInUse): another writer has taken the name;
    /// [`Code::TooLarge`](crate::Code::TooLarge): more than
    /// [`FRAME_LEN_MAX`](super::FRAME_LEN_MAX) bytes.
    ///
    /// ```
    /// # use ringpost::published::StateFrameWriter;
    /// # fn example(writer: &mut StateFrameWriter) -> ringpost::Result<()> {
    /// let number = writer.write(b"here")?;
    /// assert_eq!(writer.number(), number);
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn write(&mut self, value: &[u8]) -> Result<u64> {
        self.0.write(value)
    }

    /// The number of the last value, also of one that a writer before has written; 0: there was
    /// none.
    ///
    /// ```
    /// # use ringpost::published::StateFrameWriter;
    /// # fn example(writer: &StateFrameWriter) {
    /// println!("{} values so far", writer.number());
    /// # }
    /// ```
    pub fn number(&self) -> u64 {
        self.0.number()
    }

    /// Bytes that fit without a new file.
    ///
    /// ```
    /// # use ringpost::published::StateFrameWriter;
    /// # fn example(writer: &StateFrameWriter) {
    /// println!("room for {} bytes", writer.capacity());
    /// # }
    /// ```
    pub fn capacity(&self) -> usize {
        self.0.capacity()
    }

    /// Ends it and removes its file: readers that open it later find nothing.
    ///
    /// ```
    /// # use ringpost::published::StateFrameWriter;
    /// # fn example(writer: StateFrameWriter) {
    /// writer.remove();
    /// # }
    /// ```
    pub fn remove(self) {
        self.0.remove();
    }
}

impl std::fmt::Debug for StateFrameWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateFrameWriter").field("number", &self.number()).finish_non_exhaustive()
    }
}

/// A value of a state frame, copied.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Frame {
    /// The value.
    pub bytes: Vec<u8>,
    /// It grows by one with each write, also of the next writer.
    pub number: u64,
    /// When it was written.
    pub written_at: Time,
    /// When it was written, in nanoseconds since 1970.
    pub unix_nanos: u64,
    /// [`FrameStatus::Stale`] if its writer was gone when this was read.
    pub status: FrameStatus,
}

impl Frame {
    fn of(read: &FrameRead<'_>) -> Self {
        let &FrameRead { status, bytes, number, written_at, unix_nanos } = read;
        Self { bytes: bytes.into(), number, written_at, unix_nanos, status }
    }
}

/// One of any number of readers of a state frame. It can be made before there is a writer, and
/// outlives all of them.
///
/// ```
/// use ringpost::published::{FrameStatus, Place, StateFrameReader};
///
/// let mut reader = StateFrameReader::open("position", &Place::default())?;
/// match reader.read()? {
///     read if read.status == FrameStatus::Empty => println!("nothing yet"),
///     read => println!("number {}: {} bytes", read.number, read.bytes.len()),
/// }
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct StateFrameReader {
    reader: ipc_core::StateFrameReader,
    last: Last,
    /// Since it has waited first.
    waiter: Option<Waiter>,
}

/// Which value was returned last.
#[derive(Clone, Copy, Debug, Default)]
struct Last {
    number: u64,
    /// Numbers begin again where what the last writer has left is garbage.
    written_at: Time,
    /// Its writer was gone.
    is_stale: bool,
}

impl Last {
    /// Whether this one is another, or the same and its writer is gone now.
    fn is_before(&mut self, read: &FrameRead<'_>) -> bool {
        let &FrameRead { status, number, written_at, .. } = read;
        let is_stale = status == FrameStatus::Stale;
        let before = std::mem::replace(self, Self { number, written_at, is_stale });
        let is_same = (before.number, before.written_at) == (number, written_at);
        number != 0 && (!is_same || is_stale && !before.is_stale)
    }
}

impl StateFrameReader {
    /// A reader of the frame `name`, whether or not there is one by now.
    ///
    /// ```
    /// use ringpost::Code;
    /// use ringpost::published::{Place, StateFrameReader};
    ///
    /// let error = StateFrameReader::open("../position", &Place::default()).err().unwrap();
    /// assert_eq!(error.code(), Code::InvalidName);
    /// ```
    pub fn open(name: &str, place: &Place) -> Result<Self> {
        let reader = ipc_core::StateFrameReader::open(name, place)?;
        Ok(Self { reader, last: Last::default(), waiter: None })
    }

    /// Reads the newest value. It takes no lock and never waits, and what is read is whole.
    ///
    /// # Errors
    /// What there is under this name is no frame, or not this user's, or cannot be read, and no
    /// good value was read before.
    ///
    /// ```
    /// # use ringpost::published::{FrameStatus, StateFrameReader};
    /// # fn example(reader: &mut StateFrameReader) -> ringpost::Result<()> {
    /// let read = reader.read()?;
    /// if read.status == FrameStatus::Stale {
    ///     println!("the writer of number {} is gone", read.number);
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn read(&mut self) -> Result<FrameRead<'_>> {
        let read = self.reader.read()?;
        self.last.is_before(&read);
        Ok(read)
    }

    /// Waits until there is a value that this reader has not returned yet, and returns the newest;
    /// `None`: there was none for so long. [`Duration::MAX`] is for ever. When the writer is gone,
    /// its last value is returned once more, as [`FrameStatus::Stale`].
    ///
    /// The thread sleeps meanwhile. All of this process that wait share one queue of the kernel's,
    /// whatever they wait for.
    ///
    /// # Errors
    /// As [`read`](Self::read); or the system has no queue left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::published::StateFrameReader;
    /// # fn example(reader: &mut StateFrameReader) -> ringpost::Result<()> {
    /// match reader.wait_for_change(Duration::from_millis(100))? {
    ///     Some(read) => println!("number {}", read.number),
    ///     None => println!("no news"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_change(&mut self, timeout: Duration) -> Result<Option<FrameRead<'_>>> {
        let until = Time::now() + timeout;
        // Taken out, so that it is asked and the rest looks.
        let mut waiter = Waiter::of_thread(self.waiter.take(), |watcher| self.watch(watcher))?;
        let found = waiter.wait_until(until, || self.look());
        self.waiter = Some(waiter);
        Ok(found?.map(|()| self.reader.last_read()))
    }

    /// The newest value each time there is another, for ever. Those that were replaced before this
    /// thread has come back for them are skipped. The last one of a writer comes once more when
    /// that is gone, as [`FrameStatus::Stale`]. It ends with the first error.
    ///
    /// ```
    /// # use ringpost::published::StateFrameReader;
    /// # fn example(reader: &mut StateFrameReader) -> ringpost::Result<()> {
    /// for frame in reader.changes() {
    ///     let frame = frame?;
    ///     println!("number {}: {} bytes", frame.number, frame.bytes.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn changes(&mut self) -> Changes<'_> {
        Changes { reader: self, is_over: false }
    }

    /// What is known of the file that is read; `None`: there is none yet.
    ///
    /// ```
    /// # use ringpost::published::StateFrameReader;
    /// # fn example(reader: &StateFrameReader) {
    /// if let Some(head) = reader.head() {
    ///     println!("written by process {} as {:?}", head.writer, head.format.codec);
    /// }
    /// # }
    /// ```
    pub fn head(&self) -> Option<&FrameHead> {
        self.reader.head()
    }

    /// What was counted.
    ///
    /// ```
    /// # use ringpost::published::StateFrameReader;
    /// # fn example(reader: &StateFrameReader) {
    /// println!("{} values were replaced before they were read", reader.stats().skipped);
    /// # }
    /// ```
    pub fn stats(&self) -> FrameStats {
        self.reader.stats()
    }

    pub(crate) fn watch(&mut self, watcher: &mut Watcher) -> WatchId {
        self.reader.watch(watcher)
    }

    /// Reads; something: a value that was not returned yet.
    pub(crate) fn look(&mut self) -> Result<Option<()>> {
        let read = self.reader.read()?;
        Ok(self.last.is_before(&read).then_some(()))
    }

    /// What was read last.
    pub(crate) fn last_frame(&self) -> Frame {
        Frame::of(&self.reader.last_read())
    }
}

impl std::fmt::Debug for StateFrameReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("StateFrameReader").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The newest value of a frame each time there is another:
/// [`StateFrameReader::changes`].
#[derive(Debug)]
pub struct Changes<'a> {
    reader: &'a mut StateFrameReader,
    is_over: bool,
}

impl Iterator for Changes<'_> {
    type Item = Result<Frame>;

    fn next(&mut self) -> Option<Result<Frame>> {
        while !self.is_over {
            match self.reader.wait_for_change(Duration::MAX) {
                Ok(Some(_)) => return Some(Ok(self.reader.last_frame())),
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
