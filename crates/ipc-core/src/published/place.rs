//! Where published objects are found: where servers are.

use std::path::PathBuf;

use super::head::Kind;
use super::opened::Opened;
use crate::engine::directory::Places;
use crate::error::{Error, Result};
use crate::limits::check_file_name;

/// Where to publish, and where to look.
#[derive(Clone, Debug)]
pub struct Place {
    /// As in [`Options::directory`](crate::Options::directory).
    pub directory: Option<PathBuf>,
    /// As in [`Options::environment`](crate::Options::environment).
    pub environment: bool,
}

impl Default for Place {
    fn default() -> Self {
        Self { directory: None, environment: true }
    }
}

impl Place {
    /// This directory alone.
    pub fn at(directory: impl Into<PathBuf>) -> Self {
        Self { directory: Some(directory.into()), ..Self::default() }
    }

    pub(super) fn places(&self) -> Result<Places> {
        Places::at(self.directory.as_deref(), self.environment)
    }
}

/// An object that may be there or not.
#[derive(Clone, Debug)]
pub(crate) struct Name {
    pub places: Places,
    /// Of its file.
    pub file: String,
    pub name: String,
    pub kind: Kind,
}

impl Name {
    pub fn new(place: &Place, name: &str, kind: Kind) -> Result<Self> {
        check_file_name(kind.noun(), name)?;
        let file = format!("{name}.{}", kind.extension());
        Ok(Self { places: place.places()?, file, name: name.into(), kind })
    }

    /// The file in the first place that has one, as `of` takes it, unless that is `current`. One
    /// that cannot be read is an error only if no other place has one.
    pub fn another<T>(
        &self,
        current: Option<&Opened>,
        of: impl Fn(Opened) -> Result<T>,
    ) -> Result<Option<T>> {
        let mut failure: Option<Error> = None;
        for place in self.places.candidates() {
            let path = place.join(&self.file);
            if current.is_some_and(|current| current.is_at(&path)) {
                return Ok(None);
            }
            let opened = Opened::open(&path, self.kind);
            match opened.and_then(|opened| opened.map(&of).transpose()) {
                Ok(None) => {}
                Ok(found) => return Ok(found),
                Err(error) => failure = failure.or(Some(error)),
            }
        }
        failure.map_or(Ok(None), Err)
    }

    /// For messages: `the state frame "detections"`.
    pub fn shown(&self) -> String {
        format!("the {} \"{}\"", self.kind.noun(), self.name)
    }
}

/// What a file of that name holds, and for which name: `weather.frame`.
pub(crate) fn named(file: &str) -> Option<(&str, Kind)> {
    Kind::ALL.into_iter().find_map(|kind| {
        let name = file.strip_suffix(kind.extension())?.strip_suffix('.')?;
        check_file_name(kind.noun(), name).is_ok().then_some((name, kind))
    })
}
