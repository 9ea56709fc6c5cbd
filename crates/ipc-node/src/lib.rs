//! ringpost's engine inside of Node.js.
//!
//! Few calls cross the border, each for a batch. As an addon, what is called rarely is a method of
//! `NativeEngine`, and what is called for every batch is registered by hand in `hot.rs`. As a
//! module in WebAssembly, `wasm/` has the same calls over memory that is copied.

#![cfg_attr(
    target_family = "wasm",
    allow(dead_code, reason = "no request is waited for synchronously")
)]

mod arena;
#[cfg(not(target_family = "wasm"))]
mod binding;
mod counters;
#[cfg(not(target_family = "wasm"))]
#[cfg_attr(test, allow(dead_code, reason = "only the addon registers them"))]
mod defaults;
mod describe;
#[cfg(not(target_family = "wasm"))]
mod entrance;
mod first_turns;
#[cfg(not(target_family = "wasm"))]
mod hot;
mod inbox;
mod inner;
#[cfg(not(target_family = "wasm"))]
#[cfg_attr(test, allow(dead_code, reason = "only JavaScript calls it"))]
mod inspect;
mod large;
#[cfg_attr(target_family = "wasm", path = "wasm/memory.rs")]
mod memory;
#[cfg(not(target_family = "wasm"))]
mod native_engine;
mod options;
mod outbox;
#[cfg(not(target_family = "wasm"))]
mod published;
#[cfg_attr(test, allow(dead_code, reason = "only the addon registers all of them"))]
mod records;
mod sync_call;
#[cfg(not(target_family = "wasm"))]
mod synchronous;
#[cfg(not(target_family = "wasm"))]
mod throw;
#[cfg(not(target_family = "wasm"))]
mod uv;
#[cfg(not(target_family = "wasm"))]
mod waker;
#[cfg(target_family = "wasm")]
mod wasm;

#[cfg(not(target_family = "wasm"))]
pub(crate) use native_engine::{NativeEngine, raise};
