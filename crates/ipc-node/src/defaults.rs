//! Limits and defaults of the engine, for JavaScript to check and complete its options with: each
//! is written once, in the engine.

#![allow(missing_docs, reason = "the names say it; index.d.ts explains each")]
#![expect(clippy::cast_possible_truncation, reason = "small numbers, known when this is compiled")]

use ipc_core::{Bounds, HEADER_LEN, Limits, ListenOptions, WaitPolicy};
use napi_derive::napi;

#[napi]
pub const TOPIC_CAPACITY_MAX: u32 = ipc_core::TOPIC_CAPACITY_MAX as u32;
#[napi]
pub const TOPIC_CAPACITY_MIN: u32 = ipc_core::TOPIC_CAPACITY_MIN as u32;
#[napi]
pub const TOPIC_CAPACITY_DEFAULT: u32 = ipc_core::TOPIC_CAPACITY_DEFAULT as u32;
#[napi]
pub const MAP_ENTRIES_MAX: u32 = ipc_core::MAP_ENTRIES_MAX;
#[napi]
pub const MAP_KEY_LEN_MAX: u32 = ipc_core::MAP_KEY_LEN_MAX;
#[napi]
pub const MAP_VALUE_LEN_MAX: u32 = ipc_core::MAP_VALUE_LEN_MAX;
#[napi]
pub const MAP_ENTRIES_DEFAULT: u32 = ipc_core::MapSizes::DEFAULT.entries_max;
#[napi]
pub const MAP_KEY_LEN_DEFAULT: u32 = ipc_core::MapSizes::DEFAULT.key_len_max;
#[napi]
pub const MAP_VALUE_LEN_DEFAULT: u32 = ipc_core::MapSizes::DEFAULT.value_len_max;
#[napi]
pub const FRAME_LEN_MAX: u32 = ipc_core::FRAME_LEN_MAX as u32;
#[napi]
pub const METHOD_LEN_MAX: u32 = ipc_core::METHOD_LEN_MAX as u32;
#[napi]
pub const TOKEN_LEN_MAX: u32 = ipc_core::TOKEN_LEN_MAX as u32;
#[napi]
pub const RING_LEN_MIN: u32 = ipc_core::RING_LEN_MIN;
#[napi]
pub const RING_LEN_MAX: u32 = ipc_core::RING_LEN_MAX;
#[napi]
pub const WINDOW_MIN: u32 = ipc_core::WINDOW_MIN;
#[napi]
pub const WINDOW_MAX: u32 = ipc_core::WINDOW_MAX;
#[napi]
pub const WINDOW_DEFAULT: u32 = ipc_core::WINDOW_DEFAULT;
#[napi]
pub const GRANTS_PER_WINDOW: u32 = ipc_core::GRANTS_PER_WINDOW;
/// What an item takes of a stream's credit besides its payload; the sum is rounded up to eight.
#[napi]
pub const ITEM_OVERHEAD: u32 = HEADER_LEN as u32;
#[napi]
pub const MESSAGE_LEN_DEFAULT: f64 = Limits::DEFAULT.message_len_max as f64;
/// The default is as much as there may be.
#[napi]
pub const PENDING_MAX: u32 = Limits::DEFAULT.pending_max;
#[napi]
pub const BACKLOG_DEFAULT: f64 = Bounds::DEFAULT.backlog_max as f64;
#[napi]
pub const LANE_SHARE: u32 = Bounds::LANE_SHARE as u32;
#[napi]
pub const SERVING_DEFAULT: u32 = Bounds::DEFAULT.serving_max;
#[napi]
pub const UNREAD_DEFAULT: f64 = Bounds::DEFAULT.unread_max as f64;
#[napi]
pub const UNRESPONSIVE_AFTER_MS_DEFAULT: u32 =
    Bounds::DEFAULT.unresponsive_after.as_millis() as u32;
#[napi]
pub const CONNECTIONS_DEFAULT: u32 = ListenOptions::DEFAULT.connections_max as u32;
#[napi]
pub const HELLO_TIMEOUT_MS_DEFAULT: u32 = ListenOptions::DEFAULT.hello_timeout.as_millis() as u32;
#[napi]
pub const SPIN_EXPECTING_US_DEFAULT: u32 = WaitPolicy::DEFAULT.expecting.as_micros() as u32;
#[napi]
pub const SPIN_RECENT_US_DEFAULT: u32 = WaitPolicy::DEFAULT.recent.as_micros() as u32;
#[napi]
pub const TIMEOUT_MS_DEFAULT: u32 = ipc_core::TIMEOUT_DEFAULT.as_millis() as u32;
#[napi]
pub const CONNECT_TIMEOUT_MS_DEFAULT: u32 = ipc_core::CONNECT_TIMEOUT_DEFAULT.as_millis() as u32;
