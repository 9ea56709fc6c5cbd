//! What there is in the places where processes meet, seen from outside: servers, state frames,
//! topics and maps. No process is connected to or asked anything, so that one that hangs is seen as
//! well as any other. What is sent, published or kept is not looked at.
//!
//! All that is read was written by some process of this user, and may be anything: it is checked
//! where it decides about memory, and is for people otherwise.

mod server;

use std::collections::BTreeSet;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::engine::claim;
use crate::engine::directory::{Directory, Places};
use crate::error::{Code, Error, Result};
use crate::limits::check_file_name;
use crate::map::outside as map;
use crate::published::head::Kind;
use crate::published::{Format, Opened, Place, place};
use crate::state_frame::outside as frame;
use crate::topic::outside as topic;

pub use crate::map::MapState;
pub use crate::state_frame::FrameState;
pub use crate::topic::{LosslessReader, TopicState};
pub use server::{ConnectionStatus, ServerStatus, StatusReader};

/// Objects that are listed of one directory.
const OBJECTS_MAX: usize = 65_536;

/// What an object is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ObjectKind {
    /// What clients connect to.
    Server,
    /// A newest value.
    StateFrame,
    /// Messages to all who subscribe.
    Topic,
    /// Keys and values.
    Map,
}

impl From<Kind> for ObjectKind {
    fn from(kind: Kind) -> Self {
        match kind {
            Kind::Status => Self::Server,
            Kind::Frame => Self::StateFrame,
            Kind::Topic => Self::Topic,
            Kind::Map => Self::Map,
        }
    }
}

/// Something that has a name.
#[derive(Debug)]
pub struct Object {
    /// What it is.
    pub kind: ObjectKind,
    /// Its name.
    pub name: String,
    /// Where it is.
    pub directory: PathBuf,
    /// Whether the process lives that serves or writes it. If not, it is what that has left.
    pub is_alive: bool,
    /// What is known of it; the error says why that cannot be read.
    pub details: Result<Details>,
}

/// What is known of an object.
#[derive(Debug)]
pub enum Details {
    /// Of a server; `None`: it says nothing of itself.
    Server(Option<Box<ServerStatus>>),
    /// Of what is published.
    Published(Box<Published>),
}

/// A published object as it stands.
#[derive(Debug)]
pub struct Published {
    /// It grows with each file that takes the place of the one before.
    pub generation: u64,
    /// The process that writes it, or did.
    pub writer: u32,
    /// In which format values are.
    pub format: Format,
    /// Bytes of its file.
    pub len: u64,
    /// When its file was last written to, in nanoseconds since 1970: at most a tenth of a
    /// millisecond before its last change.
    pub changed_at: u64,
    /// What its kind says.
    pub state: PublishedState,
}

/// What a kind of published object says of itself.
#[derive(Debug)]
pub enum PublishedState {
    /// A state frame.
    StateFrame(FrameState),
    /// A topic.
    Topic(TopicState),
    /// A map.
    Map(MapState),
}

/// All objects there are, or those of one name: of each directory in the order of their names.
///
/// # Errors
/// The directory that was chosen is not there or not private, or cannot be read. Of several known
/// ones, those that are there are read.
///
/// ```
/// use ipc_core::{Engine, ListenOptions, Options, Place, inspect};
///
/// # let directory = std::env::temp_dir().join(format!("ringpost-inspect-{}", std::process::id()));
/// # let options = Options { directory: Some(directory.clone()), ..Options::default() };
/// let mut engine = Engine::new()?;
/// engine.listen("demo", &options, &ListenOptions::default())?;
/// let found = inspect::objects(&Place::at(&directory), None)?;
/// assert_eq!((found[0].name.as_str(), found[0].is_alive), ("demo", true));
/// # std::fs::remove_dir_all(directory).unwrap();
/// # Ok::<(), ipc_core::Error>(())
/// ```
pub fn objects(place: &Place, name: Option<&str>) -> Result<Vec<Object>> {
    let places = Places::at(place.directory.as_deref(), place.environment)?;
    let is_chosen = places.paths().len() == 1;
    let mut objects = Vec::new();
    for path in places.candidates() {
        match Directory::existing(path) {
            Ok(Some(directory)) => objects.extend(objects_in(&directory, name)?),
            Ok(None) => {}
            Err(error) if is_chosen => return Err(error),
            Err(_) => {}
        }
    }
    Ok(objects)
}

