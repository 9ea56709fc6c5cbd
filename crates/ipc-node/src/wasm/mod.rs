//! The engine as a module in WebAssembly: one instance is the engine of one thread, and its host is
//! JavaScript.
//!
//! ```text
//!   host --> exports: turn, submit, call, received ...  --> engine
//!   host <-- imports: enter, send, write, connect ...   <-- engine
//! ```
//!
//! Neither sees the other's memory without copying: what the host is entered with lies here, and is
//! written out before, as far as it has changed. An import other than `enter` calls no export.

#![allow(unsafe_code)]

mod binding;
mod calls;
pub mod engine;
mod exports;
pub mod imports;
mod message_pack;
mod numbered;
pub mod values;
