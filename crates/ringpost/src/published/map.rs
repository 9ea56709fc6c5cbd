//! Maps: owning one, looking keys up, and waiting for the next value of a key.

use std::time::Duration;

use ipc_core::{
    KeyChange, KeySeen, MapHead, MapStats, MapStatus, MapValue, Place, Result, Time, WatchId,
    Watcher,
};

use super::config::MapConfig;
use super::waiting::Waiter;

/// The one owner of a map. It never waits for readers.
///
/// It begins empty. Dropped, it leaves its entries behind, which readers find until they expire or
/// the next owner begins.
///
/// ```
/// use std::time::Duration;
/// use ringpost::published::{MapConfig, MapReader, MapWriter, Place};
/// # let directory = std::env::temp_dir().join(format!("ringpost-map-{}", std::process::id()));
///
/// let place = Place::at(&directory);
/// let mut flags = MapWriter::create("flags", &MapConfig::new().place(place.clone()))?;
/// flags.set("dark-mode", b"on", None)?;
/// flags.set("trial", b"on", Some(Duration::from_secs(3600)))?;
///
/// // In another process, say.
/// let mut reader = MapReader::open("flags", &place)?;
/// assert_eq!(reader.get("dark-mode")?.expect("it was set").bytes, b"on");
/// assert!(reader.get("beta")?.is_none());
/// # flags.remove();
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct MapWriter(ipc_core::MapWriter);

impl MapWriter {
    /// Becomes the owner of the map `name`.
    ///
    /// # Errors
    /// [`Code::NameInUse`](crate::Code::NameInUse): it has an owner that lives.
    ///
    /// ```no_run
    /// use ringpost::published::{MapConfig, MapWriter};
    ///
    /// let flags = MapWriter::create("flags", &MapConfig::new())?;
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn create(name: &str, config: &MapConfig) -> Result<Self> {
        ipc_core::MapWriter::create(name, &config.place, &config.options).map(Self)
    }

    /// Gives a key a value, for so long, or until it gets another or is deleted. Readers get the
    /// one before or this one.
    ///
    /// # Errors
    /// [`Code::Full`](crate::Code::Full): the map has all the entries it was made for;
    /// [`Code::TooLarge`](crate::Code::TooLarge): the key or the value is too long;
    /// [`Code::NameInUse`](crate::Code::NameInUse): another owner has taken the name.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::published::MapWriter;
    /// # fn example(flags: &mut MapWriter) -> ringpost::Result<()> {
    /// flags.set("trial", b"on", Some(Duration::from_secs(3600)))?;
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn set(&mut self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        self.0.set(key, value, ttl)
    }

    /// The value of a key, as readers find it.
    ///
    /// ```
    /// # use ringpost::published::MapWriter;
    /// # fn example(flags: &mut MapWriter) -> ringpost::Result<()> {
    /// let is_on = flags.get("trial")?.is_some_and(|value| value.bytes == b"on");
    /// # Ok(())
    /// # }
    /// ```
    pub fn get(&mut self, key: &str) -> Result<Option<MapValue<'_>>> {
        self.0.get(key)
    }

    /// Takes a key out. Returns whether it was there.
    ///
    /// ```
    /// # use ringpost::published::MapWriter;
    /// # fn example(flags: &mut MapWriter) -> ringpost::Result<()> {
    /// if !flags.delete("trial")? {
    ///     println!("it was over already");
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn delete(&mut self, key: &str) -> Result<bool> {
        self.0.delete(key)
    }

    /// Takes all keys out, one after the other.
    ///
    /// ```
    /// # use ringpost::published::MapWriter;
    /// # fn example(flags: &mut MapWriter) -> ringpost::Result<()> {
    /// flags.clear()?;
    /// assert!(flags.is_empty());
    /// # Ok(())
    /// # }
    /// ```
    pub fn clear(&mut self) -> Result<()> {
        self.0.clear()
    }

    /// How many keys there are.
    ///
    /// ```
    /// # use ringpost::published::MapWriter;
    /// # fn example(flags: &MapWriter) {
    /// println!("{} flags", flags.len());
    /// # }
    /// ```
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Whether there is none.
    ///
    /// ```
    /// # use ringpost::published::MapWriter;
    /// # fn example(flags: &MapWriter) {
    /// assert_eq!(flags.is_empty(), flags.len() == 0);
    /// # }
    /// ```
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// Ends it and removes its file: readers that open it later find nothing.
    ///
    /// ```
    /// # use ringpost::published::MapWriter;
    /// # fn example(flags: MapWriter) {
    /// flags.remove();
    /// # }
    /// ```
    pub fn remove(self) {
        self.0.remove();
    }
}

