//! Headers, option blocks and errors as they come from a peer: understood or refused, and what is
//! understood is the same when it is written again.

#![no_main]

use ipc_core::testing::{Header, Options, bytes_to_words};
use ipc_core::{CrcMode, HEADER_LEN, RemoteError};
use libfuzzer_sys::fuzz_target;

fuzz_target!(|bytes: &[u8]| {
    if let Some((head, payload)) = bytes.split_first_chunk::<HEADER_LEN>() {
        let words = bytes_to_words(head);
        if let Ok((header, crc)) = Header::from_words(words) {
            let (back, _) = Header::from_words(header.sealed(CrcMode::Off, &[])).unwrap();
            assert_eq!(back, header);
            let sealed = header.sealed(CrcMode::Full, &[payload]);
            let is_whole = sealed == words;
            assert_eq!(is_whole, sealed[2] >> 32 == u64::from(crc));
            let _ = (format!("{header:?}"), header.kind(), header.codec());
        }
    }
    if let Some((&prefix, _)) = bytes.split_first_chunk::<2>()
        && let Ok(len) = Options::block_len(prefix, bytes.len())
        && let Ok(options) = Options::decode(&bytes[..len])
        && options != Options::default()
    {
        assert_eq!(Options::decode(options.encode().as_bytes()), Ok(options));
    }
    let error = RemoteError::decode(bytes);
    assert_eq!(RemoteError::decode(&error.encode()), error);
});
