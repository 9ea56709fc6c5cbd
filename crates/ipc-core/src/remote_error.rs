//! An error on its way to the peer: its texts, causes and properties, as MessagePack.

use serde::{Deserialize, Serialize};

use crate::error::{Code, Error};
use crate::header::Codec;
use crate::value::{Record, Value};

// What is longer is cut off, on the way out and on the way in: an error is no place for data.
/// Causes below each other.
const CAUSES_MAX: usize = 8;
/// What one error holds of others beside its cause.
const ERRORS_MAX: usize = 16;
/// Errors in one frame, whichever way they hang together.
const RECORDS_MAX: usize = 32;
/// Bytes of one text, and of all texts.
const TEXT_MAX: usize = 16_384;
const TEXTS_MAX: usize = 65_536;
/// Properties of one error, and bytes of all values that are no text of an error's own.
const PROPERTIES_MAX: usize = 64;
const PROPERTY_BYTES_MAX: usize = 16_384;
/// Records and lists within each other: those of errors, and those of a value of theirs.
const DEPTH_MAX: usize = 160;
/// No error is longer that was written by these rules, in whichever language.
const FRAME_MAX: usize = 1 << 20;

/// What a handler failed with, as the peer receives it.
///
/// ```
/// use ipc_core::{RemoteError, Value};
///
/// let error = RemoteError::new("ERR_NO_FILE", "no such file")
///     .caused_by(RemoteError::new("EIO", "disk"))
///     .with_property("errno", Value::from(-5_i64));
/// let back = RemoteError::decode(&error.encode());
/// assert_eq!(back, error);
/// assert_eq!(back.properties.get("errno").and_then(Value::as_i64), Some(-5));
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteError {
    /// The class of the error, `Error` unless it has one of its own.
    pub name: String,
    /// What happened.
    pub message: String,
    /// What to branch on. Of a code that is a number this is the text; the number is the property
    /// `code`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Where it happened, in the words of its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// What caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<RemoteError>>,
    /// What it holds of others: why all of several attempts have failed.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub errors: Vec<RemoteError>,
    /// What else it has.
    #[serde(skip_serializing_if = "Record::is_empty")]
    pub properties: Record,
    /// Of a cause, or one of several errors: it is no error, but this value.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub value: Option<Value>,
}

impl RemoteError {
    /// An error with a code to branch on.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: "Error".into(),
            message: message.into(),
            code: Some(code.into()),
            ..Self::default()
        }
    }

    /// The same with a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The same with a property.
    #[must_use]
    pub fn with_property(mut self, name: impl Into<String>, value: Value) -> Self {
        self.properties.0.push((name.into(), value));
        self
    }

    /// The payload of an error frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut copy = self.clone();
        Left::default().cut(&mut copy, 0);
        rmp_serde::to_vec_named(&copy).expect("text and values always encode")
    }

    /// Reads the payload of an error frame. One that cannot be read is still an error.
    pub fn decode(payload: &[u8]) -> Self {
        if payload.len() > FRAME_MAX {
            return Self::unreadable(&format_args!("it has {} bytes", payload.len()));
        }
        let mut rest = payload;
        let mut reader = rmp_serde::Deserializer::new(&mut rest);
        reader.set_max_depth(DEPTH_MAX);
        Self::deserialize(&mut reader).map_or_else(
            |cause| Self::unreadable(&cause),
            |mut error: Self| {
                Left::default().cut(&mut error, 0);
                error
            },
        )
    }

    /// Decodes the payload of an error that arrived. One that cannot be decoded gives an error that
    /// says so.
    pub fn received(codec: Codec, payload: &[u8]) -> Self {
        if codec == Codec::MessagePack {
            Self::decode(payload)
        } else {
            Self::unreadable(&"it is not encoded as MessagePack")
        }
    }

    fn unreadable(cause: &dyn std::fmt::Display) -> Self {
        let message = format!("the peer sent an error that cannot be read: {cause}");
        Self::new("ERR_INVALID_PAYLOAD", message)
    }
}

/// How much more of an error is sent or kept.
struct Left {
    records: usize,
    text_bytes: usize,
    property_bytes: usize,
}

impl Default for Left {
    fn default() -> Self {
        Self { records: RECORDS_MAX, text_bytes: TEXTS_MAX, property_bytes: PROPERTY_BYTES_MAX }
    }
}

