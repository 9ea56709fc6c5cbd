//! Connections whose peers are leaving: each is closed once nothing is in flight on it.

use ipc_core::{Engine, Host, LinkId};

/// Closes those of these on which nothing is in flight. The others make no new requests, and are
/// reported by [`Event::Idle`](ipc_core::Event::Idle) to be tried again.
#[cold]
pub(crate) fn depart(engine: &mut Engine, host: &mut impl Host, departing: Vec<LinkId>) {
    for link in departing {
        if engine.is_idle(link) {
            engine.close(link, host);
        } else {
            engine.quiesce(link);
        }
    }
}
