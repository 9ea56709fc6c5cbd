//! What processes publish for each other: state frames, topics and maps.
//!
//! Readers leave what JavaScript wants to know of a read in numbers that both can reach, so that a
//! read makes no object.

mod direct;
mod leftovers;
mod map;
mod state_frame;
mod topic;

use ipc_core::{Codec, Format, Place};
use napi::{Env, Result};
use napi_derive::napi;

use crate::memory::Memory;

/// Where to publish, and where to look.
#[napi(object, use_nullable = true)]
pub struct NativePlace {
    /// The directory; `null`: the one that all processes of this user know.
    pub directory: Option<String>,
}

/// In which format what is published is written.
#[napi(object)]
pub struct NativeFormat {
    /// The number of the codec.
    pub codec: u32,
    /// Of a layout: the hash of its description; 0: there is none.
    pub hash: napi::bindgen_prelude::BigInt,
    /// What members a layout has.
    pub description: String,
}

impl NativePlace {
    pub fn into_place(self) -> Place {
        // Threads of JavaScript have environments of their own, and have looked there.
        Place { directory: self.directory.map(Into::into), environment: false }
    }
}

impl NativeFormat {
    fn into_format(self) -> Format {
        let codec = Codec::from_bits(u8::try_from(self.codec).unwrap_or_default());
        let (_, hash, _) = self.hash.get_u64();
        Format { codec, hash, description: self.description.into() }
    }

    fn of(format: &Format) -> Self {
        let (codec, hash) = (u32::from(format.codec as u8), format.hash.into());
        Self { codec, hash, description: format.description.to_string() }
    }
}

/// Numbers that the binding writes and JavaScript reads.
struct Numbers(Memory);

impl Numbers {
    /// A `Float64Array`'s memory, which belongs to the reader alone.
    fn adopt(env: Env, value: napi::sys::napi_value) -> Result<Self> {
        let memory = Memory::adopt(env.raw(), value);
        memory.map(Self).ok_or_else(|| napi::Error::from_reason("numbers: an ArrayBuffer"))
    }

    fn set<const N: usize>(&self, numbers: [f64; N]) {
        for (place, number) in self.0.bytes_mut(0, N * 8).chunks_exact_mut(8).zip(numbers) {
            place.copy_from_slice(&number.to_ne_bytes());
        }
    }
}
