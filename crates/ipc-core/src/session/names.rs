//! Method and event names as 16-bit codes. Each side numbers the names *it* uses and tells the peer
//! before first use, on the same lane, so that a definition always arrives before what needs it.

use crate::error::Corrupt;
use crate::limits::{Lane, METHOD_LEN_MAX, check_method_name};

/// The peer's names, and which of ours the peer knows.
pub(super) struct Names {
    names_max: u16,
    /// Of our codes: the lanes on which each was defined, by bit.
    told: Vec<u8>,
    /// Of the peer's codes: whether and how it was defined.
    theirs: Vec<Option<Box<str>>>,
}

/// What a definition that came in means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Definition {
    /// A name not heard of before.
    New,
    /// The same name as on another lane.
    Known,
}

impl Names {
    pub fn new(names_max: u16) -> Self {
        Self { names_max, told: Vec::new(), theirs: Vec::new() }
    }

    /// Whether the agreement has room for our `code`.
    #[inline]
    pub fn fits(&self, code: u16) -> bool {
        code < self.names_max
    }

    /// Whether the peer knows our `code` on this lane.
    #[inline]
    pub fn is_told(&self, lane: Lane, code: u16) -> bool {
        self.told.get(usize::from(code)).is_some_and(|lanes| lanes & 1 << lane as u8 != 0)
    }

    /// Our `code` has been defined on this lane.
    pub fn tell(&mut self, lane: Lane, code: u16) {
        let index = usize::from(code);
        if index >= self.told.len() {
            self.told.resize(index + 1, 0);
        }
        self.told[index] |= 1 << lane as u8;
    }

    /// Whether the peer has defined its `code`.
    #[inline]
    pub fn is_defined(&self, code: u16) -> bool {
        self.theirs.get(usize::from(code)).is_some_and(Option::is_some)
    }

    /// What the peer calls its `code`.
    pub fn name(&self, code: u16) -> Option<&str> {
        self.theirs.get(usize::from(code))?.as_deref()
    }

    /// The peer defines a code; `name` is a private copy of what it sent.
    pub fn define(&mut self, code: u16, name: &[u8]) -> Result<Definition, Corrupt> {
        let refused = Corrupt::Name { code, len: name.len() };
        if code >= self.names_max || name.len() > METHOD_LEN_MAX {
            return Err(refused);
        }
        let name = std::str::from_utf8(name).map_err(|_| refused)?;
        check_method_name(name).map_err(|_| refused)?;
        let index = usize::from(code);
        if index >= self.theirs.len() {
            self.theirs.resize(index + 1, None);
        }
        match &self.theirs[index] {
            Some(known) if **known == *name => Ok(Definition::Known),
            Some(_) => Err(refused),
            None => {
                self.theirs[index] = Some(name.into());
                Ok(Definition::New)
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_definition_may_be_repeated_and_never_changed() {
        let mut names = Names::new(4);
        assert_eq!(names.define(3, b"echo"), Ok(Definition::New));
        assert_eq!(names.define(3, b"echo"), Ok(Definition::Known));
        assert!(names.define(3, b"ohce").is_err());
        assert_eq!(names.name(3), Some("echo"));
        assert!(!names.is_defined(0));
    }

    #[test]
    fn definitions_outside_of_the_agreement_are_refused() {
        let mut names = Names::new(4);
        let long = [b'x'; METHOD_LEN_MAX + 1];
        for (code, name) in [(4, &b"echo"[..]), (0, b""), (0, b"a\nb"), (0, b"\xff"), (0, &long)] {
            assert!(names.define(code, name).is_err(), "{code} {name:?}");
        }
    }

    #[test]
    fn each_lane_is_told_by_itself() {
        let mut names = Names::new(4);
        names.tell(Lane::Normal, 2);
        assert!(names.is_told(Lane::Normal, 2));
        assert!(!names.is_told(Lane::Critical, 2) && !names.is_told(Lane::Normal, 1));
        assert!(names.fits(3) && !names.fits(4));
    }
}
