//! What dead processes have left in the private directories.

use ipc_core::{Leftover, LeftoverKind};
use napi::{Env, Result};
use napi_derive::napi;

use super::NativePlace;
use crate::raise;

/// Something that a dead process has left.
#[napi(object)]
pub struct NativeLeftover {
    /// What it is: `server`, `segment`, `unfinished`, `frame`, `topic` or `map`.
    #[napi(ts_type = "'server' | 'segment' | 'unfinished' | 'frame' | 'topic' | 'map'")]
    pub kind: String,
    /// Its name.
    pub name: String,
    /// Its files.
    pub paths: Vec<String>,
}

/// What dead processes had left when this was made.
#[napi]
pub struct NativeLeftovers {
    found: Vec<Leftover>,
}

#[napi]
impl NativeLeftovers {
    /// Looks for it; for what is `published`, too, if that is wanted.
    #[napi(constructor, catch_unwind)]
    pub fn new(env: Env, place: NativePlace, published: bool) -> Result<Self> {
        let found = ipc_core::leftovers(&place.into_place(), published);
        Ok(Self { found: found.map_err(|error| raise(env, &error))? })
    }

    /// All of it.
    #[napi(catch_unwind)]
    pub fn list(&self) -> Vec<NativeLeftover> {
        self.found.iter().map(NativeLeftover::of).collect()
    }

    /// Removes one by its place in the list, unless it was replaced or is used again by now.
    /// Returns whether it was removed.
    #[napi(catch_unwind)]
    pub fn remove(&self, env: Env, index: u32) -> Result<bool> {
        let Some(left) = self.found.get(index as usize) else { return Ok(false) };
        left.remove().map_err(|error| raise(env, &error))
    }
}

impl NativeLeftover {
    fn of(left: &Leftover) -> Self {
        let kind = match left.kind {
            LeftoverKind::Server => "server",
            LeftoverKind::Segment => "segment",
            LeftoverKind::Unfinished => "unfinished",
            LeftoverKind::StateFrame => "frame",
            LeftoverKind::Topic => "topic",
            LeftoverKind::Map => "map",
        };
        let paths = left.paths.iter().map(|path| path.to_string_lossy().into_owned()).collect();
        Self { kind: kind.into(), name: left.name.clone(), paths }
    }
}
