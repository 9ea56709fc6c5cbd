//! Options, each with defaults that zeros stand for.

use std::ffi::c_char;

use ipc_core::{Codec, Draft, Format, Lane, Place};
use ringpost::layout::Layout;

use crate::border::{optional_text, span};
use crate::error::Error;

/// How a client connects. Zeros are the defaults: `{.size = sizeof(rp_client_options)}`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ClientOptions {
    /// sizeof(rp_client_options).
    pub size: usize,
    /// The directory to meet in. NULL: the one all processes of this user know, which the
    /// environment variable RINGPOST_DIR names.
    pub directory: *const c_char,
    /// The secret that the server wants, or NULL.
    pub token: *const u8,
    /// Bytes of the secret.
    pub token_len: usize,
    /// How long an attempt may take, in milliseconds. 0: 5 seconds. Below 0: for ever.
    pub connect_timeout_ms: i64,
    /// How long to wait for a server that is not there yet, in milliseconds. 0: not at all. Below
    /// 0: for ever.
    pub wait_for_server_ms: i64,
}

/// How a server is bound. Zeros are the defaults: `{.size = sizeof(rp_server_options)}`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ServerOptions {
    /// sizeof(rp_server_options).
    pub size: usize,
    /// As in rp_client_options.
    pub directory: *const c_char,
    /// The secret that clients must have, or NULL.
    pub token: *const u8,
    /// Bytes of the secret.
    pub token_len: usize,
}

/// How one message travels. Zeros are the defaults: `{.size = sizeof(rp_call_options)}`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct CallOptions {
    /// sizeof(rp_call_options).
    pub size: usize,
    /// How the payload is encoded, an rp_codec.
    pub codec: u32,
    /// The lane, an rp_lane. 0: RP_LANE_NORMAL.
    pub lane: u32,
    /// When a request is given up, in milliseconds. 0: after 30 seconds. Below 0: never.
    pub timeout_ms: i64,
}

/// How something is published. Zeros are the defaults: `{.size = sizeof(rp_publish_options)}`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct PublishOptions {
    /// sizeof(rp_publish_options).
    pub size: usize,
    /// As in rp_client_options.
    pub directory: *const c_char,
    /// Of a frame, bytes of the longest value for now; of a topic, bytes of its ring, a power of
    /// two. 0: what is usual.
    pub capacity: usize,
    /// The description of the records that are published, as `ringpost layout --c` prints it, or
    /// NULL. It stands beside the data, for readers to check. The codec is RP_CODEC_CUSTOM then.
    pub layout: *const c_char,
    /// Of a topic, how long rp_publisher_publish waits for lossless subscribers, in milliseconds.
    /// 0: one second. Below 0: for ever.
    pub timeout_ms: i64,
    /// How values are encoded, an rp_codec.
    pub codec: u32,
    /// Takes the name from a writer that lives. Its next write fails with RP_STATUS_NAME_IN_USE.
    pub take_over: bool,
}

/// How something that is published is read. Zeros are the defaults:
/// `{.size = sizeof(rp_read_options)}`.
#[repr(C)]
#[derive(Clone, Copy)]
pub struct ReadOptions {
    /// sizeof(rp_read_options).
    pub size: usize,
    /// As in rp_client_options.
    pub directory: *const c_char,
    /// The description of the records that this program knows, or NULL. What is read is checked
    /// against that of the writer: RP_STATUS_LAYOUT, unless one is the other with members appended.
    pub layout: *const c_char,
}

macro_rules! zeros {
    ($($options:ident { $($field:ident: $zero:expr),* })*) => {$(
        impl Default for $options {
            fn default() -> Self {
                Self { size: size_of::<Self>(), $($field: $zero),* }
            }
        }
    )*};
}

const NULL: *const c_char = std::ptr::null();

zeros! {
    ClientOptions {
        directory: NULL, token: std::ptr::null(), token_len: 0,
        connect_timeout_ms: 0, wait_for_server_ms: 0
    }
    ServerOptions { directory: NULL, token: std::ptr::null(), token_len: 0 }
    CallOptions { codec: 0, lane: 0, timeout_ms: 0 }
    PublishOptions {
        directory: NULL, capacity: 0, layout: NULL, timeout_ms: 0, codec: 0, take_over: false
    }
    ReadOptions { directory: NULL, layout: NULL }
}

/// How a payload is encoded.
#[repr(C)]
#[expect(dead_code, reason = "it is for the header: C passes numbers")]
pub enum CodecNumber {
    /// Bytes as they are.
    Bytes = 0,
    /// Plain MessagePack.
    MessagePack = 1,
    /// JSON in UTF-8.
    Json = 2,
    /// Something both ends agreed on.
    Custom = 3,
}

/// Which lane a message travels on.
#[repr(C)]
#[expect(dead_code, reason = "it is for the header: C passes numbers")]
pub enum LaneNumber {
    /// The one that is used unless something else is said.
    Normal = 0,
    /// Read before everything else.
    Critical = 1,
    /// Read before normal traffic.
    High = 2,
    /// Read last, but never starved.
    Low = 3,
}

impl CallOptions {
    /// A one-way message, or a request once it has an id and a kind.
    pub fn draft(&self, code: u32) -> Result<Draft, Error> {
        let lanes = [Lane::Normal, Lane::Critical, Lane::High, Lane::Low];
        let lane = lanes.get(self.lane as usize);
        let lane = lane.ok_or_else(|| Error::argument(format!("no lane {}", self.lane)))?;
        Ok(Draft::one_way(code, *lane, codec(self.codec)?))
    }
}

impl PublishOptions {
    /// # Safety
    /// As [`optional_text`], for all texts in it.
    pub unsafe fn format(&self) -> Result<Format, Error> {
        // SAFETY: as this function's.
        let Some(layout) = (unsafe { layout(self.layout)? }) else {
            return Ok(Format::of(codec(self.codec)?));
        };
        Ok(Format {
            codec: Codec::Custom,
            hash: layout.hash(),
            description: layout.description().into(),
        })
    }

    pub fn timeout(&self, usual: std::time::Duration) -> std::time::Duration {
        span(self.timeout_ms, usual)
    }
}

/// # Safety
/// As [`optional_text`].
pub unsafe fn layout(description: *const c_char) -> Result<Option<Layout>, Error> {
    // SAFETY: as this function's.
    let description = unsafe { optional_text(description, "the layout")? };
    Ok(description.map(Layout::parse).transpose()?)
}

/// # Safety
/// As [`optional_text`].
pub unsafe fn place(directory: *const c_char) -> Result<Place, Error> {
    // SAFETY: as this function's.
    let directory = unsafe { optional_text(directory, "the directory")? };
    Ok(directory.map_or_else(Place::default, Place::at))
}

fn codec(number: u32) -> Result<Codec, Error> {
    let codec = u8::try_from(number).ok().and_then(Codec::from_number);
    codec.ok_or_else(|| Error::argument(format!("there is no codec {number}")))
}
