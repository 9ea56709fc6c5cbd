//! The process under measurement for the transports that come with the repository;
//! `benches/process.mts` starts it.

use ringpost_bench::adapters::{bare, expert, ringpost, uds};

fn main() {
    ringpost_bench::run(&[ringpost::ADAPTER, expert::ADAPTER, uds::ADAPTER, bare::ADAPTER]);
}
