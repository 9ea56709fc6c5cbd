//! One frame of a malicious peer, sound or spoilt in the given way.

use std::io::{ErrorKind, Result};
use std::os::unix::fs::FileExt;

use ipc_core::HEADER_LEN;
use ipc_core::testing::Header;
use ipc_core::testing::layout;
use ringpost::{Kind, Transport};
use serde::Deserialize;

use crate::malicious::MaliciousPeer;
use crate::records;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct FrameOrder {
    pub peer: u32,
    ring: usize,
    kind: u8,
    code: u16,
    id: u64,
    /// In hexadecimal.
    #[serde(default)]
    payload: String,
    #[serde(default)]
    codec: u8,
    spoil: Option<String>,
    /// Published together with the next one.
    #[serde(default)]
    held: bool,
}

pub fn write(peer: &mut MaliciousPeer, order: &FrameOrder) -> Result<()> {
    let shared = peer.shared.as_mut().ok_or(ErrorKind::NotConnected)?;
    let kinds = [Kind::Request, Kind::Reply, Kind::Error, Kind::OneWay, Kind::Control];
    let kind = kinds[usize::from(order.kind) - 1];
    let byte = |at| u8::from_str_radix(&order.payload[at..at + 2], 16).expect("two digits");
    let mut payload: Vec<u8> = (0..order.payload.len()).step_by(2).map(byte).collect();
    let spoil = order.spoil.as_deref().unwrap_or_default();
    let header = Header::new(kind, order.code, order.id)
        .with_codec(ipc_core::Codec::from_bits(order.codec))
        .with_options(spoil == "options")
        .with_len(payload.len());
    let mut words = header.sealed(shared.agreement.crc, &[&payload]);
    match spoil {
        "magic" => words[0] ^= 1,
        "version" => words[0] ^= 2 << 32,
        "kind" => words[0] |= 0xf << 40,
        "length" => words[2] |= 0x7fff_fff8,
        // Of which 32 bits hold no sum with what a frame has besides.
        "wrapping length" => words[2] |= 0xffff_ffff,
        "checksum" => words[2] ^= 1 << 40,
        "payload" => payload[0] ^= 1,
        _ => {}
    }
    let head: Vec<u8> = words.iter().flat_map(|word| word.to_le_bytes()).collect();
    if shared.transport == Transport::Socket {
        let mut frames = std::mem::take(&mut peer.held);
        frames.extend([&head[..], &payload].concat());
        if order.held {
            frames.resize(frames.len().next_multiple_of(8), 0);
            peer.held = frames;
            return Ok(());
        }
        return peer.send(&records::of_frame(order.ring, &frames), &[]);
    }
    let capacity = u64::from(shared.agreement.geometry.rings[order.ring]);
    let start = layout::ring_start(&shared.agreement.geometry, shared.side, order.ring) as u64;
    let at = start + shared.written[order.ring] % capacity;
    shared.memory.write_all_at(&payload, at + HEADER_LEN as u64)?;
    shared.memory.write_all_at(&head, at)?;
    let len = (HEADER_LEN + payload.len()).next_multiple_of(8);
    shared.written[order.ring] += len as u64;
    let written = shared.written[order.ring];
    if order.held { Ok(()) } else { peer.store("write", order.ring, written) }
}
