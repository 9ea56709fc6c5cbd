//! A file of a state frame that may be anything, and that changes while it is read. A reader gets a
//! value that is whole, none, or an error; and the next writer makes a file of its own.

#![no_main]

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, PermissionsExt};
use std::path::PathBuf;

use ipc_core::{FrameOptions, FrameStatus, Place, StateFrameReader, StateFrameWriter};
use ipc_core_fuzz::directory;
use libfuzzer_sys::arbitrary::{self, Arbitrary};
use libfuzzer_sys::fuzz_target;

/// Of the bytes whose checksum follows them.
const COVERED: usize = 76;

#[derive(Arbitrary, Debug)]
struct Script {
    values: Vec<Vec<u8>>,
    /// Before it is opened: bytes at offsets.
    before: Vec<(u16, u8)>,
    /// Whether the head's checksum is right all the same.
    is_sealed: bool,
    /// By how much it is cut or longer.
    grown: i16,
    /// Between reads.
    meanwhile: Vec<(u16, u8)>,
}

fuzz_target!(|script: Script| {
    let place = Place::at(directory());
    let path: PathBuf = directory().join("fuzzed.frame");
    let options = FrameOptions { capacity: 256, ..FrameOptions::default() };
    let mut writer = StateFrameWriter::create("fuzzed", &place, &options).unwrap();
    for value in &script.values {
        let value = &value[..value.len().min(256)];
        writer.write(value).unwrap();
    }
    drop(writer);
    let mut bytes = fs::read(&path).unwrap();
    for (at, byte) in &script.before {
        let at = usize::from(*at) % bytes.len();
        bytes[at] = *byte;
    }
    if script.is_sealed {
        let crc = crc32c(&bytes[..COVERED]);
        bytes[COVERED..COVERED + 4].copy_from_slice(&crc.to_le_bytes());
    }
    let len = bytes.len().saturating_add_signed(script.grown.into());
    bytes.resize(len, 0);
    // Another file, as nobody expects: the one of the writer is gone.
    fs::remove_file(&path).unwrap();
    fs::write(&path, &bytes).unwrap();
    fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
    let file = File::options().write(true).open(&path).unwrap();
    let mut reader = StateFrameReader::open("fuzzed", &place).unwrap();
    check(&mut reader);
    for (at, byte) in &script.meanwhile {
        let at = u64::from(*at) % (bytes.len() as u64).max(1);
        file.write_all_at(&[*byte], at).unwrap();
        check(&mut reader);
    }
    drop(file);
    // Whatever it was, it is replaced, and the reader follows.
    let mut next = StateFrameWriter::create("fuzzed", &place, &options).unwrap();
    let number = next.write(b"good").unwrap();
    let mut late = StateFrameReader::open("fuzzed", &place).unwrap();
    let found = late.read().unwrap();
    assert_eq!((found.bytes, found.number), (&b"good"[..], number));
    next.remove();
});

fn check(reader: &mut StateFrameReader) {
    let Ok(found) = reader.read() else { return };
    // Nobody holds its lock.
    assert!(matches!(found.status, FrameStatus::Stale | FrameStatus::Empty));
    assert_eq!(found.status == FrameStatus::Empty, found.number == 0);
    if found.number == 0 {
        assert!(found.bytes.is_empty());
    }
}

fn crc32c(bytes: &[u8]) -> u32 {
    !bytes.iter().fold(!0, |crc: u32, byte| {
        (0..8).fold(crc ^ u32::from(*byte), |crc, _| {
            crc >> 1 ^ if crc & 1 == 1 { 0x82f6_3b78 } else { 0 }
        })
    })
}
