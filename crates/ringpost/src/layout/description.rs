//! Descriptions, as text that is read again.

use ipc_core::{Code, Error, Result};

use super::Layout;
use super::shape::{DEPTH_MAX, Shape, Type, Unplaced};

/// 64-bit FNV-1a.
pub(super) fn hash(description: &str) -> u64 {
    description.bytes().fold(0xcbf2_9ce4_8422_2325, |hash, byte| {
        (hash ^ u64::from(byte)).wrapping_mul(0x100_0000_01b3)
    })
}

/// Takes names and types; offsets and sizes are made anew and compared.
pub(super) fn parse(description: &str) -> Result<Shape> {
    let mut rest = Rest { text: description, at: 0 };
    let wrong = |reason| Error::new(Code::Layout, format!("this describes no layout: {reason}"));
    let shape = rest.record(0).map_err(wrong)?;
    if shape.text == description {
        return Ok(shape);
    }
    let (made, found) = (shape.text.bytes(), description.bytes());
    // Names and types are right: of the numbers, the first that is not.
    let same = made.zip(found).take_while(|(one, other)| one == other).count();
    Err(wrong(format!("byte {same} is wrong")))
}

struct Rest<'a> {
    text: &'a str,
    at: usize,
}

impl Rest<'_> {
    fn record(&mut self, depth: usize) -> Result<Shape, String> {
        if depth == DEPTH_MAX {
            return Err(format!("records nested more than {DEPTH_MAX} deep"));
        }
        let mut fields = Vec::new();
        self.take(b'{')?;
        loop {
            let name = self.while_any(|byte| byte.is_ascii_alphanumeric() || byte == b'_')?.into();
            self.take(b':')?;
            let is_list = self.take(b'[').is_ok();
            let of = self.item(depth)?;
            let mut max = None;
            if is_list {
                self.take(b';')?;
                max = Some(self.number()?);
                self.take(b']')?;
            }
            self.take(b'@')?;
            self.number()?;
            if is_list {
                self.take(b'/')?;
                self.number()?;
            }
            fields.push(Unplaced { name, of, max });
            if self.take(b',').is_err() {
                break;
            }
        }
        self.take(b'}')?;
        self.number()?;
        Shape::new(fields)
    }

    fn item(&mut self, depth: usize) -> Result<Type, String> {
        if self.next() == Some(b'{') {
            return Ok(Type::Record(Layout::of(self.record(depth + 1)?)));
        }
        let name = self.while_any(|byte| byte.is_ascii_alphanumeric())?;
        if name == "text" {
            self.take(b'[')?;
            let bytes = self.number()?;
            self.take(b']')?;
            return Ok(Type::Text(bytes));
        }
        let known = Type::SCALARS.into_iter().find(|(scalar, _)| *scalar == name);
        known.map(|(_, of)| of).ok_or_else(|| format!("there is no type {name}"))
    }

    fn number(&mut self) -> Result<usize, String> {
        let start = self.at;
        let digits = self.while_any(|byte| byte.is_ascii_digit())?;
        digits.parse().map_err(|_| wrong_at(start))
    }

    fn while_any(&mut self, is_part: impl Fn(u8) -> bool) -> Result<&str, String> {
        let rest = &self.text[self.at..];
        let len = rest.bytes().take_while(|byte| is_part(*byte)).count();
        if len == 0 {
            return Err(wrong_at(self.at));
        }
        self.at += len;
        Ok(&rest[..len])
    }

    fn take(&mut self, mark: u8) -> Result<(), String> {
        if self.next() != Some(mark) {
            return Err(wrong_at(self.at));
        }
        self.at += 1;
        Ok(())
    }

    fn next(&self) -> Option<u8> {
        self.text.as_bytes().get(self.at).copied()
    }
}

fn wrong_at(at: usize) -> String {
    format!("byte {at} is wrong")
}
