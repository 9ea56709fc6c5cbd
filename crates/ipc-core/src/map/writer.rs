//! Owning a map.

use std::time::Duration;

use super::find::{Finder, Lookup};
use super::layout::{Layout, MapSizes};
use super::reader::{MapValue, overtaken};
use super::table::{Clocks, Table, begin};
use crate::error::Result;
use crate::header::Codec;
use crate::memory::{Segment, named};
use crate::published::head::{Format, Kind, Shape};
use crate::published::owned::{Standing, in_use};
use crate::published::place::Name;
use crate::published::{Owned, Place};
use crate::time::{Now, Time};

/// How a map is made.
#[derive(Clone, Debug)]
pub struct MapOptions {
    /// What it has room for.
    pub sizes: MapSizes,
    /// What the values are.
    pub format: Format,
    /// Takes the name from an owner that lives.
    pub take_over: bool,
}

impl Default for MapOptions {
    fn default() -> Self {
        Self { sizes: MapSizes::DEFAULT, format: Format::of(Codec::Bytes), take_over: false }
    }
}

/// The one owner of a map. It never waits for readers.
///
/// It begins empty, also where another owner has left entries behind: those are read until then.
/// Dropped, it leaves its entries behind in the same way.
pub struct MapWriter {
    owned: Owned,
    table: Table,
    finder: Finder,
    sizes: MapSizes,
}

impl MapWriter {
    /// Becomes the owner of the map `name`.
    /// [`NameInUse`](crate::Code::NameInUse): it has one that lives.
    pub fn create(name: &str, place: &Place, options: &MapOptions) -> Result<Self> {
        let MapOptions { sizes, ref format, take_over } = *options;
        sizes.check()?;
        format.check()?;
        let name = Name::new(place, name, Kind::Map)?;
        let seed = random_seed()?;
        let owned = Owned::create(&name, &shape(&sizes, format), take_over, |new, _, _| {
            begin(seed, new);
            Ok(())
        })?;
        let layout = layout_of(&sizes, owned.head.data());
        let finder = Finder::new(layout, &owned.segment);
        Ok(Self { owned, table: Table::new(layout, seed), finder, sizes })
    }

    /// Gives a key a value, for so long, or until it gets another or is deleted.
    ///
    /// # Errors
    /// [`TooLarge`](crate::Code::TooLarge): the key or the value is longer than the map has room
    /// for. [`Full`](crate::Code::Full): there are as many entries as it has room for.
    /// [`NameInUse`](crate::Code::NameInUse): another owner has taken the name.
    #[inline]
    pub fn set(&mut self, key: &str, value: &[u8], ttl: Option<Duration>) -> Result<()> {
        let clocks = self.before_a_change()?;
        let expires = ttl.map_or(Time::NEVER, |ttl| clocks.now + ttl);
        self.table.set(&self.owned.segment, key.as_bytes(), value, expires, clocks)?;
        self.owned.ring();
        Ok(())
    }

    /// Takes a key out. Returns whether it was there. It fails as [`Self::set`] does where another
    /// owner has taken the name.
    pub fn delete(&mut self, key: &str) -> Result<bool> {
        let clocks = self.before_a_change()?;
        let was_there = self.table.delete(&self.owned.segment, key.as_bytes(), clocks);
        self.owned.ring();
        Ok(was_there)
    }

    /// Takes all keys out, one after the other. It fails as [`Self::delete`] does.
    pub fn clear(&mut self) -> Result<()> {
        let clocks = self.before_a_change()?;
        self.table.clear(&self.owned.segment, clocks);
        self.owned.ring();
        Ok(())
    }

    /// The value of a key, as readers see it.
    ///
    /// # Errors
    /// [`Corrupt`](crate::Code::Corrupt): another process has written to the file.
    pub fn get(&mut self, key: &str) -> Result<Option<MapValue<'_>>> {
        match self.finder.find(&self.owned.segment, key.as_bytes(), &Now::default()) {
            Lookup::Found(found) => Ok(Some(MapValue::of(&self.finder, &found))),
            Lookup::Missing => Ok(None),
            Lookup::Corrupt => Err(super::reader::corrupt(key)),
            Lookup::Overtaken => Err(overtaken(key)),
        }
    }

    /// How many keys there are.
    pub fn len(&self) -> usize {
        self.table.len(Time::now())
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// What it has room for.
    pub fn sizes(&self) -> MapSizes {
        self.sizes
    }

    /// Which file this is of those that had the name, as readers see it.
    pub fn generation(&self) -> u64 {
        self.owned.head.generation
    }

    /// Ends it and removes its file: readers that open it later find nothing.
    pub fn remove(self) {
        self.owned.remove();
    }

    #[inline]
    fn before_a_change(&mut self) -> Result<Clocks> {
        let clocks = Clocks { now: Time::now(), unix_nanos: Time::unix_nanos() };
        match self.owned.standing(clocks.now) {
            Standing::Whole => {}
            Standing::Superseded => return Err(in_use(self.owned.name(), None)),
            Standing::Removed => self.move_to_another(clocks)?,
        }
        Ok(clocks)
    }

    /// Makes a new file with the same entries, because this one was removed.
    #[cold]
    fn move_to_another(&mut self, clocks: Clocks) -> Result<()> {
        let kept = self.entries(clocks.now);
        let seed = random_seed()?;
        let shape = shape(&self.sizes, &self.owned.head.shape.format);
        let filled = std::cell::Cell::new(None);
        self.owned.replace(&shape, |new: &Segment, head, _| {
            begin(seed, new);
            let mut table = Table::new(layout_of(&self.sizes, head.data()), seed);
            for (key, value, expires) in &kept {
                table.set(new, key, value, *expires, clocks)?;
            }
            filled.set(Some(table));
            Ok(())
        })?;
        self.table = filled.take().expect("a file is filled before it has its name");
        self.finder = Finder::new(self.table.layout(), &self.owned.segment);
        Ok(())
    }

    /// What is still whole of this file, which was removed or made shorter.
    fn entries(&mut self, now: Time) -> Vec<(Vec<u8>, Vec<u8>, Time)> {
        let (mut from, mut entries, now) = (0, Vec::new(), Now::from(now));
        while let Some((next, lookup)) = self.finder.next(&self.owned.segment, from, &now) {
            from = next;
            if let Lookup::Found(found) = lookup
                && !self.owned.segment.is_lost()
            {
                let (key, value) = (self.finder.key(&found), self.finder.value(&found));
                entries.push((key.to_vec(), value.to_vec(), found.expires));
            }
        }
        entries
    }
}

fn layout_of(sizes: &MapSizes, data: usize) -> Layout {
    Layout::new(sizes, data).expect("sizes that were checked")
}

fn shape(sizes: &MapSizes, format: &Format) -> Shape {
    Shape {
        kind: Kind::Map,
        capacity: u64::from(sizes.entries_max),
        second: u64::from(sizes.key_len_max) | u64::from(sizes.value_len_max) << 32,
        data_len: sizes.data_len().expect("sizes that were checked"),
        format: format.clone(),
    }
}

/// What those who choose keys cannot know.
fn random_seed() -> Result<u64> {
    named::random().map(u64::from_ne_bytes)
}
