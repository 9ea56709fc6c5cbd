//! Layouts: the vectors of PROTOCOL.md, and a slow twin.

use std::collections::HashMap;
use std::fmt::Write;

use ipc_core::testing::{Random, each_seed};
use ringpost::Code;
use ringpost::layout::{Layout, List, Record, RecordMut, Type, Value};

// ---- vectors ----

const PROTOCOL: &str = include_str!("../../../PROTOCOL.md");

/// The blocks of a type: their fields by key; of `hex` all digits.
fn vectors(of: &str) -> Vec<HashMap<&'static str, String>> {
    let blocks = PROTOCOL.split("```golden\n").skip(1).map(|block| {
        let mut fields = HashMap::<_, String>::new();
        for line in block.split("```").next().unwrap().lines() {
            let (key, value) = line.split_once(' ').unwrap();
            let value = if key == "hex" { value.replace(' ', "") } else { value.into() };
            fields.entry(key).or_default().push_str(&value);
        }
        fields
    });
    blocks.filter(|fields| fields["type"] == of).collect()
}

fn json(value: Value<'_>, text: &mut String) {
    match value {
        Value::I8(number) => write!(text, "{number}"),
        Value::U8(number) => write!(text, "{number}"),
        Value::I16(number) => write!(text, "{number}"),
        Value::U16(number) => write!(text, "{number}"),
        Value::I32(number) => write!(text, "{number}"),
        Value::U32(number) => write!(text, "{number}"),
        Value::I64(number) => write!(text, "{{\"$bigint\":\"{number}\"}}"),
        Value::U64(number) => write!(text, "{{\"$bigint\":\"{number}\"}}"),
        Value::F32(number) => write!(text, "{number}"),
        Value::F64(number) => write!(text, "{number}"),
        Value::Bool(truth) => write!(text, "{truth}"),
        Value::Text(words) => write!(text, "{words:?}"),
        Value::Record(record) => return json_of(record, text),
        Value::List(list) => {
            text.push('[');
            for index in 0..list.len() {
                text.push_str(if index > 0 { "," } else { "" });
                json(list.get(index).unwrap(), text);
            }
            write!(text, "]")
        }
        _ => unreachable!("all types are above"),
    }
    .unwrap();
}

fn json_of(record: Record<'_>, text: &mut String) {
    for (index, name) in record.names().enumerate() {
        write!(text, "{}{name:?}:", if index > 0 { "," } else { "{" }).unwrap();
        json(record.get(name).unwrap().unwrap(), text);
    }
    text.push('}');
}

/// Writes all of a record again, member by member.
fn copy(from: Record<'_>, to: &mut RecordMut<'_>) {
    for name in from.names() {
        match from.get(name).unwrap().unwrap() {
            Value::I8(number) => to.set(name, number).unwrap(),
            Value::U8(number) => to.set(name, number).unwrap(),
            Value::I16(number) => to.set(name, number).unwrap(),
            Value::U16(number) => to.set(name, number).unwrap(),
            Value::I32(number) => to.set(name, number).unwrap(),
            Value::U32(number) => to.set(name, number).unwrap(),
            Value::I64(number) => to.set(name, number).unwrap(),
            Value::U64(number) => to.set(name, number).unwrap(),
            Value::F32(number) => to.set(name, number).unwrap(),
            Value::F64(number) => to.set(name, number).unwrap(),
            Value::Bool(truth) => to.set(name, truth).unwrap(),
            Value::Text(words) => to.set_text(name, words).unwrap(),
            Value::Record(record) => copy(record, &mut to.nested(name).unwrap()),
            Value::List(list) => copy_list(list, name, to),
            _ => unreachable!("all types are above"),
        }
    }
}

