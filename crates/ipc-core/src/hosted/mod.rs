//! What stands in the place of an operating system where a host has it: in WebAssembly, where
//! nothing can be opened, mapped, watched or waited for.
//!
//! Files of this folder are modules of the same shape as those they stand in for, which say with
//! `path` where these are. The host (JavaScript) finds directories, claims names and binds sockets;
//! the engine knows a socket by a number, and says with [`imports`] what is to become of it. What
//! comes of that, the host says by calling the engine: see `os::host`. So there is one transport,
//! which shares no memory, and no name is handed over.

#![allow(unsafe_code)]

pub(crate) mod imports;
