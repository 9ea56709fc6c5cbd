//! Arguments and results of calls.

use ipc_core::{Code, Error, Result};
use rmp_serde::Serializer;
use serde::de::DeserializeOwned;
use serde::Serialize;

use crate::describe::describe;

/// What is called, and with what.
pub struct Call<'a> {
    pub method: &'a str,
    /// As MessagePack, behind each other.
    arguments: &'a [u8],
    count: u32,
}

impl<'a> Call<'a> {
    /// Reads the array that the host has written.
    pub fn read(bytes: &'a [u8]) -> Option<Self> {
        let mut rest = bytes;
        let count = rmp::decode::read_array_len(&mut rest).ok()?.checked_sub(1)?;
        let (method, arguments) = rmp::decode::read_str_from_slice(rest).ok()?;
        Some(Self { method, arguments, count })
    }

    /// The arguments, which are as many as a tuple has.
    pub fn arguments<T: DeserializeOwned>(&self) -> Result<T> {
        let mut array = Vec::with_capacity(5 + self.arguments.len());
        rmp::encode::write_array_len(&mut array, self.count).map_err(|error| self.wrong(&error))?;
        array.extend_from_slice(self.arguments);
        let mut reader = rmp_serde::Deserializer::from_read_ref(&array);
        T::deserialize(&mut reader).map_err(|error| self.wrong(&error))
    }

    #[cold]
    fn wrong(&self, error: &dyn std::error::Error) -> Error {
        let message = format!("the arguments of {}: {error}", self.method);
        Error::new(Code::Internal, message)
    }
}

/// A result as the host reads it: its length, and then whether it is one, with the value or with
/// the error's code and message.
pub fn answer<T: Serialize>(result: Result<T>) -> Vec<u8> {
    let mut bytes = vec![0; 4];
    let mut serializer = Serializer::new(&mut bytes).with_struct_map();
    let written = match result {
        Ok(value) => (true, value).serialize(&mut serializer),
        Err(error) => (false, describe(&error)).serialize(&mut serializer),
    };
    // What is written has a form that MessagePack has, too, and memory does not fail.
    drop(written);
    let len = u32::try_from(bytes.len() - 4).unwrap_or_default();
    bytes[..4].copy_from_slice(&len.to_le_bytes());
    bytes
}
