//! What stands in the place of an operating system where a host has it: in WebAssembly, where
//! nothing can be opened, mapped, watched or waited for.
//!
//! The other files of this folder are modules of the same shape as those they stand in for, where
//! `path` says so. The host finds directories, claims names and binds sockets; the engine knows a
//! socket by a number, and says with [`imports`] what is to become of it. What comes of that, the
//! host says by calling the engine: see `engine/from_host`. So there is one transport, which shares
//! no memory, and no name is handed over.

#![allow(unsafe_code)]

pub(crate) mod imports;
