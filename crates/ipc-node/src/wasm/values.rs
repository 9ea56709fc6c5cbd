//! Values of JavaScript's as arguments and results have them.

use std::fmt;

use serde::de::{Error, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

/// One of two types.
#[derive(Debug, Deserialize, Serialize)]
#[serde(untagged)]
pub enum Either<A, B> {
    A(A),
    B(B),
}

/// Bytes.
#[derive(Debug)]
pub struct Uint8Array(Vec<u8>);

impl Uint8Array {
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.clone()
    }
}

impl<'de> Deserialize<'de> for Uint8Array {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Bytes;

        impl<'de> Visitor<'de> for Bytes {
            type Value = Uint8Array;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("bytes")
            }

            fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Uint8Array, E> {
                Ok(Uint8Array(bytes.to_vec()))
            }

            fn visit_byte_buf<E: Error>(self, bytes: Vec<u8>) -> Result<Uint8Array, E> {
                Ok(Uint8Array(bytes))
            }

            fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Uint8Array, S::Error> {
                let mut bytes = Vec::new();
                while let Some(byte) = seq.next_element()? {
                    bytes.push(byte);
                }
                Ok(Uint8Array(bytes))
            }
        }

        deserializer.deserialize_byte_buf(Bytes)
    }
}
