//! Messages that fit one frame each, whatever lane they take.

use ipc_core::{Agreement, Code, Error, Options, Result, Transport};

/// The options of a link whose messages all fit into one frame, whatever lane they take.
pub fn in_one_piece(options: &Options) -> Result<Options> {
    let transport = options.transport.unwrap_or(Transport::Sealed);
    if transport == Transport::Socket {
        let message = "over the transport \"socket\" each message takes a system call, which no \
                       link under a deadline may make";
        return Err(Error::new(Code::InvalidArgument, message));
    }
    let geometry = transport.geometry().with(options.rings);
    // To unpack takes memory.
    let mut options = Options { rings: geometry.rings, compression: false, ..options.clone() };
    let shortest = geometry.one_piece_len_max();
    options.limits.message_len_max = options.limits.message_len_max.min(shortest);
    Ok(options)
}

/// Whether the server gives rings whose frames hold what was agreed on.
pub fn check(agreement: &Agreement) -> Result<()> {
    let (agreed, possible) =
        (agreement.limits.message_len_max, agreement.geometry.one_piece_len_max());
    if agreed <= possible {
        return Ok(());
    }
    let rings = agreement.geometry.rings;
    Err(Error::new(
        Code::NoSpace,
        format!(
            "messages of {agreed} bytes do not fit one frame of the rings the server gives, \
             {rings:?}: the most is {possible}; it gives more with `rings_max`"
        ),
    ))
}
