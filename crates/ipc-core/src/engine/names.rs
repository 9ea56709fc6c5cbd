//! This side's names for methods and events, numbered in the order of first use; the same numbers
//! on all its connections.

use std::collections::HashMap;

use crate::error::{Code, Error, Result};
use crate::limits::check_method_name;

#[derive(Default)]
pub(super) struct Names {
    codes: HashMap<Box<str>, u16>,
    names: Vec<Box<str>>,
    /// The code asked for last: most callers ask for the same one again.
    last: u16,
}

impl Names {
    /// The code of a name, a new one if need be.
    pub fn code(&mut self, name: &str) -> Result<u16> {
        if self.names.get(usize::from(self.last)).is_some_and(|last| **last == *name) {
            return Ok(self.last);
        }
        if let Some(code) = self.codes.get(name) {
            self.last = *code;
            return Ok(*code);
        }
        check_method_name(name)?;
        let code = u16::try_from(self.names.len())
            .map_err(|_| Error::new(Code::TooManyNames, "more than 65,536 names"))?;
        self.names.push(name.into());
        self.codes.insert(name.into(), code);
        Ok(code)
    }

    /// The name of a code.
    pub fn name(&self, code: u16) -> Result<&str> {
        self.names.get(usize::from(code)).map(AsRef::as_ref).ok_or_else(|| {
            Error::new(Code::InvalidArgument, format!("code {code} has no name here"))
        })
    }
}