impl std::fmt::Debug for MapWriter {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapWriter").field("len", &self.len()).finish_non_exhaustive()
    }
}

/// One of any number of readers of a map. It can be made before there is an owner, and outlives all
/// of them.
///
/// ```
/// use ringpost::published::{MapReader, MapStatus, Place};
///
/// let mut flags = MapReader::open("flags", &Place::default())?;
/// if flags.status()? != MapStatus::Alive {
///     println!("what is found was left by an owner that is gone");
/// }
/// let is_dark = flags.get("dark-mode")?.is_some_and(|value| value.bytes == b"on");
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct MapReader(ipc_core::MapReader);

impl MapReader {
    /// A reader of the map `name`, whether or not there is one by now.
    ///
    /// ```
    /// use ringpost::published::{MapReader, Place};
    ///
    /// assert!(MapReader::open("../flags", &Place::default()).is_err());
    /// ```
    pub fn open(name: &str, place: &Place) -> Result<Self> {
        ipc_core::MapReader::open(name, place).map(Self)
    }

    /// The value of a key, unless it is missing or has expired. It takes no lock and never waits,
    /// and what is found is whole.
    ///
    /// # Errors
    /// What there is under this name is no map, or not this user's, or was written by no owner.
    ///
    /// ```
    /// # use ringpost::published::MapReader;
    /// # fn example(flags: &mut MapReader) -> ringpost::Result<()> {
    /// if let Some(value) = flags.get("trial")? {
    ///     println!("{} bytes", value.bytes.len());
    /// }
    /// # Ok(())
    /// # }
    /// ```
    #[inline]
    pub fn get(&mut self, key: &str) -> Result<Option<MapValue<'_>>> {
        self.0.get(key)
    }

    /// Whether a key has a value. Errors are those of [`get`](Self::get).
    ///
    /// ```
    /// # use ringpost::published::MapReader;
    /// # fn example(flags: &mut MapReader) -> ringpost::Result<()> {
    /// println!("{}", flags.has("trial")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn has(&mut self, key: &str) -> Result<bool> {
        self.0.has(key)
    }

    /// Passes each key with its value to `each`, in no particular order. Keys that are set or
    /// deleted meanwhile may be among them or not. Errors are those of [`get`](Self::get).
    ///
    /// ```
    /// # use ringpost::published::MapReader;
    /// # fn example(flags: &mut MapReader) -> ringpost::Result<()> {
    /// flags.entries(|key, value| println!("{key}: {} bytes", value.bytes.len()))?;
    /// # Ok(())
    /// # }
    /// ```
    pub fn entries(&mut self, each: impl FnMut(&str, MapValue<'_>)) -> Result<()> {
        self.0.entries(each)
    }

    /// Whether there is an owner.
    ///
    /// ```
    /// # use ringpost::published::{MapReader, MapStatus};
    /// # fn example(flags: &mut MapReader) -> ringpost::Result<()> {
    /// assert_ne!(flags.status()?, MapStatus::Absent);
    /// # Ok(())
    /// # }
    /// ```
    pub fn status(&mut self) -> Result<MapStatus> {
        self.0.status()
    }

    /// What is known of the file that is read; `None`: there is none yet.
    ///
    /// ```
    /// # use ringpost::published::MapReader;
    /// # fn example(flags: &MapReader) {
    /// if let Some(head) = flags.head() {
    ///     println!("room for {} entries", head.sizes.entries_max);
    /// }
    /// # }
    /// ```
    pub fn head(&self) -> Option<&MapHead> {
        self.0.head()
    }

    /// What was counted.
    ///
    /// ```
    /// # use ringpost::published::MapReader;
    /// # fn example(flags: &MapReader) {
    /// println!("changed {} times", flags.stats().changes);
    /// # }
    /// ```
    pub fn stats(&self) -> MapStats {
        self.0.stats()
    }
}

impl std::fmt::Debug for MapReader {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("MapReader").field("stats", &self.stats()).finish_non_exhaustive()
    }
}