impl Left {
    fn cut(&mut self, error: &mut RemoteError, depth: usize) {
        self.records -= 1;
        let texts = [Some(&mut error.name), Some(&mut error.message)];
        for text in texts.into_iter().chain([error.code.as_mut(), error.stack.as_mut()]).flatten() {
            self.cut_text(text);
        }
        if depth == CAUSES_MAX || self.records == 0 {
            error.cause = None;
            error.errors.clear();
        }
        if let Some(cause) = &mut error.cause {
            self.cut(cause, depth + 1);
        }
        error.errors.truncate(ERRORS_MAX);
        error.errors.retain_mut(|inner| {
            let has_room = self.records > 0;
            if has_room {
                self.cut(inner, depth + 1);
            }
            has_room
        });
        error.properties.0.truncate(PROPERTIES_MAX);
        error.properties.0.retain(|(name, value)| self.has_room(name.len(), value));
        error.value.take_if(|value| !self.has_room(0, value));
    }

    fn cut_text(&mut self, text: &mut String) {
        let mut end = text.len().min(TEXT_MAX).min(self.text_bytes);
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        text.truncate(end);
        self.text_bytes -= end;
    }

    fn has_room(&mut self, name_len: usize, value: &Value) -> bool {
        let needed = name_len + value.encode().len();
        let has_room = needed <= self.property_bytes;
        if has_room {
            self.property_bytes -= needed;
        }
        has_room
    }
}

impl Error {
    /// A failure of the peer's handler.
    #[cold]
    pub fn remote(remote: RemoteError) -> Self {
        let named = |code: &&Code| Some(code.as_str()) == remote.code.as_deref();
        let code = Code::ALL.iter().find(named).copied().unwrap_or(Code::Handler);
        Self::caused(code, remote.message.clone(), remote)
    }

    /// What the peer's handler failed with, if that is what this is.
    pub fn as_remote(&self) -> Option<&RemoteError> {
        self.cause_as()
    }
}

impl From<Error> for RemoteError {
    /// What a handler fails with when a request of its own has failed.
    fn from(error: Error) -> Self {
        let local = || Self::new(error.code().as_str(), error.to_string());
        error.as_remote().cloned().unwrap_or_else(local)
    }
}

impl std::fmt::Display for RemoteError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for RemoteError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.cause.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_chain_of_causes_is_cut_and_an_unreadable_error_is_an_error() {
        let mut error = RemoteError::new("E", "last");
        for _ in 0..100 {
            error = RemoteError::new("E", "outer").caused_by(error);
        }
        let mut depth = 0;
        let mut at = &RemoteError::decode(&error.encode());
        while let Some(cause) = &at.cause {
            (depth, at) = (depth + 1, cause);
        }
        assert_eq!(depth, CAUSES_MAX);
        for hostile in [&[0xc1][..], &[], &[0x91; 10_000], &vec![0xc0; FRAME_MAX + 1]] {
            let unreadable = RemoteError::decode(hostile);
            assert_eq!(unreadable.code.as_deref(), Some("ERR_INVALID_PAYLOAD"));
        }
    }

    #[test]
    fn all_parts_come_back_and_are_bounded() {
        let mut value = RemoteError { value: Some(Value::from("plain")), ..RemoteError::default() };
        value.message = "plain".into();
        let mut error = RemoteError::new("404", "all have failed")
            .with_property("code", Value::from(404_i64))
            .with_property("at", crate::value::Extension::time(5, 0).into())
            .caused_by(value.clone());
        error.errors = vec![RemoteError::new("E", "one"), value.clone()];
        assert_eq!(RemoteError::decode(&error.encode()), error);

        error.message = "é".repeat(TEXT_MAX);
        error.errors = vec![RemoteError { stack: Some("s".repeat(9000)), ..value }; 100];
        error.properties.0 = vec![("x".into(), Value::Bytes(vec![7; 1000])); 1000];
        let payload = error.encode();
        assert!(payload.len() < TEXTS_MAX + PROPERTY_BYTES_MAX + 4096, "{}", payload.len());
        let cut = RemoteError::decode(&payload);
        assert_eq!(cut.message.len(), TEXT_MAX);
        assert_eq!(cut.errors.len(), ERRORS_MAX);
        assert_eq!(cut.encode(), payload, "what was cut stays as it is");
    }

    #[test]
    fn an_error_of_errors_of_errors_is_cut() {
        let mut error = RemoteError::new("E", "leaf");
        for _ in 0..20 {
            let errors = vec![error; 3];
            error = RemoteError { errors, ..RemoteError::new("E", "node") };
            Left::default().cut(&mut error, 0);
        }
        fn count(error: &RemoteError) -> usize {
            1 + error.errors.iter().map(count).sum::<usize>()
        }
        assert!(count(&RemoteError::decode(&error.encode())) <= RECORDS_MAX);
    }
}
