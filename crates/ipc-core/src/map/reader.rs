//! Reading a map.

use std::time::Duration;

use super::find::{Finder, Found, Identity, Lookup};
use super::layout::{CHANGES, LEN, Layout, MapSizes};
use crate::error::{Code, Error, Result};
use crate::memory::words::Words;
use crate::published::head::{self, Format, Head, Kind};
use crate::published::place::Name;
use crate::published::{Opened, Place, WatchId, Watcher};
use crate::sync::OBSERVE;
use crate::time::{Now, Time};

/// How long after a reader has seen that the owner lives it asks again, which takes a system call.
const LIFE_KNOWN: Duration = Duration::from_millis(5);

/// Whether there is an owner.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MapStatus {
    /// It lives.
    Alive,
    /// It is gone. What it has left is read until it expires, or until the next owner comes.
    Gone,
    /// There was no owner yet, or nothing is left of what it has written.
    Absent,
}

/// The value of a key. The bytes are a copy of the reader's own, until its next call.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MapValue<'a> {
    /// The value.
    pub bytes: &'a [u8],
    /// When it was set, on the clock of [`Time::now`].
    pub written_at: Time,
    /// When it was set, in nanoseconds since 1970.
    pub unix_nanos: u64,
    /// Until when it is there; [`Time::NEVER`]: until it is replaced or deleted.
    pub expires: Time,
}

/// What a look at one key has found, compared with the look before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum KeyChange<'a> {
    /// What was there before.
    Same,
    /// Another value, or the same once more.
    Set(MapValue<'a>),
    /// It is not there any more, or not there at the first look.
    Missing,
}

/// What was seen last of one key; at first nothing, not even that it is missing.
#[derive(Clone, Copy, Debug, Default)]
pub struct KeySeen(Option<Seen>);

#[derive(Clone, Copy, Debug)]
struct Seen {
    /// Which value, of which of the files that were read; `None`: it was missing.
    value: Option<(u64, Identity)>,
    expires: Time,
}

/// What is known of the file that is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MapHead {
    /// It grows with each file that takes the place of the one before.
    pub generation: u64,
    /// The owner's process number, for people.
    pub writer: u32,
    /// What it has room for.
    pub sizes: MapSizes,
    /// In which format values are.
    pub format: Format,
}

/// What a reader has counted.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MapStats {
    /// Values, and files, that were corrupt.
    pub corrupt: u64,
    /// Lookups that the owner has overtaken time and again.
    pub overtaken: u64,
    /// Files that were read, one after the other.
    pub generations: u64,
    /// How often the map of the file that is read has changed.
    pub changes: u64,
    /// Entries in it, as its owner says, with those that have expired and are not yet removed.
    pub entries: u64,
}

/// One of any number of readers of a map. It can be made before there is an owner, and outlives
/// all of them.
pub struct MapReader {
    name: Name,
    file: Option<Source>,
    stats: MapStats,
    alive_until: Time,
}

struct Source {
    opened: Opened,
    finder: Finder,
    head: MapHead,
}

impl MapReader {
    /// A reader of the map `name`, whether or not there is one by now.
    pub fn open(name: &str, place: &Place) -> Result<Self> {
        let name = Name::new(place, name, Kind::Map)?;
        let (stats, alive_until) = (MapStats::default(), Time::default());
        Ok(Self { name, file: None, stats, alive_until })
    }

