//! The process under measurement for Rust libraries of others. All else it has from
//! `ringpost-bench`.

mod iceoryx;
mod iceoryx_published;
mod interprocess;
mod ipc_channel;
mod mmap_sync;

fn main() {
    let adapters = [ipc_channel::ADAPTER, iceoryx::ADAPTER, interprocess::ADAPTER];
    ringpost_bench::run(&adapters, &[iceoryx_published::LIBRARY, mmap_sync::LIBRARY]);
}

/// The version of a package that was built in.
fn version(package: &str) -> &'static str {
    ringpost_bench::version_in(include_str!("../Cargo.lock"), package)
}
