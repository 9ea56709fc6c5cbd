//! A server's name: the lock by which it is held, the socket by which it is found, and what becomes
//! of both.
//!
//! ```text
//!   name.lock   locked by the server as long as it lives; nine bytes in it identify the file
//!   name.sock   the socket; the holder of the lock may remove it
//! ```
//!
//! A server removes and replaces what is its own: the very files it has made, recognised by device
//! and inode. Whatever else lies at their paths by then belongs to another. So does a socket that a
//! supervisor like systemd has made and handed to it, see `inherited`.

mod inherited;

use std::fs::{self, File};
use std::io::ErrorKind;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::os::unix::fs::{FileExt, FileTypeExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::{FlockOperation, Mode, OFlags};
use rustix::io::Errno;

use super::directory::Directory;
use super::os::file_id::FileId;
use super::os::socket;
use crate::error::{Code, Error, Result};
use crate::sys;

/// What a lock file holds, so that it can be distinguished from other files.
const MARK: &[u8] = b"ringpost\n";
const MODE: Mode = Mode::RUSR.union(Mode::WUSR);
/// How often to make room for a socket: what is removed may be put back once.
const BINDS: usize = 4;
/// How long a lock may be held by a process that only checks whether it is held, before it is taken
/// for a server's: such a check takes microseconds.
const PAUSES: [Duration; 4] = [
    Duration::from_millis(1),
    Duration::from_millis(2),
    Duration::from_millis(4),
    Duration::from_millis(8),
];
/// The same on a machine that is so busy that the process loses its core meanwhile: as long as no
/// process has the socket, no server serves the name.
const LATE_PAUSES: [Duration; 5] = [Duration::from_millis(50); 5];

/// A socket that listens.
pub(super) type Listening = OwnedFd;

/// A name held by this process.
pub(super) struct Claim {
    directory: Directory,
    name: String,
    lock: Lock,
    /// The socket's file.
    bound: Option<FileId>,
    /// A forked child inherits this value, but the name is not its to give up.
    creator: u32,
    /// Another process holds the name as well, or alone by now: the files are not to be removed.
    lent: bool,
    /// The socket's file is that of a supervisor, which goes on listening when this process ends.
    inherited: bool,
}

/// How a claim stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Standing {
    /// Both files are there.
    Whole,
    /// The socket is gone, but the name is still held.
    SocketGone,
    /// The lock is gone, so that the name is free for others.
    LockGone,
    /// Another lock is in its place.
    LockReplaced,
}

impl Claim {
    /// Claims `name`, clears away what a dead server left, and listens.
    pub fn listen(directory: Directory, name: &str) -> Result<(Self, Listening)> {
        let mut this = Self::hold(directory, name)?;
        let socket = this.bind_locked()?;
        Ok((this, socket))
    }

    /// Takes the lock of `name`.
    fn hold(directory: Directory, name: &str) -> Result<Self> {
        let late = LATE_PAUSES.map(|pause| (pause, true));
        for (pause, is_late) in PAUSES.map(|pause| (pause, false)).into_iter().chain(late) {
            if let Some(lock) = Lock::take(&directory, name)? {
                return Ok(Self::new(directory, name, lock));
            }
            if is_late && !is_deserted(&directory, name) {
                return Err(in_use(name));
            }
            std::thread::sleep(pause);
        }
        let lock = Lock::take(&directory, name)?.ok_or_else(|| in_use(name))?;
        Ok(Self::new(directory, name, lock))
    }

    fn new(directory: Directory, name: &str, lock: Lock) -> Self {
        Self {
            directory,
            name: name.into(),
            lock,
            bound: None,
            creator: std::process::id(),
            lent: false,
            inherited: false,
        }
    }