/// Where objects are looked for, in this order.
pub fn directories(place: &Place) -> Result<Vec<PathBuf>> {
    let places = Places::at(place.directory.as_deref(), place.environment)?;
    Ok(places.candidates().map(Path::to_owned).collect())
}

fn objects_in(directory: &Directory, wanted: Option<&str>) -> Result<Vec<Object>> {
    let path = directory.path();
    let entries = fs::read_dir(path)
        .map_err(|error| Error::from_io(format!("reading {}", path.display()), &error))?;
    let found = entries.take(OBJECTS_MAX).filter_map(|entry| {
        let file = entry.ok()?.file_name().into_string().ok()?;
        let (name, kind) = place::named(&file)
            .map(|(name, kind)| (name, kind.into()))
            .or_else(|| Some((server_of(&file)?, ObjectKind::Server)))?;
        wanted.is_none_or(|wanted| wanted == name).then(|| (name.to_owned(), kind))
    });
    let found: BTreeSet<_> = found.collect();
    Ok(found.into_iter().filter_map(|(name, kind)| object(directory, name, kind)).collect())
}

/// The server a lock or a socket belongs to.
fn server_of(file: &str) -> Option<&str> {
    let name = file.strip_suffix(".lock").or_else(|| file.strip_suffix(".sock"))?;
    check_file_name("server", name).is_ok().then_some(name)
}

/// `None`: it is gone by now.
fn object(directory: &Directory, name: String, kind: ObjectKind) -> Option<Object> {
    let looked = match kind {
        ObjectKind::Server => look_at_server(directory, &name),
        ObjectKind::StateFrame => look(directory, &name, Kind::Frame),
        ObjectKind::Topic => look(directory, &name, Kind::Topic),
        ObjectKind::Map => look(directory, &name, Kind::Map),
    };
    let (is_alive, details) = looked?;
    Some(Object { kind, name, directory: directory.path().to_owned(), is_alive, details })
}

type Looked = Option<(bool, Result<Details>)>;

fn look_at_server(directory: &Directory, name: &str) -> Looked {
    let opened = StatusReader::open(directory.path(), name).transpose();
    // A server that has no such file, or a file that was spoilt.
    let is_held = || claim::is_held(directory, name);
    Some(match opened {
        None => (is_held(), Ok(Details::Server(None))),
        Some(Err(error)) => (is_held(), Err(error)),
        Some(Ok(reader)) => {
            let is_alive = reader.is_alive() || is_held();
            (is_alive, reader.read().map(|status| Details::Server(Some(Box::new(status)))))
        }
    })
}

fn look(directory: &Directory, name: &str, kind: Kind) -> Looked {
    let path = directory.path().join(format!("{name}.{}", kind.extension()));
    match Opened::open(&path, kind).transpose()? {
        Err(error) => Some((false, Err(error))),
        Ok(file) => Some((file.has_writer(), published(&file, &path, kind))),
    }
}

fn published(file: &Opened, path: &Path, kind: Kind) -> Result<Details> {
    let state = match kind {
        Kind::Frame => PublishedState::StateFrame(frame::state_of(file)?),
        Kind::Topic => PublishedState::Topic(topic::state_of(file, path)?),
        Kind::Map => PublishedState::Map(map::state_of(file)?),
        Kind::Status => unreachable!("a status is its server's"),
    };
    if file.segment.is_lost() {
        return Err(lost(path));
    }
    let changed_at = fs::symlink_metadata(path).map_or(0, |meta| {
        let part = |value: i64| u64::try_from(value).unwrap_or(0);
        part(meta.mtime()).saturating_mul(1_000_000_000).saturating_add(part(meta.mtime_nsec()))
    });
    Ok(Details::Published(Box::new(Published {
        generation: file.head.generation,
        writer: file.head.writer,
        format: file.head.shape.format.clone(),
        len: file.head.file_len() as u64,
        changed_at,
        state,
    })))
}

#[cold]
fn lost(path: &Path) -> Error {
    let message = format!("{}: it was made shorter while it was read", path.display());
    Error::new(Code::Corrupt, message)
}
