//! A failure that crosses the border: name, message, code, stack and cause, as MessagePack.

use serde::{Deserialize, Serialize};

use crate::error::Error;

/// Causes deeper than this are cut off, on the way out and on the way in.
const CAUSES_MAX: usize = 8;

/// What a handler failed with, as the other side is told.
///
/// ```
/// use ipc_core::RemoteError;
///
/// let error = RemoteError::new("ERR_NO_FILE", "no such file").caused_by(RemoteError::new("EIO", "disk"));
/// let back = RemoteError::decode(&error.encode());
/// assert_eq!(back, error);
/// ```
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct RemoteError {
    /// The class of the error, `Error` unless it has one of its own.
    pub name: String,
    /// What happened.
    pub message: String,
    /// What to branch on.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub code: Option<String>,
    /// Where it happened, in the words of its language.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub stack: Option<String>,
    /// What caused it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub cause: Option<Box<RemoteError>>,
}

impl RemoteError {
    /// An error with a code to branch on.
    pub fn new(code: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            name: "Error".into(),
            message: message.into(),
            code: Some(code.into()),
            stack: None,
            cause: None,
        }
    }

    /// The same with a cause.
    #[must_use]
    pub fn caused_by(mut self, cause: Self) -> Self {
        self.cause = Some(Box::new(cause));
        self
    }

    /// The payload of an error frame.
    pub fn encode(&self) -> Vec<u8> {
        let mut copy = self.clone();
        copy.cut_causes();
        rmp_serde::to_vec_named(&copy).expect("strings always encode")
    }

    /// Reads the payload of an error frame. One that cannot be read is still an error.
    pub fn decode(payload: &[u8]) -> Self {
        rmp_serde::from_slice(payload).map_or_else(
            |cause| Self::new("ERR_INVALID_PAYLOAD", format!("an unreadable error: {cause}")),
            |mut error: Self| {
                error.cut_causes();
                error
            },
        )
    }

    fn cut_causes(&mut self) {
        let mut error = self;
        for _ in 0..CAUSES_MAX {
            match &mut error.cause {
                Some(cause) => error = cause,
                None => return,
            }
        }
        error.cause = None;
    }
}

impl From<Error> for RemoteError {
    /// What a handler fails with when what it asked for itself has failed.
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
        let unreadable = RemoteError::decode(&[0xc1]);
        assert_eq!(unreadable.code.as_deref(), Some("ERR_INVALID_PAYLOAD"));
    }
}
