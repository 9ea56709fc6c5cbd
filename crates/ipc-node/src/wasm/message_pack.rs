//! Arguments and results of calls.

use ipc_core::{Code, Error, Result};
use rmp_serde::Serializer;
use serde::Serialize;

use super::values::{Arguments, Value};
use crate::describe::describe;

/// What is called, and with what.
pub struct Call {
    pub method: String,
    arguments: Vec<Value>,
}

impl Call {
    /// Reads the array that the host has written.
    pub fn read(bytes: &[u8]) -> Option<Self> {
        let Value::Array(mut arguments) = rmp_serde::from_slice(bytes).ok()? else { return None };
        if arguments.is_empty() {
            return None;
        }
        let Value::Text(method) = arguments.remove(0) else { return None };
        Some(Self { method, arguments })
    }

    /// The arguments, which are as many as a tuple has.
    pub fn arguments<T: Arguments>(&mut self) -> Result<T> {
        T::from_values(std::mem::take(&mut self.arguments)).ok_or_else(|| self.wrong())
    }

    #[cold]
    fn wrong(&self) -> Error {
        Error::new(Code::Internal, format!("arguments of {} of another type", self.method))
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