    /// The value of a key, unless it is missing or has expired. It takes no lock and never waits,
    /// and what is read is whole.
    ///
    /// # Errors
    /// [`Code::Corrupt`]: the file or the entry was written by no owner. What there is under this
    /// name is no map, or not this user's, or cannot be read. [`Code::Timeout`]: the owner has
    /// replaced the value so fast that no copy was whole.
    #[inline]
    pub fn get(&mut self, key: &str) -> Result<Option<MapValue<'_>>> {
        let found = self.find(key)?;
        Ok(found.zip(self.file.as_ref()).map(|(found, file)| MapValue::of(&file.finder, &found)))
    }

    /// Whether there is a value of a key. Errors are those of [`Self::get`].
    #[inline]
    pub fn has(&mut self, key: &str) -> Result<bool> {
        Ok(self.find(key)?.is_some())
    }

    /// Passes each key and its value to `each`. Keys that are set or deleted meanwhile may be
    /// among them or not, and one that is deleted and set again may come twice; all others come
    /// once. Errors are those of [`Self::get`].
    pub fn entries(&mut self, mut each: impl FnMut(&str, MapValue<'_>)) -> Result<()> {
        self.refresh()?;
        let Some(file) = &mut self.file else { return Ok(()) };
        let (now, mut from) = (Now::from(Time::now()), 0);
        while let Some((next, lookup)) = file.finder.next(&file.opened.segment, from, &now) {
            from = next;
            if file.opened.segment.is_lost() {
                return Err(lost());
            }
            match lookup {
                Lookup::Found(found) => {
                    self.stats.corrupt += u64::from(found.is_before);
                    // What is no text was written by no owner.
                    match str::from_utf8(file.finder.key(&found)) {
                        Ok(key) => each(key, MapValue::of(&file.finder, &found)),
                        Err(_) => self.stats.corrupt += 1,
                    }
                }
                Lookup::Missing => {}
                Lookup::Corrupt => self.stats.corrupt += 1,
                Lookup::Overtaken => {
                    self.stats.overtaken += 1;
                    return Err(overtaken("one of its keys"));
                }
            }
        }
        Ok(())
    }

    /// Looks whether a key has changed since the last look. Of several changes since then the last
    /// one is seen. Errors are those of [`Self::get`].
    pub fn look(&mut self, key: &str, seen: &mut KeySeen) -> Result<KeyChange<'_>> {
        // A reader that is woken because another file has the name looks there, whatever the last
        // one says of itself by now: the next owner says so in there a moment later.
        self.follow()?;
        let found = match self.find(key) {
            Ok(found) => found,
            // It is being replaced, which is a change for a later look.
            Err(error) if error.code() == Code::Timeout => return Ok(KeyChange::Same),
            Err(error) => return Err(error),
        };
        let file = self.file.as_ref();
        // Not by its generation: those begin anew after a file was removed.
        let value = found.map(|found| (self.stats.generations, found.identity));
        if seen.0.is_some_and(|seen| seen.value == value) {
            return Ok(KeyChange::Same);
        }
        let expires = found.map_or(Time::NEVER, |found| found.expires);
        seen.0 = Some(Seen { value, expires });
        Ok(match found.zip(file) {
            Some((found, file)) => KeyChange::Set(MapValue::of(&file.finder, &found)),
            None => KeyChange::Missing,
        })
    }

    /// Whether there is an owner. To ask is a system call. Errors are those of [`Self::get`].
    pub fn status(&mut self) -> Result<MapStatus> {
        self.alive_until = Time::default();
        self.refresh()?;
        Ok(match &self.file {
            None => MapStatus::Absent,
            Some(file) if file.is_written() => MapStatus::Alive,
            Some(_) => MapStatus::Gone,
        })
    }

    /// What is known of the file that is read; `None`: there is none yet.
    pub fn head(&self) -> Option<&MapHead> {
        self.file.as_ref().map(|file| &file.head)
    }

    /// Files that were read, one after the other.
    #[inline]
    pub fn generations(&self) -> u64 {
        self.stats.generations
    }

    /// What was counted.
    pub fn stats(&self) -> MapStats {
        let word = |at| self.file.as_ref().map_or(0, |file| file.opened.segment.load(at, OBSERVE));
        MapStats { changes: word(CHANGES), entries: word(LEN), ..self.stats }
    }

    /// Has the watcher say when there may be something new to look at.
    pub fn watch(&self, watcher: &mut Watcher) -> WatchId {
        watcher.add(&self.name)
    }

    #[inline]
    fn find(&mut self, key: &str) -> Result<Option<Found>> {
        self.refresh()?;
        let Some(file) = &mut self.file else { return Ok(None) };
        let lookup = file.finder.find(&file.opened.segment, key.as_bytes(), &Now::default());
        // What a truncated file gives is zeros.
        if file.opened.segment.is_lost() {
            return Err(lost());
        }
        match lookup {
            Lookup::Found(found) => {
                self.stats.corrupt += u64::from(found.is_before);
                Ok(Some(found))
            }
            Lookup::Missing => Ok(None),
            Lookup::Corrupt => {
                self.stats.corrupt += 1;
                Err(corrupt(key))
            }
            Lookup::Overtaken => {
                self.stats.overtaken += 1;
                Err(overtaken(key))
            }
        }
    }

    /// Moves to the next owner's file, if there is one.
    #[inline]
    fn refresh(&mut self) -> Result<()> {
        let Some(file) = &self.file else { return self.follow() };
        if file.opened.is_over() {
            return self.follow();
        }
        let now = Time::coarse();
        if now < self.alive_until {
            return Ok(());
        }
        if file.is_written() {
            self.alive_until = now + LIFE_KNOWN;
            return Ok(());
        }
        // Another owner may have come without the last one's file: look for its own.
        self.follow()
    }

    /// Moves to the file that has the name now. What cannot be read is an error only if nothing
    /// else can be read.
    #[cold]
    fn follow(&mut self) -> Result<()> {
        if self.file.as_ref().is_some_and(|file| file.opened.segment.is_lost()) {
            self.file = None;
        }
        let current = self.file.as_ref().map(|file| &file.opened);
        match self.name.another(current, Source::of) {
            Ok(None) => Ok(()),
            Ok(Some(source)) => {
                self.file = Some(source);
                self.stats.generations += 1;
                Ok(())
            }
            Err(error) => {
                self.stats.corrupt += 1;
                if self.file.is_some() { Ok(()) } else { Err(error) }
            }
        }
    }
}

