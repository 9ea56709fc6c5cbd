//! This side's names for methods and events, numbered in the order of first use; the same numbers
//! on all its connections.

use std::collections::HashMap;

use crate::error::{Code, Error, Result};
use crate::limits::check_method_name;

/// Names that have a number at the same time. When there is one more, all are given up and numbered
/// anew, so that a program that makes names up as it goes does not fill its memory with them.
const NAMES_MAX: u16 = 16_384;

#[derive(Default)]
pub(super) struct Names {
    /// How often all names were given up.
    epoch: u16,
    numbers: HashMap<Box<str>, u16>,
    names: Vec<Box<str>>,
    /// The number asked for last: most callers ask for the same one again.
    last: u16,
}

/// Where the epoch stands in a code.
const EPOCH_SHIFT: u32 = 16;

/// The number of a name, of a code of the epoch that is.
#[inline]
#[expect(clippy::cast_possible_truncation, reason = "the low half is the number")]
pub(super) fn number_of(code: u32) -> u16 {
    code as u16
}

/// The epoch of a code.
#[inline]
pub(super) fn epoch_of(code: u32) -> u16 {
    number_of(code >> EPOCH_SHIFT)
}

impl Names {
    /// The code of a name, a new one if need be.
    pub fn code(&mut self, name: &str) -> Result<u32> {
        let is_last = self.names.get(usize::from(self.last)).is_some_and(|last| **last == *name);
        if !is_last {
            self.last = match self.numbers.get(name) {
                Some(number) => *number,
                None => self.number(name)?,
            };
        }
        Ok(u32::from(self.epoch) << EPOCH_SHIFT | u32::from(self.last))
    }

    #[cold]
    fn number(&mut self, name: &str) -> Result<u16> {
        check_method_name(name)?;
        if self.names.len() == usize::from(NAMES_MAX) {
            self.names.clear();
            self.numbers.clear();
            self.epoch = self.epoch.wrapping_add(1);
        }
        let number = u16::try_from(self.names.len()).expect("there are fewer");
        self.names.push(name.into());
        self.numbers.insert(name.into(), number);
        Ok(number)
    }

    /// How often all names were given up. Codes of another epoch mean nothing any more.
    #[inline]
    pub fn epoch(&self) -> u16 {
        self.epoch
    }

    /// The name of a code.
    pub fn name(&self, code: u32) -> Result<&str> {
        let name = self.names.get(usize::from(number_of(code))).map(AsRef::as_ref);
        name.filter(|_| epoch_of(code) == self.epoch).ok_or_else(|| {
            Error::new(Code::InvalidArgument, format!("code {code:#x} has no name here"))
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_without_end_are_numbered_anew_and_old_codes_mean_nothing() {
        let mut names = Names::default();
        let first = names.code("first").unwrap();
        assert_eq!(names.code("first").unwrap(), first);
        for number in 1..NAMES_MAX {
            names.code(&format!("name {number}")).unwrap();
        }
        assert_eq!((names.name(first).unwrap(), names.epoch()), ("first", 0));
        let next = names.code("one more").unwrap();
        assert_eq!((names.name(next).unwrap(), names.epoch()), ("one more", 1));
        assert!(names.name(first).is_err());
        assert_eq!(names.code("first").unwrap(), next + 1);
    }
}
