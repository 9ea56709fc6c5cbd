//! The process under measurement for the transports that come with the repository;
//! `benches/process.mts` starts it.

use ringpost_bench::adapters::{bare, ringpost, tokio_uds, uds};

fn main() {
    ringpost_bench::run(&[ringpost::ADAPTER, uds::ADAPTER, tokio_uds::ADAPTER, bare::ADAPTER]);
}
