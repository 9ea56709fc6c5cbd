//! Whether the records of a writer can be read with the layout of a reader.

use ipc_core::{Code, Error, Result};

use super::shape::{Placed, Shape};

/// How many members both have, where one is the other with members appended.
pub(super) fn shared(writer: &Shape, reader: &Shape) -> Result<usize> {
    for (theirs, ours) in writer.members.iter().zip(&reader.members) {
        if theirs.text != ours.text {
            let (writer, reader) = difference(theirs, ours, "");
            return Err(Error::new(
                Code::Layout,
                format!("the layouts differ: the writer has {writer}, the reader has {reader}"),
            ));
        }
    }
    Ok(writer.members.len().min(reader.members.len()))
}

/// Where two members differ, in the innermost record.
fn difference(a: &Placed, b: &Placed, path: &str) -> (String, String) {
    let is_same = a.name == b.name && a.max.is_some() == b.max.is_some();
    if let (true, Some(one), Some(other)) = (is_same, a.of.as_record(), b.of.as_record()) {
        let within = format!("{path}{}{}.", a.name, a.max.map_or("", |_| "[]"));
        for at in 0..one.members.len().max(other.members.len()) {
            match (one.members.get(at), other.members.get(at)) {
                (Some(one), Some(other)) if one.text == other.text => {}
                (Some(one), Some(other)) => return difference(one, other, &within),
                (one, other) => return (shown(one, &within), shown(other, &within)),
            }
        }
    }
    (shown(Some(a), path), shown(Some(b), path))
}

fn shown(member: Option<&Placed>, path: &str) -> String {
    let Some(Placed { of, text, .. }) = member else { return "nothing there".into() };
    match of.as_record() {
        Some(shape) => {
            let text = text.replacen(&shape.text, &format!("{{…}}{}", shape.size), 1);
            format!("{path}{text}")
        }
        None => format!("{path}{text}"),
    }
}
