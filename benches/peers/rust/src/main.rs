//! The process under measurement for Rust libraries of others. All else it has from
//! `ringpost-bench`.

mod iceoryx;
mod interprocess;
mod ipc_channel;

fn main() {
    ringpost_bench::run(&[ipc_channel::ADAPTER, iceoryx::ADAPTER, interprocess::ADAPTER]);
}

/// The version of a package that was built in.
fn version(package: &str) -> &'static str {
    ringpost_bench::version_in(include_str!("../Cargo.lock"), package)
}
