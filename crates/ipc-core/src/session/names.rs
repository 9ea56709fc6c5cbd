//! Method and event names as 16-bit codes. Each side numbers the names *it* uses, in every lane by
//! itself, and defines them before first use there, so that a definition always arrives before what
//! needs it.
//!
//! A code that is defined anew means the new name from there on. So a side that uses more names
//! than were agreed goes round: the codes of the names that were defined first are the next to be
//! used.

use crate::error::Corrupt;
use crate::limits::{Lane, METHOD_LEN_MAX, check_method_name};

/// The peer's names, and which of ours the peer knows.
pub(super) struct Names {
    names_max: u16,
    ours: [Ours; Lane::ALL.len()],
    theirs: [Vec<Option<Box<str>>>; Lane::ALL.len()],
}

/// Our names in one lane.
#[derive(Default)]
struct Ours {
    /// By the number of a name: its code and one, 0 for none.
    codes: Vec<u16>,
    /// By code: the number of the name it stands for.
    numbers: Vec<u16>,
    /// The code that is defined next.
    next: u16,
}

/// What a definition that arrived means.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Definition {
    /// The code stands for something else from now on.
    New,
    /// It stood for the same before.
    Known,
}

impl Names {
    pub fn new(names_max: u16) -> Self {
        Self { names_max, ours: Default::default(), theirs: Default::default() }
    }

    // ---- ours ----

    /// The code by which the peer knows our name of that number in this lane.
    #[inline]
    pub fn code(&self, lane: Lane, number: u16) -> Option<u16> {
        self.ours[lane as usize].codes.get(usize::from(number))?.checked_sub(1)
    }

    /// Whether another name can be defined in a lane without one of the others being given up.
    pub fn has_room(&self, lane: Lane) -> bool {
        self.ours[lane as usize].numbers.len() < usize::from(self.names_max)
    }

    /// The code under which our name of that number is to be defined in this lane.
    pub fn define_ours(&mut self, lane: Lane, number: u16) -> u16 {
        let Ours { codes, numbers, next } = &mut self.ours[lane as usize];
        let code = *next;
        *next = (code + 1) % self.names_max;
        match numbers.get_mut(usize::from(code)) {
            Some(before) => codes[usize::from(std::mem::replace(before, number))] = 0,
            None => numbers.push(number),
        }
        if usize::from(number) >= codes.len() {
            codes.resize(usize::from(number) + 1, 0);
        }
        codes[usize::from(number)] = code + 1;
        code
    }

    /// Our numbers mean other names from now on.
    pub fn forget_ours(&mut self) {
        self.ours = Default::default();
    }

    // ---- theirs ----

    /// Whether the peer has defined its `code` in this lane.
    #[inline]
    pub fn is_defined(&self, lane: Lane, code: u16) -> bool {
        self.theirs[lane as usize].get(usize::from(code)).is_some_and(Option::is_some)
    }

    /// What the peer calls its `code` in this lane.
    pub fn name(&self, lane: Lane, code: u16) -> Option<&str> {
        self.theirs[lane as usize].get(usize::from(code))?.as_deref()
    }

    /// The peer defines a code in a lane; `name` is a private copy of what it sent.
    pub fn define(&mut self, lane: Lane, code: u16, name: &[u8]) -> Result<Definition, Corrupt> {
        let refused = Corrupt::Name { code, len: name.len() };
        if code >= self.names_max || name.len() > METHOD_LEN_MAX {
            return Err(refused);
        }
        let name = std::str::from_utf8(name).map_err(|_| refused)?;
        check_method_name(name).map_err(|_| refused)?;
        let theirs = &mut self.theirs[lane as usize];
        let index = usize::from(code);
        if index >= theirs.len() {
            theirs.resize(index + 1, None);
        }
        if theirs[index].as_deref() == Some(name) {
            return Ok(Definition::Known);
        }
        theirs[index] = Some(name.into());
        Ok(Definition::New)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LANE: Lane = Lane::Normal;

    #[test]
    fn a_definition_may_be_repeated_and_replaced() {
        let mut names = Names::new(4);
        assert_eq!(names.define(LANE, 3, b"echo"), Ok(Definition::New));
        assert_eq!(names.define(LANE, 3, b"echo"), Ok(Definition::Known));
        assert_eq!(names.define(LANE, 3, b"ohce"), Ok(Definition::New));
        assert_eq!(names.name(LANE, 3), Some("ohce"));
        assert!(!names.is_defined(LANE, 0) && !names.is_defined(Lane::High, 3));
    }

    #[test]
    fn definitions_outside_of_the_agreement_are_refused() {
        let mut names = Names::new(4);
        let long = [b'x'; METHOD_LEN_MAX + 1];
        for (code, name) in [(4, &b"echo"[..]), (0, b""), (0, b"a\nb"), (0, b"\xff"), (0, &long)] {
            assert!(names.define(LANE, code, name).is_err(), "{code} {name:?}");
        }
    }

    #[test]
    fn codes_go_round_and_a_name_is_known_by_the_last_it_was_given() {
        let mut names = Names::new(3);
        let codes = [7, 0, 9].map(|number| names.define_ours(LANE, number));
        assert_eq!(codes, [0, 1, 2]);
        assert!(!names.has_room(LANE) && names.has_room(Lane::High));
        assert_eq!((names.code(LANE, 7), names.code(Lane::High, 7)), (Some(0), None));
        // The first is given up, comes back, and then the second is.
        assert_eq!((names.define_ours(LANE, 8), names.code(LANE, 7)), (0, None));
        assert_eq!((names.define_ours(LANE, 7), names.code(LANE, 0)), (1, None));
        assert_eq!([8, 7, 9].map(|number| names.code(LANE, number)), [Some(0), Some(1), Some(2)]);
        names.forget_ours();
        assert_eq!((names.code(LANE, 9), names.define_ours(LANE, 3)), (None, 0));
    }
}
