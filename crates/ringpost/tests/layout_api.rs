//! Layouts in programs: structs of Rust, single members, and what is refused.

use std::mem::{align_of, offset_of, size_of};

use ringpost::layout::{DEPTH_MAX, Field, Layout, LayoutBuilder, RecordMut, Struct, Text, Type};
use ringpost::{Code, Result};

ringpost::layout! {
    #[derive(Clone, Copy, Debug, PartialEq)]
    struct Detection {
        id: u32,
        x: f32,
        seen: bool,
        label: Text<16>,
    }
}

ringpost::layout! {
    /// All there is.
    #[derive(Clone, Debug, PartialEq)]
    struct Detections {
        frameId: u64,
        small: u8,
        low: i16,
        items[items_count]: [Detection; 3],
        r#type: Text<5>,
        weights[weights_count]: [f64; 2],
        first: Detection,
        tags[tags_count]: [Text<3>; 2],
    }
}

ringpost::layout! {
    #[derive(Debug, PartialEq)]
    struct Grown {
        id: u32,
        x: f32,
        seen: bool,
        label: Text<16>,
        weight: f64,
        parts[parts_count]: [u8; 4],
    }
}

const DETECTIONS: &str = "{frameId:u64@0,small:u8@8,low:i16@10,\
    items:[{id:u32@0,x:f32@4,seen:bool@8,label:text[16]@9}28;3]@12/16,type:text[5]@100,\
    weights:[f64;2]@108/112,first:{id:u32@0,x:f32@4,seen:bool@8,label:text[16]@9}28@128,\
    tags:[text[3];2]@156/160}168";

fn cup() -> Detection {
    Detection { id: 7, x: 0.5, seen: true, label: Text::new("cup").unwrap() }
}

fn all() -> Detections {
    let mut all = Detections { frameId: u64::MAX, small: 255, low: -1, ..Detections::default() };
    all.items_count = 2;
    all.items[0] = cup();
    all.items[1].id = 8;
    all.r#type = Text::new("grün").unwrap();
    all.weights_count = 1;
    all.weights[0] = 1.5;
    all.first.label = Text::new("first").unwrap();
    all.tags_count = 1;
    all.tags[0] = Text::new("abc").unwrap();
    all
}

fn encoded<T: Struct>(value: &T) -> Vec<u8> {
    let mut bytes = vec![0xff; T::layout().size()];
    value.encode(&mut bytes).unwrap();
    bytes
}

fn refused<T>(result: Result<T>, code: Code, message: &str) {
    let error = result.err().expect("it is refused");
    assert_eq!((error.code(), error.to_string().as_str()), (code, message));
}