fn copy_list(list: List<'_>, name: &str, to: &mut RecordMut<'_>) {
    let mut items = to.list(name, list.len()).unwrap();
    for index in 0..list.len() {
        match list.get(index).unwrap() {
            Value::I8(number) => items.set(index, number).unwrap(),
            Value::U8(number) => items.set(index, number).unwrap(),
            Value::I16(number) => items.set(index, number).unwrap(),
            Value::U16(number) => items.set(index, number).unwrap(),
            Value::I32(number) => items.set(index, number).unwrap(),
            Value::U32(number) => items.set(index, number).unwrap(),
            Value::I64(number) => items.set(index, number).unwrap(),
            Value::U64(number) => items.set(index, number).unwrap(),
            Value::F32(number) => items.set(index, number).unwrap(),
            Value::F64(number) => items.set(index, number).unwrap(),
            Value::Bool(truth) => items.set(index, truth).unwrap(),
            Value::Text(words) => items.set_text(index, words).unwrap(),
            Value::Record(record) => copy(record, &mut items.record(index).unwrap()),
            _ => unreachable!("there are no lists of lists"),
        }
    }
}

#[test]
fn golden_records_are_read_and_written() {
    let vectors = vectors("record");
    assert_eq!(vectors.len(), 3);
    for fields in vectors {
        let layout = Layout::parse(&fields["description"]).unwrap();
        assert_eq!(layout.description(), fields["description"]);
        let hash = u64::from_str_radix(&fields["hash"][2..], 16).unwrap();
        assert_eq!(layout.hash(), hash, "{}", fields["name"]);
        let digits = fields["hex"].as_bytes().chunks(2);
        let bytes: Vec<_> = digits
            .map(|pair| u8::from_str_radix(std::str::from_utf8(pair).unwrap(), 16).unwrap())
            .collect();
        let record = layout.record(&bytes).unwrap();
        let mut text = String::new();
        json_of(record, &mut text);
        assert_eq!(text, fields["json"]);
        let mut again = vec![0xff; layout.size()];
        copy(record, &mut RecordMut::new(&layout, &mut again).unwrap());
        assert_eq!(again, bytes, "{}", fields["name"]);
    }
}

#[test]
fn golden_layouts_that_differ_are_compared() {
    let vectors = vectors("layouts");
    assert_eq!(vectors.len(), 7);
    for fields in vectors {
        let [writer, reader] =
            ["writer", "reader"].map(|side| Layout::parse(&fields[side]).unwrap());
        let found = reader.reader(writer.description());
        if let Some(message) = fields.get("error") {
            let error = found.err().unwrap();
            assert_eq!((error.code(), &error.to_string()), (Code::Layout, message));
            continue;
        }
        let found = found.unwrap();
        assert_eq!(found.size(), writer.size());
        let bytes = vec![0; writer.size()];
        let known = found.record(&bytes).unwrap().names().count();
        assert_eq!(known.to_string(), fields["known"]);
    }
}

// ---- a slow twin ----

/// A layout with what it was made of.
struct Made {
    layout: Layout,
    members: Vec<Member>,
}

/// A name, what it is, and most items if it is a list.
type Member = (String, Item, Option<usize>);
type Visit<'a> = dyn FnMut(&Member, usize, usize) + 'a;

enum Item {
    Scalar(Type, usize),
    Text(usize),
    Record(Made),
}

impl Item {
    fn any(random: &mut Random, depth: usize) -> Self {
        let scalars = [
            (Type::I8, 1),
            (Type::U8, 1),
            (Type::I16, 2),
            (Type::U16, 2),
            (Type::I32, 4),
            (Type::U32, 4),
            (Type::I64, 8),
            (Type::U64, 8),
            (Type::F32, 4),
            (Type::F64, 8),
            (Type::Bool, 1),
        ];
        match random.below(if depth > 2 { 8 } else { 10 }) {
            0..6 => {
                let (of, size) = scalars[random.below(scalars.len())].clone();
                Self::Scalar(of, size)
            }
            6..8 => Self::Text(1 + random.below(20)),
            _ => Self::Record(Made::any(random, depth + 1)),
        }
    }

    fn size(&self) -> usize {
        match self {
            Self::Scalar(_, size) | Self::Text(size) => *size,
            Self::Record(made) => made.walk(&mut |_, _, _| {}).0,
        }
    }

    fn align(&self) -> usize {
        match self {
            Self::Scalar(_, size) => *size,
            Self::Text(_) => 1,
            Self::Record(made) => made.walk(&mut |_, _, _| {}).1,
        }
    }

    fn of(&self) -> Type {
        match self {
            Self::Scalar(of, _) => of.clone(),
            Self::Text(size) => Type::Text(*size),
            Self::Record(made) => Type::from(&made.layout),
        }
    }