    /// The claim of a server that hands its name over, out of what it has sent: a socket that
    /// listens where the one of that name is, and the lock, locked. It is lent until the other
    /// has let go.
    pub fn adopt(
        directory: Directory,
        name: &str,
        socket: &Listening,
        lock: OwnedFd,
    ) -> Result<Self> {
        let lock = Lock::adopt(&directory, name, lock)?;
        let mut this = Self::new(directory, name, lock);
        this.lent = true;
        let path = this.socket_path();
        let failed = |cause| Error::system(listening_at(&path), cause);
        let listens_at = socket::listens_at(socket).map_err(failed)?;
        this.bound = listens_at.and_then(|path| FileId::at(&path));
        if this.is_socket_there() {
            return Ok(this);
        }
        let message = format!("the socket that came does not listen at {}", path.display());
        Err(Error::new(Code::Handshake, message))
    }

    /// Whether another process holds the name as well, from now on.
    pub fn set_lent(&mut self, lent: bool) {
        self.lent = lent;
    }

    /// What holds the name.
    pub fn lock(&self) -> BorrowedFd<'_> {
        self.lock.file.as_fd()
    }

    /// Its directory and the files in it.
    pub fn paths(&self) -> [PathBuf; 3] {
        let Self { directory, name, .. } = self;
        [directory.path().to_owned(), directory.lock_path(name), directory.socket_path(name)]
    }

    pub fn directory(&self) -> &Directory {
        &self.directory
    }

    pub fn name(&self) -> &str {
        &self.name
    }

    /// Puts a socket where clients look for it, in place of what is there. To be called with the
    /// lock held.
    fn bind_locked(&mut self) -> Result<Listening> {
        let path = self.socket_path();
        for _ in 0..BINDS {
            if self.inherited {
                return Err(inherited::gone(&path));
            }
            match fs::remove_file(&path) {
                Err(error) if error.kind() != ErrorKind::NotFound => {
                    return Err(Error::from_io(listening_at(&path), &error));
                }
                _ => {}
            }
            if let Some(socket) = self.bind_vacant()? {
                return Ok(socket);
            }
            // One that has lost its lock has put its own there meanwhile.
        }
        Err(Error::system(listening_at(&path), Errno::ADDRINUSE))
    }

    /// The same if there is nothing; `None` if there is something.
    fn bind_vacant(&mut self) -> Result<Option<Listening>> {
        let path = self.socket_path();
        if self.inherited {
            return Err(inherited::gone(&path));
        }
        let failed = |cause| Error::system(listening_at(&path), cause);
        let address = self.directory.address(&self.name)?;
        let socket = socket::stream().map_err(failed)?;
        // The mode goes with the socket into its name, so there is no moment with a wider one. What
        // a umask takes from it is given back before anything can connect.
        rustix::fs::fchmod(&socket, MODE).map_err(failed)?;
        match socket::bind(&socket, &address) {
            Err(Errno::ADDRINUSE) => return Ok(None),
            bound => bound.map_err(failed)?,
        }
        self.bound = FileId::at(&path);
        rustix::fs::chmod(&path, MODE).map_err(failed)?;
        socket::listen(&socket).map_err(failed)?;
        Ok(Some(socket))
    }

    /// Looks whether both files are still there, and gives back what was taken from their modes.
    pub fn standing(&self) -> Standing {
        let (lock, socket) = (self.lock_path(), self.socket_path());
        match FileId::at(&lock) {
            None => return Standing::LockGone,
            Some(found) if found != self.lock.id => return Standing::LockReplaced,
            Some(_) => {}
        }
        if !self.is_socket_there() {
            return Standing::SocketGone;
        }
        for path in [&lock, &socket] {
            let mode = fs::symlink_metadata(path).map(|meta| meta.mode() & 0o777);
            if mode.is_ok_and(|mode| mode != MODE.as_raw_mode()) {
                let _ = rustix::fs::chmod(path, MODE);
            }
        }
        Standing::Whole
    }

    /// Puts back what is gone: the directory, the lock, the socket. Returns the socket, if it is a
    /// new
    /// one. [`Code::NameInUse`]: another holds the name by now.
    pub fn restore(&mut self) -> Result<Option<Listening>> {
        self.directory.remake()?;
        if matches!(self.standing(), Standing::LockGone | Standing::LockReplaced) {
            let lock = Lock::take(&self.directory, &self.name)?;
            self.lock = lock.ok_or_else(|| taken_over(&self.name))?;
        }
        match self.standing() {
            Standing::Whole => Ok(None),
            _ => self.bind_locked().map(Some),
        }
    }

    /// Puts the socket back without the lock: clients find it, and so does a server that takes the
    /// lock and with it the name. What is there by then is left alone.
    pub fn restore_for_clients(&mut self) -> Result<Option<Listening>> {
        self.directory.remake()?;
        if self.is_socket_there() || FileId::at(&self.lock_path()).is_some() {
            return Ok(None);
        }
        self.bind_vacant()
    }

    /// Whether the socket that lies where clients look for it is this claim's own.
    fn is_socket_there(&self) -> bool {
        self.bound.is_some() && FileId::at(&self.socket_path()) == self.bound
    }

    fn lock_path(&self) -> PathBuf {
        self.directory.lock_path(&self.name)
    }

    fn socket_path(&self) -> PathBuf {
        self.directory.socket_path(&self.name)
    }
}