/// The values of one key of a map, as they change.
///
/// The first is what is there. Of several changes between two waits the last one is seen, and
/// changes of other keys are none.
///
/// ```
/// use std::time::Duration;
/// use ringpost::published::{KeyWatch, MapConfig, MapReader, MapWriter, Place};
/// # let directory = std::env::temp_dir().join(format!("ringpost-key-{}", std::process::id()));
///
/// let place = Place::at(&directory);
/// let mut trial = KeyWatch::of(MapReader::open("flags", &place)?, "trial");
/// let second = Duration::from_secs(1);
/// assert_eq!(trial.wait_for_change(second)?, Some(None), "it is missing");
///
/// // In another process, say.
/// let mut flags = MapWriter::create("flags", &MapConfig::new().place(place))?;
/// flags.set("trial", b"on", None)?;
/// assert_eq!(trial.wait_for_change(second)?, Some(Some(&b"on"[..])));
/// # flags.remove();
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ringpost::Error>(())
/// ```
pub struct KeyWatch {
    reader: MapReader,
    key: String,
    seen: KeySeen,
    /// The value that was seen last, if there was one.
    value: Option<Vec<u8>>,
    /// Since it has waited first.
    waiter: Option<Waiter>,
}

impl KeyWatch {
    /// Those of this key.
    ///
    /// ```
    /// use ringpost::published::{KeyWatch, MapReader, Place};
    ///
    /// let trial = KeyWatch::of(MapReader::open("flags", &Place::default())?, "trial");
    /// # Ok::<(), ringpost::Error>(())
    /// ```
    pub fn of(reader: MapReader, key: impl Into<String>) -> Self {
        let (seen, key) = (KeySeen::default(), key.into());
        Self { reader, key, seen, value: None, waiter: None }
    }

    /// Waits until the key has changed since the last wait, and returns its value, or `Some(None)`:
    /// it is missing now, was deleted, has expired, or another owner has begun. `None`: nothing has
    /// changed for so long; [`Duration::MAX`] is for ever. The thread sleeps meanwhile.
    ///
    /// # Errors
    /// As [`MapReader::get`]; or the system has no queue left.
    ///
    /// ```
    /// # use std::time::Duration;
    /// # use ringpost::published::KeyWatch;
    /// # fn example(trial: &mut KeyWatch) -> ringpost::Result<()> {
    /// match trial.wait_for_change(Duration::from_millis(100))? {
    ///     Some(Some(value)) => println!("{} bytes", value.len()),
    ///     Some(None) => println!("over"),
    ///     None => println!("no news"),
    /// }
    /// # Ok(())
    /// # }
    /// ```
    pub fn wait_for_change(&mut self, timeout: Duration) -> Result<Option<Option<&[u8]>>> {
        let until = Time::now() + timeout;
        // Taken out, so that it is asked and the rest looks.
        let mut waiter = Waiter::of_thread(self.waiter.take(), |watcher| self.watch(watcher))?;
        let found = loop {
            // There is no ring when a value expires.
            let due = until.min(self.seen.expires());
            let found = waiter.wait_until(due, || self.look());
            if !matches!(found, Ok(None)) || due == until {
                break found;
            }
        };
        self.waiter = Some(waiter);
        Ok(found?.map(|()| self.value.as_deref()))
    }

    /// The reader, to look other keys up.
    ///
    /// ```
    /// # use ringpost::published::KeyWatch;
    /// # fn example(trial: &mut KeyWatch) -> ringpost::Result<()> {
    /// println!("{}", trial.reader().has("dark-mode")?);
    /// # Ok(())
    /// # }
    /// ```
    pub fn reader(&mut self) -> &mut MapReader {
        &mut self.reader
    }

    pub(crate) fn watch(&mut self, watcher: &mut Watcher) -> WatchId {
        self.reader.0.watch(watcher)
    }

    /// Looks; something: the key has changed.
    pub(crate) fn look(&mut self) -> Result<Option<()>> {
        match self.reader.0.look(&self.key, &mut self.seen)? {
            KeyChange::Same => return Ok(None),
            KeyChange::Missing => self.value = None,
            KeyChange::Set(value) => {
                let kept = self.value.get_or_insert_default();
                kept.clear();
                kept.extend_from_slice(value.bytes);
            }
        }
        Ok(Some(()))
    }

    /// When the value that was seen last expires.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "it is for tasks"))]
    pub(crate) fn expires(&self) -> Time {
        self.seen.expires()
    }

    /// The value that was seen last.
    #[cfg_attr(not(feature = "tokio"), expect(dead_code, reason = "it is for tasks"))]
    pub(crate) fn last_value(&self) -> Option<Vec<u8>> {
        self.value.clone()
    }
}

impl std::fmt::Debug for KeyWatch {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("KeyWatch").field("key", &self.key).finish_non_exhaustive()
    }
}