    /// Valid bytes of any value, at places counted one by one.
    fn fill(&self, random: &mut Random, bytes: &mut [u8]) {
        match self {
            Self::Scalar(Type::Bool, _) => bytes[0] = u8::from(random.percent(50)),
            // No NaN, which is not equal to itself.
            Self::Scalar(Type::F32, _) => {
                bytes.copy_from_slice(&(random.below(1000) as f32 / 8.0).to_le_bytes());
            }
            Self::Scalar(Type::F64, _) => {
                bytes.copy_from_slice(&(random.below(1000) as f64 / 8.0).to_le_bytes());
            }
            Self::Scalar(..) => bytes.copy_from_slice(&random.bytes(bytes.len())),
            Self::Text(_) => {
                let len = random.below(bytes.len() + 1);
                bytes[..len].fill(b'a' + u8::try_from(random.below(26)).unwrap());
            }
            Self::Record(made) => made.fill(random, bytes),
        }
    }
}

impl Made {
    fn any(random: &mut Random, depth: usize) -> Self {
        let count = 1 + random.below(6);
        let mut builder = Layout::builder();
        let mut members = Vec::new();
        for index in 0..count {
            let (name, item) = (format!("member{index}"), Item::any(random, depth));
            let max = random.percent(25).then(|| 1 + random.below(4));
            builder = match max {
                Some(max) => builder.list(&name, item.of(), max),
                None => builder.field(&name, item.of()),
            };
            members.push((name, item, max));
        }
        Self { layout: builder.build().unwrap(), members }
    }

    /// Visits all members with the places of their counts, if they are lists, and of themselves;
    /// returns size and alignment.
    fn walk(&self, visit: &mut Visit<'_>) -> (usize, usize) {
        let (mut at, mut align) = (0, 1);
        let advance = |at: &mut usize, to: usize| {
            while !at.is_multiple_of(to) {
                *at += 1;
            }
        };
        for member in &self.members {
            let (_, item, max) = member;
            let own = item.align();
            if max.is_some() {
                advance(&mut at, 4);
                align = align.max(4);
            }
            let count_at = at;
            at += if max.is_some() { 4 } else { 0 };
            advance(&mut at, own);
            align = align.max(own);
            visit(member, count_at, at);
            at += item.size() * max.unwrap_or(1);
        }
        advance(&mut at, align);
        (at, align)
    }

    fn fill(&self, random: &mut Random, bytes: &mut [u8]) {
        self.walk(&mut |(_, item, max), count_at, at| {
            let count = max.map_or(1, |max| random.below(max + 1));
            if max.is_some() {
                bytes[count_at] = u8::try_from(count).unwrap();
            }
            for index in 0..count {
                let start = at + index * item.size();
                item.fill(random, &mut bytes[start..start + item.size()]);
            }
        });
    }
}

#[test]
fn random_records_of_random_layouts_are_read_and_written_as_by_a_slow_twin() {
    each_seed(300, |random| {
        let made = Made::any(random, 0);
        let layout = &made.layout;
        let (size, align) = made.walk(&mut |_, _, _| {});
        assert_eq!((layout.size(), layout.align()), (size, align), "{layout:?}");
        assert_eq!(Layout::parse(layout.description()).unwrap(), *layout);
        let mut bytes = vec![0; size];
        made.fill(random, &mut bytes);
        let mut again = vec![0xff; size];
        let record = layout.record(&bytes).unwrap();
        copy(record, &mut RecordMut::new(layout, &mut again).unwrap());
        assert_eq!(again, bytes, "{layout:?}");
    });
}

#[test]
fn random_changes_of_descriptions_are_refused_or_another_layout() {
    each_seed(300, |random| {
        let description = Made::any(random, 0).layout.description().to_owned();
        let mut changed = description.into_bytes();
        let at = random.below(changed.len());
        changed[at] = random.pick(b"{}[]@/:;,019au\xc3");
        let changed = String::from_utf8_lossy(&changed);
        match Layout::parse(&changed) {
            Ok(layout) => assert_eq!(layout.description(), changed),
            Err(error) => assert_eq!(error.code(), Code::Layout),
        }
    });
}