impl Drop for Claim {
    fn drop(&mut self) {
        if self.lent || self.creator != std::process::id() {
            return;
        }
        let lock = self.lock_path();
        // Without the lock nothing may be removed: by the time of the removal it may be another's.
        let _retaken = if FileId::at(&lock) == Some(self.lock.id) {
            None
        } else {
            match Lock::take(&self.directory, &self.name) {
                Ok(Some(retaken)) => Some(retaken),
                _ => return,
            }
        };
        if self.is_socket_there() && !self.inherited {
            let _ = fs::remove_file(self.socket_path());
        }
        let _ = fs::remove_file(&lock);
    }
}

/// Whether a server that lives holds the name in that directory.
pub(crate) fn is_held(directory: &Directory, name: &str) -> bool {
    let Ok(file) = open_lock(&directory.lock_path(name), OFlags::empty()) else { return false };
    // Shared: two processes that check do not see each other.
    let looks_held = || {
        let looked = rustix::fs::flock(&file, FlockOperation::NonBlockingLockShared);
        looked == Err(Errno::WOULDBLOCK)
    };
    looks_held()
        && PAUSES.iter().all(|pause| {
            std::thread::sleep(*pause);
            looks_held()
        })
}

/// The lock of a server of that name that is dead: nothing else holds it, as long as this is open,
/// and no supervisor listens for it.
pub(super) fn abandoned(directory: &Directory, name: &str) -> Option<(File, FileId)> {
    let lock = directory.lock_path(name);
    let file = open_lock(&lock, OFlags::empty()).ok()?;
    let is_free = is_marked(&file)
        && rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive).is_ok();
    let id = FileId::of(&file).ok().filter(|id| is_free && FileId::at(&lock) == Some(*id))?;
    is_deserted(directory, name).then_some((file, id))
}

/// Removes the files of a server. To be called with its lock held.
pub(super) fn remove_files(directory: &Directory, name: &str) -> std::io::Result<()> {
    let socket = directory.socket_path(name);
    if fs::symlink_metadata(&socket).is_ok_and(|meta| meta.file_type().is_socket()) {
        let _ = fs::remove_file(&socket);
    }
    let status = directory.status_path(name);
    if fs::symlink_metadata(&status).is_ok_and(|meta| meta.is_file()) {
        let _ = fs::remove_file(&status);
    }
    fs::remove_file(directory.lock_path(name))
}

/// Whether no living process has the socket of that name.
fn is_deserted(directory: &Directory, name: &str) -> bool {
    directory.address(name).is_ok_and(|address| !socket::is_bound(&address))
}

// ---- locks ----

/// A lock that is held. The kernel drops it with its process, so a name that cannot be locked is
/// held by a living process, and a name that can be is free whatever files are left.
struct Lock {
    file: File,
    id: FileId,
}

