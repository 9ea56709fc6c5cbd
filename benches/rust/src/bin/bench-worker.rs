//! The process under measurement for the transports that come with the repository;
//! `benches/process.mts` starts it.

use ringpost_bench::adapters::{bare, expert, published, ringpost, uds};

fn main() {
    let adapters = [ringpost::ADAPTER, expert::ADAPTER, uds::ADAPTER, bare::ADAPTER];
    ringpost_bench::run(&adapters, &[published::LIBRARY]);
}