#[test]
fn a_struct_lies_as_its_layout_says() {
    let layout = Detections::layout();
    assert_eq!(layout.description(), DETECTIONS);
    assert_eq!(
        (layout.size(), layout.align()),
        (size_of::<Detections>(), align_of::<Detections>())
    );
    let offsets = [
        ("frameId:u64", offset_of!(Detections, frameId)),
        ("small:u8", offset_of!(Detections, small)),
        ("low:i16", offset_of!(Detections, low)),
        ("28;3]", offset_of!(Detections, items_count)),
        ("type:text[5]", offset_of!(Detections, r#type)),
        ("weights:[f64;2]", offset_of!(Detections, weights_count)),
        ("tags:[text[3];2]", offset_of!(Detections, tags_count)),
    ];
    for (member, offset) in offsets {
        assert!(DETECTIONS.contains(&format!("{member}@{offset}")), "{member} at {offset}");
    }
    let starts = [offset_of!(Detections, items), offset_of!(Detections, weights)];
    assert_eq!((starts, offset_of!(Detections, tags)), ([16, 112], 160));
    assert_eq!(offset_of!(Detections, first), 128);
    let grown = Grown::layout();
    assert_eq!((grown.size(), grown.align()), (size_of::<Grown>(), align_of::<Grown>()));
}

#[test]
fn a_struct_is_what_it_was_and_its_padding_is_zero() {
    let bytes = encoded(&all());
    assert_eq!(Detections::decode(&bytes).unwrap(), all());
    assert_eq!((bytes[9], &bytes[105..108], &bytes[166..]), (0, &[0; 3][..], &[0; 2][..]));
    let mut long = vec![0; bytes.len() + 1];
    refused(all().encode(&mut long), Code::InvalidPayload, "169 bytes, the layout has 168");
    refused(Detections::decode(&long), Code::InvalidPayload, "169 bytes, the layout has 168");
}

#[test]
fn items_behind_the_count_are_not_written() {
    let mut value = all();
    value.items[2].id = 9;
    assert_eq!(encoded(&value), encoded(&all()));
}

#[test]
fn bytes_and_values_that_are_no_record_are_refused_with_the_way_to_it() {
    let mut value = all();
    value.items_count = 4;
    let mut bytes = encoded(&all());
    refused(value.encode(&mut bytes), Code::InvalidPayload, "items: 4 items, at most 3");
    for (at, byte, message) in [
        (12, 4, "items: 4 items, at most 3"),
        (15, 1, "items: 16777218 items, at most 3"),
        (16 + 28 + 8, 2, "items[1].seen: 2 is no bool"),
        (16 + 9, 0xff, "items[0].label: text that is no UTF-8"),
        (100, 0xff, "type: text that is no UTF-8"),
        (128 + 8, 255, "first.seen: 255 is no bool"),
        (160, 0x80, "tags[0]: text that is no UTF-8"),
    ] {
        let mut bytes = encoded(&all());
        bytes[at] = byte;
        refused(Detections::decode(&bytes), Code::InvalidPayload, message);
    }
}

#[test]
fn a_text_fits_or_is_refused() {
    assert_eq!(Text::<5>::new("größ").err().unwrap().to_string(), "6 bytes of UTF-8, at most 5");
    assert_eq!(Text::<6>::new("größ").unwrap(), "größ");
    let zero = Text::<5>::new("a\0b").err().unwrap();
    assert_eq!(zero.to_string(), "text with a zero character");
    assert_eq!(format!("{:?}", Text::<5>::new("abcde").unwrap()), "\"abcde\"");
    assert_eq!(Text::<5>::default().as_str().unwrap(), "");
    assert_ne!(Text::<5>::new("a").unwrap(), "b");
}

#[test]
fn single_members_are_read_and_written_by_path_and_by_field() -> Result<()> {
    let layout = Detections::layout();
    let mut bytes = encoded(&all());
    let record = layout.record(&bytes)?;
    assert_eq!((record.u64("frameId")?, record.i16("low")?), (u64::MAX, -1));
    assert_eq!(record.text("first.label")?, "first");
    assert!(!record.bool("first.seen")?);
    assert_eq!(record.nested("first")?.text("label")?, "first");
    let items = record.list("items")?;
    assert_eq!((items.len(), items.is_empty()), (2, false));
    assert_eq!(items.record(0)?.f32("x")?, 0.5);
    assert_eq!(record.list("weights")?.scalar::<f64>(0)?, 1.5);
    assert_eq!(record.list("tags")?.text(0)?, "abc");

    let id: Field<u32> = layout.field("first.id")?;
    assert_eq!(record.read(id)?, 0);
    let mut writer = RecordMut::new(layout, &mut bytes)?;
    writer.write(id, 5)?;
    writer.set("first.x", 2.5_f32)?;
    writer.set_text("first.label", "cup")?;
    writer.nested("first")?.set("seen", true)?;
    writer.list("items", 3)?.record(2)?.set("id", 9_u32)?;
    writer.list("weights", 2)?.set(1, 0.25)?;
    writer.list("tags", 1)?.set_text(0, "xyz")?;
    let read = Detections::decode(&bytes)?;
    let first = Detection { id: 5, x: 2.5, ..cup() };
    assert_eq!((read.first, read.items[2].id, read.weights), (first, 9, [0.0, 0.25]));
    assert_eq!((read.tags[0].as_str()?, read.frameId), ("xyz", 0));
    Ok(())
}

#[test]
fn what_is_not_there_or_of_another_type_is_refused() {
    let layout = Detections::layout();
    let mut bytes = encoded(&all());
    let record = layout.record(&bytes).unwrap();
    let wrong = Code::InvalidArgument;
    refused(record.u32("none"), wrong, "there is no member none");
    refused(record.u32("first.none"), wrong, "there is no member none");
    refused(record.u32("small"), wrong, "small is u8 and no u32");
    refused(record.u32("small.x"), wrong, "small is u8 and no record");
    refused(record.f64("weights"), wrong, "weights is list and no f64");
    refused(record.u32("items.id"), wrong, "items is list and no record");
    refused(record.text("small"), wrong, "small is u8 and no text");
    refused(record.nested("items"), wrong, "items is list and no record");
    refused(record.list("first"), wrong, &format!("first is {} and no list", description()));
    let tags = record.list("tags").unwrap();
    refused(tags.text(1), wrong, "there is no item 1 in a list of 1");
    refused(tags.scalar::<u8>(0), wrong, "the items are text[3] and no u8");
    refused(tags.record(0), wrong, "the items are text[3] and no record");
    refused(record.list("weights").unwrap().text(0), wrong, "the items are f64 and no text");
    refused(layout.field::<u8>("low"), wrong, "low is i16 and no u8");
    let other = Grown::layout().field("x").unwrap();
    refused(record.read::<f32>(other), wrong, "the field is one of another layout");
    let mut writer = RecordMut::new(layout, &mut bytes).unwrap();
    refused(writer.set("small", 5_u32), wrong, "small is u8 and no u32");
    refused(writer.set_text("small", ""), wrong, "small is u8 and no text");
    refused(writer.write(other, 5.0), wrong, "the field is one of another layout");
    let full = "first.label: 17 bytes of UTF-8, at most 16";
    refused(writer.set_text("first.label", &"x".repeat(17)), Code::InvalidPayload, full);
    let many = "items: 4 items, at most 3";
    refused(writer.list("items", 4).map(drop), Code::InvalidPayload, many);
    let mut list = writer.list("tags", 1).unwrap();
    refused(list.set_text(1, ""), wrong, "there is no item 1 in a list of 1");
    refused(list.set_text(0, "long"), Code::InvalidPayload, "[0]: 4 bytes of UTF-8, at most 3");
}

fn description() -> &'static str {
    Detection::layout().description()
}

#[test]
fn a_writer_that_does_not_know_the_last_members_is_read_without_them() -> Result<()> {
    let reader = Grown::layout().reader(description())?;
    let bytes = encoded(&cup());
    assert_eq!(reader.size(), bytes.len());
    let record = reader.record(&bytes)?;
    assert_eq!((record.u32("id")?, record.text("label")?), (7, "cup"));
    assert!(record.get("weight")?.is_none() && record.get("parts")?.is_none());
    refused(record.f64("weight"), Code::Layout, "the writer's layout has no member weight");
    refused(record.list("parts"), Code::Layout, "the writer's layout has no member parts");
    let weight: Field<f64> = Grown::layout().field("weight")?;
    refused(record.read(weight), Code::Layout, "the writer's layout has no member weight");
    let grown: Grown = reader.decode(&bytes)?;
    assert_eq!((grown.id, grown.label.as_str()?, grown.weight), (7, "cup", 0.0));
    refused(reader.record(&[0; 40]), Code::InvalidPayload, "40 bytes, the layout has 28");
    refused(reader.decode::<Detection>(&bytes), Code::InvalidArgument, OTHER);
    Ok(())
}
const OTHER: &str = "the struct has another layout than the reader";

#[test]
fn a_writer_that_has_more_members_is_read() -> Result<()> {
    let Detection { id, x, seen, label } = cup();
    let grown = Grown { id, x, seen, label, weight: 2.0, ..Grown::default() };
    let reader = Detection::layout().reader(Grown::layout().description())?;
    assert_eq!(reader.decode::<Detection>(&encoded(&grown))?, cup());
    let same = Grown::layout().reader(Grown::layout().description())?;
    assert_eq!(same.decode::<Grown>(&encoded(&grown))?, grown);
    Ok(())
}

#[test]
fn layouts_that_cannot_be_are_refused() {
    let of = |name: &str| Layout::builder().field(name, Type::U8).build();
    for name in ["", "1a", "größe", "register", "class", "_Atomic", "a__b", &"a".repeat(64)] {
        let message = format!("{name:?} is no name for a member in C and C++");
        refused(of(name), Code::InvalidArgument, &message);
    }
    for name in ["_a", "a_", "_", "A", "self", &"a".repeat(63)] {
        assert!(of(name).is_ok(), "{name}");
    }
    let b = Layout::builder;
    let wrong = |builder: LayoutBuilder, message: &str| {
        refused(builder.build(), Code::InvalidArgument, message);
    };
    wrong(b(), "a layout needs at least one member");
    wrong(b().text("a", 0), "a has no length");
    wrong(b().list("a", Type::U8, 0), "a has no length");
    let twice = "two members of the layout have the name a_count in C";
    wrong(b().field("a_count", Type::U8).list("a", Type::U8, 1), twice);
    let long = "a: a record of more than 1073741824 bytes";
    wrong(b().list("a", Type::U64, 1 << 27), long);
    wrong(b().list("a", Type::U64, usize::MAX), long);
    wrong(b().text("a", usize::MAX), long);
    assert_eq!(b().text("a", 1 << 30).build().unwrap().size(), 1 << 30);
    let mut layout = of("a").unwrap();
    for _ in 1..DEPTH_MAX {
        layout = b().nested("a", &layout).build().unwrap();
    }
    wrong(b().nested("a", &layout), "records nested more than 16 deep");
    assert!(Layout::parse(layout.description()).is_ok());
}

#[test]
fn a_description_that_is_none_is_refused() {
    let deep = format!("{}u8@0{}}}1", "{a:".repeat(17), "}1@0".repeat(16));
    let wrong = [
        "",
        "{}",
        "{}0",
        "{a:u8@0}",
        "{a:u8@1}1",
        "{a:u8@0}2",
        "{a:u8@0}1 ",
        " {a:u8@0}1",
        "{a:u9@0}1",
        "{a:u8@0,}1",
        "{a:text[0]@0}0",
        "{a:text[01]@0}1",
        "{a:[u8;0]@0/4}4",
        "{a:[u8;1]@0}8",
        "{a:u8@0,a:u8@1}2",
        "{int:u8@0}1",
        "{a:[u8;1]@0/4}8x",
        "{a:ü@0}1",
        "{a:text[99999999999999999999999]@0}1",
        "{a:u8@0}01",
        "{a:u8@00}1",
        &deep,
    ];
    for wrong in wrong {
        let error = Layout::parse(wrong).err().unwrap_or_else(|| panic!("{wrong} was taken"));
        assert_eq!(error.code(), Code::Layout);
        assert!(error.to_string().starts_with("this describes no layout: "), "{error}");
        assert_eq!(Detection::layout().reader(wrong).err().unwrap().code(), Code::Layout);
    }
}