impl Lock {
    /// Takes the lock of `name`. `None`: it is held.
    fn take(directory: &Directory, name: &str) -> Result<Option<Self>> {
        let path = directory.lock_path(name);
        let failed = |cause| Error::system(format_args!("locking {}", path.display()), cause);
        loop {
            let file =
                sys::fault().and_then(|()| open_lock(&path, OFlags::CREATE)).map_err(failed)?;
            match rustix::fs::flock(&file, FlockOperation::NonBlockingLockExclusive) {
                Ok(()) => {}
                Err(Errno::WOULDBLOCK) => return Ok(None),
                Err(cause) => return Err(failed(cause)),
            }
            // The one that held it before may have removed the file between our open and our lock;
            // then the lock is on a file that is found by no other.
            let id = FileId::of(&file).map_err(failed)?;
            if FileId::at(&path) == Some(id) {
                if !is_marked(&file) {
                    mark(&file);
                }
                return Ok(Some(Self { file, id }));
            }
        }
    }

    /// The lock of `name` that another process has sent. It is one open file with the other's, and
    /// so is locked as long as either has it.
    fn adopt(directory: &Directory, name: &str, lock: OwnedFd) -> Result<Self> {
        let path = directory.lock_path(name);
        let failed = |cause| Error::system(format_args!("locking {}", path.display()), cause);
        let id = FileId::of(&lock).map_err(failed)?;
        // Where it is locked already, this changes nothing.
        let is_held = FileId::at(&path) == Some(id)
            && rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).is_ok();
        if is_held {
            return Ok(Self { file: lock.into(), id });
        }
        let message = format!("the file that came does not lock {}", path.display());
        Err(Error::new(Code::Handshake, message))
    }
}

/// Opens a lock file, which is a file of ours or none at all. What a umask took from its mode is
/// given back.
fn open_lock(path: &Path, more: OFlags) -> rustix::io::Result<File> {
    let flags = OFlags::RDWR | OFlags::NOFOLLOW | OFlags::CLOEXEC | OFlags::NONBLOCK | more;
    let open = || rustix::fs::open(path, flags, MODE);
    let file = match open() {
        Err(Errno::ACCESS) if fs::symlink_metadata(path).is_ok_and(|meta| meta.is_file()) => {
            rustix::fs::chmod(path, MODE).and_then(|()| open())?
        }
        opened => opened?,
    };
    let stat = rustix::fs::fstat(&file)?;
    if rustix::fs::FileType::from_raw_mode(stat.st_mode) != rustix::fs::FileType::RegularFile {
        return Err(Errno::INVAL);
    }
    if more.contains(OFlags::CREATE) && stat.st_mode & 0o777 != MODE.as_raw_mode() {
        rustix::fs::fchmod(&file, MODE)?;
    }
    Ok(file.into())
}

fn is_marked(file: &File) -> bool {
    let mut found = [0; MARK.len() + 1];
    matches!(file.read_at(&mut found, 0), Ok(len) if found[..len] == *MARK)
}

/// A file without the mark is left alone by all but the servers of its name, so that it does no
/// harm if there is no room for it.
fn mark(file: &File) {
    let is_empty = file.metadata().is_ok_and(|meta| meta.len() == 0);
    if is_empty && MARK.len() as u64 <= sys::file_len_max() {
        let _ = file.write_all_at(MARK, 0);
    }
}

// ---- messages ----

fn listening_at(path: &Path) -> String {
    format!("listening at {}", path.display())
}

#[cold]
pub(super) fn in_use(name: &str) -> Error {
    Error::new(Code::NameInUse, format!("a living server holds the name \"{name}\""))
}

#[cold]
fn taken_over(name: &str) -> Error {
    let message = format!(
        "the files of the server \"{name}\" were removed, and another has taken the name since"
    );
    Error::new(Code::NameInUse, message)
}

#[cfg(all(test, not(loom)))]
mod tests;