impl KeySeen {
    /// When the value that was seen expires, so that it is time to look again.
    pub fn expires(&self) -> Time {
        self.0.map_or(Time::NEVER, |seen| seen.expires)
    }
}

impl<'a> MapValue<'a> {
    pub(super) fn of(finder: &'a Finder, found: &Found) -> Self {
        Self {
            bytes: finder.value(found),
            written_at: found.stamped.at,
            unix_nanos: found.stamped.unix_nanos,
            expires: found.expires,
        }
    }
}

impl Source {
    fn of(opened: Opened) -> Result<Self> {
        let (sizes, layout) = checked_layout(&opened.head)?;
        let head = MapHead {
            generation: opened.head.generation,
            writer: opened.head.writer,
            sizes,
            format: opened.head.shape.format.clone(),
        };
        let finder = Finder::new(layout, &opened.segment);
        Ok(Self { opened, finder, head })
    }

    fn is_written(&self) -> bool {
        self.opened.has_writer() && !self.opened.is_over()
    }
}

/// The layout of a file that may be anything, if its sizes agree.
pub(super) fn checked_layout(head: &Head) -> Result<(MapSizes, Layout)> {
    let half = |word: u64| u32::try_from(word & u64::from(u32::MAX)).unwrap_or(0);
    let sizes = MapSizes {
        entries_max: u32::try_from(head.shape.capacity).unwrap_or(0),
        key_len_max: half(head.shape.second),
        value_len_max: half(head.shape.second >> 32),
    };
    match Layout::new(&sizes, head.data()) {
        Some(layout) if sizes.data_len() == Some(head.shape.data_len) => Ok((sizes, layout)),
        _ => {
            let len = head.shape.data_len;
            let MapSizes { entries_max, key_len_max, value_len_max } = sizes;
            Err(head::corrupt(format!(
                "{len} bytes of data are no map of {entries_max} entries with keys of \
                 {key_len_max} and values of {value_len_max} bytes"
            )))
        }
    }
}

#[cold]
pub(super) fn corrupt(key: &str) -> Error {
    Error::new(Code::Corrupt, format!("the entry of {key:?} was written by no owner"))
}

#[cold]
pub(super) fn overtaken(key: &str) -> Error {
    let message = format!("the value of {key:?} is replaced so fast that no copy of it was whole");
    Error::new(Code::Timeout, message)
}

#[cold]
fn lost() -> Error {
    Error::new(Code::Corrupt, "the file of the map was made shorter while it was read")
}
