//! Errors, endings and peers, as JavaScript receives them.

use std::fmt::Write as _;

use ipc_core::{Ending, Error, Peer};

use crate::records::ending::{
    ENDED_CANCELLED, ENDED_CLOSED, ENDED_PEER_LOST, ENDED_TIMEOUT, ENDED_UNREADABLE,
    ENDED_WITHDRAWN,
};

/// An error as JavaScript takes it apart again: its code, a line feed, its message.
pub fn describe(error: &Error) -> String {
    format!("{}\n{error}", error.code())
}

/// Who is at the other end, in JSON. Nothing in it needs escaping.
pub fn register(peer: &Peer) -> String {
    let hex = |bytes: &[u8]| {
        bytes.iter().fold(String::new(), |mut text, byte| {
            let _ = write!(text, "{byte:02x}");
            text
        })
    };
    let agreement = &peer.agreement;
    format!(
        concat!(
            r#"{{"pid":{},"uid":{},"session":"{}","isSelf":{},"transport":"{}","crc":"{}","#,
            r#""rings":{:?},"messageLenMax":{},"pendingMax":{}}}"#,
        ),
        peer.pid,
        peer.uid,
        hex(&peer.session),
        peer.is_self,
        peer.transport.name(),
        agreement.crc.name(),
        agreement.geometry.rings,
        agreement.limits.message_len_max,
        agreement.limits.pending_max,
    )
}

/// How a request ended, as a number.
pub fn ending_code(ending: Ending) -> u32 {
    match ending {
        Ending::Timeout => ENDED_TIMEOUT,
        Ending::Cancelled => ENDED_CANCELLED,
        Ending::PeerLost => ENDED_PEER_LOST,
        Ending::Closed => ENDED_CLOSED,
        Ending::Withdrawn => ENDED_WITHDRAWN,
        Ending::Unreadable => ENDED_UNREADABLE,
    }
}
