//! ringpost for C, and for what can call C: see `include/ringpost.h`, which `node ci/c.mjs header`
//! writes from these files. Their comments are its documentation.
//!
//! ```text
//! client · server · frame · topic      what C calls
//! event_loop                           one engine, its descriptor, and the callbacks
//! inbox                                the host of that engine
//! callbacks · records · options        what C passes and gets
//! border                               pointers
//! error · status                       what functions return
//! ```

#![allow(unsafe_code, reason = "a border to C is made of pointers, each with its condition")]
#![allow(clippy::missing_safety_doc, reason = "the header says once what all functions demand")]

mod border;
mod callbacks;
mod client;
mod error;
mod event_loop;
mod frame;
mod inbox;
mod options;
mod records;
mod server;
mod status;
mod topic;
