//! What a malicious peer sends where no memory is shared: records, as PROTOCOL.md has them.

use std::fs::File;
use std::io::{ErrorKind, Result};

use ipc_core::RINGS;

const POSITIONS: u8 = 8;
const WORDS: u8 = 9;
const PUBLISHED: u8 = 1;

/// In the place of the memory that is shared otherwise.
pub fn no_memory() -> Result<File> {
    File::open("/dev/null")
}

/// A frame, by itself.
pub fn of_frame(ring: usize, frame: &[u8]) -> Vec<u8> {
    let mut bytes = frame.to_vec();
    bytes.resize(frame.len().next_multiple_of(8), 0);
    record(number(ring), PUBLISHED, u64::try_from(bytes.len()).expect("it is short"), &bytes)
}

/// What says the same as a word of shared memory. A write position is the length of a record, whose
/// bytes are zeros.
pub fn of_word(word: &str, ring: usize, value: u64) -> Result<Vec<u8>> {
    let mut numbers = [0; RINGS];
    match word {
        "write" => {
            let len = usize::try_from(value).unwrap_or(usize::MAX).min(4096);
            Ok(record(number(ring), PUBLISHED, value, &vec![0; len]))
        }
        "read" => {
            numbers[ring] = value;
            Ok(of_numbers(POSITIONS, numbers))
        }
        "syncWait" => {
            numbers[0] = value;
            Ok(of_numbers(WORDS, numbers))
        }
        _ => Err(ErrorKind::InvalidInput.into()),
    }
}

/// A record that may make sense, if `place` is what it is.
pub fn any(value: u64, place: u64) -> Vec<u8> {
    let what = u8::try_from(place / 8 % 12).expect("less than 12");
    match what {
        POSITIONS | WORDS => of_numbers(what, [value; RINGS]),
        _ => record(what, PUBLISHED, 8, &value.to_le_bytes()),
    }
}

fn of_numbers(what: u8, numbers: [u64; RINGS]) -> Vec<u8> {
    let bytes: Vec<u8> = numbers.into_iter().flat_map(u64::to_le_bytes).collect();
    record(what, 0, u64::try_from(bytes.len()).expect("it is short"), &bytes)
}

/// Of a length only the lower half goes into a record.
fn record(what: u8, flags: u8, len: u64, bytes: &[u8]) -> Vec<u8> {
    [&[what, flags, 0, 0], &len.to_le_bytes()[..4], bytes].concat()
}

fn number(ring: usize) -> u8 {
    u8::try_from(ring).expect("five rings")
}
