use super::*;

fn head() -> Head {
    let description = "id:u32@0 x:f64@8";
    let format = Format { codec: Codec::Custom, hash: 7, description: description.into() };
    let shape = Shape { kind: Kind::Frame, capacity: 100, second: 0, data_len: 384, format };
    Head { generation: 3, writer: 42, shape }
}

#[test]
fn a_head_is_read_as_it_was_written() {
    let head = head();
    let (bytes, description) = head.encode();
    let (at, len) = Head::check(&bytes, Kind::Frame, head.file_len() as u64).unwrap();
    assert_eq!((at, len), (DESCRIPTION, description.len()));
    assert_eq!(Head::decode(&bytes, Kind::Frame, description).unwrap(), head);
    assert_eq!(head.data(), 8192);
}

#[test]
fn a_changed_description_is_corrupt() {
    let head = head();
    let (bytes, description) = head.encode();
    let changed = str::from_utf8(description).unwrap().replace("u32", "i32");
    let error = Head::decode(&bytes, Kind::Frame, changed.as_bytes()).unwrap_err();
    assert_eq!(error.code(), Code::Corrupt);
}
