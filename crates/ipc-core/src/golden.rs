//! PROTOCOL.md's test vectors, read from the document itself: each is made from its fields and
//! compared with its bytes, and read from its bytes and compared with its fields.

use std::collections::HashMap;
use std::num::NonZeroU32;

use crate::checksum::{CrcMode, of_frame};
use crate::compression::pack;
use crate::doorbell::{Flags, Interest, Sleeper};
use crate::engine::status::layout as status;
use crate::handshake::{Features, Handover, Hello, Reject, TakeOver, Transport, Welcome};
use crate::header::{Codec, HEADER_LEN, Header, Kind, bytes_to_words, words_to_bytes};
use crate::limits::{Agreement, Geometry, Lane, Limits, RINGS};
use crate::map::{self, MapSizes};
use crate::memory::Address;
use crate::memory::layout::{self, Side};
use crate::memory::words::{Heap, Words};
use crate::mirror::Head as RecordHead;
use crate::option_block::{Options, Trace};
use crate::published::Format;
use crate::published::head::{self as published, Head, Shape};
use crate::remote_error::RemoteError;
use crate::ring::pad_word;
use crate::session::{control, id};
use crate::state_frame::cell::{Cell, Found, SLOT_HEAD, Stamped};
use crate::time::Time;
use crate::topic::tests as topic;
use crate::value::{Extension, Record, Value};

const PROTOCOL: &str = include_str!("../../../PROTOCOL.md");
const KINDS: [&str; Kind::ALL.len()] =
    ["request", "reply", "error", "one-way", "control", "request-item", "reply-item"];
const CODECS: [&str; 4] = ["bytes", "messagepack", "json", "custom"];
const MODES: [&str; 3] = ["off", "header", "full"];

/// One block: its fields by key, and its bytes.
struct Vector {
    fields: HashMap<&'static str, &'static str>,
    bytes: Vec<u8>,
}

impl Vector {
    fn parse(block: &'static str) -> Self {
        let (mut fields, mut digits) = (HashMap::new(), String::new());
        for line in block.lines() {
            let (key, value) = line.split_once(' ').expect("a key, a space and a value");
            if key == "hex" {
                digits.extend(value.split(' '));
            } else {
                assert!(fields.insert(key, value).is_none(), "{key} twice in\n{block}");
            }
        }
        Self { fields, bytes: hex(&digits) }
    }

    fn find(&self, key: &str) -> Option<&'static str> {
        self.fields.get(key).copied()
    }

    fn text(&self, key: &str) -> &'static str {
        self.find(key).unwrap_or_else(|| panic!("{} has no {key}", self.fields["name"]))
    }

    fn number(&self, key: &str) -> u64 {
        number(self.text(key))
    }

    fn small<T: TryFrom<u64>>(&self, key: &str) -> T {
        T::try_from(self.number(key)).ok().expect("in range")
    }

    fn numbers<const N: usize>(&self, key: &str) -> [u64; N] {
        let numbers: Vec<_> = self.text(key).split(' ').map(number).collect();
        numbers.try_into().expect("as many as there are")
    }

    fn hex(&self, key: &str) -> Vec<u8> {
        hex(self.text(key))
    }

    fn array<const N: usize>(&self, key: &str) -> [u8; N] {
        self.hex(key).try_into().expect("of that length")
    }

    fn place<const N: usize>(&self, key: &str, names: [&str; N]) -> u8 {
        let place = names.iter().position(|name| *name == self.text(key));
        u8::try_from(place.expect("a known name")).expect("few")
    }

    fn mode(&self) -> CrcMode {
        CrcMode::from_number(self.place("crc", MODES)).expect("a known mode")
    }

    fn rings(&self) -> [u32; RINGS] {
        self.numbers::<RINGS>("rings").map(|ring| u32::try_from(ring).expect("in range"))
    }

    fn limits(&self) -> Limits {
        Limits {
            message_len_max: self.number("message_len_max"),
            pending_max: self.small("pending_max"),
            names_max: self.small("names_max"),
        }
    }

    fn versions(&self) -> (u16, u16) {
        let [low, high] = self.numbers("versions").map(|v| u16::try_from(v).expect("in range"));
        (low, high)
    }

    /// The block as a frame on the socket, whose payload has to be this.
    fn is_socket_frame(&self, code: u16, payload: &[u8]) {
        let header = Header::new(Kind::Control, code, 0).with_len(payload.len());
        let mut bytes = header.to_bytes(payload).to_vec();
        bytes.extend_from_slice(payload);
        assert_eq!(show(&bytes), show(&self.bytes), "{}", self.fields["name"]);
    }

    fn payload(&self) -> &[u8] {
        &self.bytes[HEADER_LEN..]
    }
}

fn number(text: &str) -> u64 {
    let parsed = match text.strip_prefix("0x") {
        Some(digits) => u64::from_str_radix(digits, 16),
        None => text.parse(),
    };
    parsed.unwrap_or_else(|_| panic!("{text} is no number"))
}

fn hex(digits: &str) -> Vec<u8> {
    if digits == "-" {
        return Vec::new();
    }
    let pair = |at: usize| u8::from_str_radix(&digits[at..at + 2], 16).expect("two digits");
    (0..digits.len()).step_by(2).map(pair).collect()
}

fn show(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[test]
fn every_golden_vector_encodes_and_decodes() {
    let mut seen = HashMap::<_, u32>::new();
    for block in PROTOCOL.split("```golden\n").skip(1) {
        let vector = Vector::parse(block.split("```").next().expect("it ends"));
        let kind = vector.text("type");
        *seen.entry(kind).or_default() += 1;
        match kind {
            "crc" => crc(&vector),
            "frame" => frame(&vector),
            "hello" => hello(&vector),
            "welcome" => welcome(&vector),
            "reject" => reject(&vector),
            "ready" => vector.is_socket_frame(control::READY, &[]),
            "take-over" => take_over(&vector),
            "handover" => {
                let handover = Handover { version: vector.small("version") };
                vector.is_socket_frame(control::HANDOVER, &handover.encode());
                assert_eq!(Handover::decode(vector.payload()).expect("well-formed"), handover);
            }
            "layout" => segment(&vector),
            "pad" => {
                let word = pad_word(vector.small("len"));
                assert_eq!(word.to_le_bytes()[..], vector.bytes);
            }
            "arming" => arming(&vector),
            "id" => {
                let id = id::join(vector.small("slot"), vector.small("generation"));
                assert_eq!(id.to_le_bytes()[..], vector.bytes);
            }
            "error" => error(&vector),
            "topic-record" => topic_record(&vector),
            "msgpack" => value(&vector),
            "published" => published(&vector),
            "slot" => slot(&vector),
            "status-row" => status_row(&vector),
            // Text that JavaScript alone produces: its tests check it.
            "trace" => assert!(!vector.bytes.is_empty()),
            // Layouts are none of the engine's: `ringpost/tests/layout.rs` checks them.
            "map-layout" => map_layout(&vector),
            "map-entry" => map_entry(&vector),
            "record" | "layouts" => {}
            "socket-record" => socket_record(&vector),
            other => panic!("no vector is of type {other}"),
        }
    }
    assert_eq!(seen.len(), 24, "a type of vector has gone: {seen:?}");
}

fn map_layout(vector: &Vector) {
    let sizes = MapSizes {
        entries_max: vector.small("entries_max"),
        key_len_max: vector.small("key_len_max"),
        value_len_max: vector.small("value_len_max"),
    };
    let [buckets, entries_at, slot_len] = map::vectors::offsets(&sizes);
    assert_eq!(buckets as u64, vector.number("buckets"));
    assert_eq!(entries_at as u64, vector.number("entries_at"));
    assert_eq!(slot_len as u64, vector.number("slot_len"));
    assert_eq!(sizes.data_len().map(|len| len as u64), Some(vector.number("data_len")));
}

fn map_entry(vector: &Vector) {
    let (key, value) = (vector.hex("key"), vector.hex("value"));
    let (hash, buckets) =
        (map::vectors::hash(vector.number("seed"), &key), vector.number("buckets"));
    assert_eq!(hash, vector.number("hash"));
    assert_eq!(
        (hash % buckets, (hash >> 32) % buckets),
        (vector.number("first"), vector.number("second"))
    );
    assert_eq!(map::vectors::tag(hash, vector.small("entry")), vector.number("tag"));
    let entry = map::vectors::entry(vector.number("expires"), &key, &value);
    assert_eq!(show(&entry), show(&vector.bytes));
}

fn published(vector: &Vector) {
    assert_eq!(vector.number("kind"), published::Kind::Frame as u64);
    let description = vector.text("description");
    let description = if description == "-" { "" } else { description };
    let codec = Codec::from_number(vector.place("codec", CODECS)).expect("a known codec");
    let format = Format { codec, hash: vector.number("hash"), description: description.into() };
    let (capacity, second) = (vector.number("capacity"), vector.number("second"));
    let data_len = vector.small("data");
    let shape = Shape { kind: published::Kind::Frame, capacity, second, data_len, format };
    let (generation, writer) = (vector.number("generation"), vector.small("writer"));
    let head = Head { generation, writer, shape };
    let (bytes, described) = head.encode();
    assert_eq!(show(&bytes), show(&vector.bytes), "{}", vector.text("name"));
    let read = Head::decode(&bytes, head.shape.kind, described).expect("well-formed");
    assert_eq!(read, head);
}

fn status_row(vector: &Vector) {
    let mut record: status::RowWords = [0; _];
    record[status::row::NUMBER] = vector.number("number");
    record[status::row::PID] = vector.number("pid");
    record[status::row::UID] = vector.number("uid");
    record[status::row::TRANSPORT] = vector.number("transport");
    record[status::row::OPENED_AT] = vector.number("opened_at");
    record[status::row::SHOWN_AT] = vector.number("shown_at");
    let (counters, latency) = (vector.numbers::<21>("counters"), vector.numbers::<6>("latency"));
    let stats = status::stats_of(&[&record[..6], &counters, &latency].concat());
    status::put(&mut record, &stats);
    let words = Heap::new(status::ROW_LEN);
    status::write(&words, 0, &record);
    let mut bytes = vec![0; vector.bytes.len()];
    words.copy_out(0, &mut bytes);
    assert_eq!(show(&bytes), show(&vector.bytes), "{}", vector.text("name"));
    assert_eq!(status::read(&words, 0), record);
}

fn slot(vector: &Vector) {
    let (number, value) = (vector.number("number"), vector.hex("value"));
    let at = Time::from_nanos(vector.number("written_at"));
    let stamped = Stamped { number, len: value.len(), at, unix_nanos: vector.number("unix") };
    let (capacity, slots) = (100, 64);
    let words = Heap::new(slots + Cell::slots_len(capacity));
    let cell = Cell::new(0, slots, capacity);
    cell.write(&words, stamped, &value);
    let place = slots + if number % 2 == 1 { Cell::slots_len(capacity) / 2 } else { 0 };
    let mut bytes = vec![0; SLOT_HEAD + value.len()];
    words.copy_out(place, &mut bytes);
    assert_eq!(show(&bytes), show(&vector.bytes), "{}", vector.text("name"));
    assert_eq!(cell.read(&words, &mut [0; 100]), Found::Newest(stamped));
}

fn crc(vector: &Vector) {
    assert_eq!(crc32c::crc32c(&vector.hex("input")).to_le_bytes()[..], vector.bytes);
}

fn frame(vector: &Vector) {
    let short =
        |text: &str| u32::try_from(number(text)).ok().and_then(NonZeroU32::new).expect("32 bits");
    let trace = || Trace(vector.array("trace"));
    let options = Options {
        budget_us: vector.find("budget_us").map(number),
        total_len: vector.find("total_len").map(number),
        trace: vector.find("trace").map(|_| trace()),
        replayed: vector.find("replayed").map(number),
        window: vector.find("window").map(short),
        unpacked_len: vector.find("unpacked_len").map(short),
    };
    let block = options.encode();
    let payload = vector.hex("payload");
    let kind = Kind::ALL[usize::from(vector.place("kind", KINDS))];
    let header = Header::new(kind, vector.small("code"), vector.number("id"))
        .with_codec(Codec::from_bits(vector.place("codec", CODECS)))
        .with_more(vector.text("more") == "yes")
        .with_options(!block.as_bytes().is_empty())
        .with_len(block.as_bytes().len() + payload.len());
    let parts = [block.as_bytes(), &payload];
    let sealed = header.sealed(vector.mode(), &parts);
    let bytes = [&words_to_bytes(sealed)[..], parts[0], parts[1]].concat();
    assert_eq!(show(&bytes), show(&vector.bytes), "{}", vector.fields["name"]);

    let head = vector.bytes.first_chunk().expect("a header");
    let (found, crc) = Header::from_words(bytes_to_words(head)).expect("a known header");
    assert_eq!(found, header);
    if vector.mode() == CrcMode::Full {
        assert_eq!(crc, of_frame(sealed, &[vector.payload()]));
    }
    if let Some(len) = options.unpacked_len {
        assert_eq!(pack(&vec![b'a'; len.get() as usize]), Some(payload));
    }
    if found.options() {
        let prefix = [vector.payload()[0], vector.payload()[1]];
        let len = Options::block_len(prefix, vector.payload().len()).expect("it fits");
        assert_eq!(Options::decode(&vector.payload()[..len]), Ok(options));
    }
}

fn hello(vector: &Vector) {
    let (version_min, version_max) = vector.versions();
    let hello = Hello {
        version_min,
        version_max,
        offered: Features(vector.number("offered")),
        required: Features(vector.number("required")),
        crc: vector.mode(),
        rings: vector.rings(),
        limits: vector.limits(),
        engine: vector.array("engine"),
        token: vector.hex("token"),
    };
    vector.is_socket_frame(control::HELLO, &hello.encode());
    assert_eq!(Hello::decode(vector.payload()).expect("well-formed"), hello);
}

fn welcome(vector: &Vector) {
    let transport = Transport::from_name(vector.text("transport")).expect("one there is");
    let name = vector.text("segment");
    let address = Address { name: name.into(), nonce: vector.array("nonce") };
    let welcome = Welcome {
        version: vector.small("version"),
        transport,
        features: Features(vector.number("features")),
        agreement: Agreement {
            geometry: Geometry { rings: vector.rings() },
            crc: vector.mode(),
            limits: vector.limits(),
            streams: vector.number("features") & Features::STREAMS.0 != 0,
            compression: vector.number("features") & Features::COMPRESSION.0 != 0,
            liveness: vector.number("features") & Features::LIVENESS.0 != 0,
        },
        session: vector.array("session"),
        engine: vector.array("engine"),
        address: (name != "-").then_some(address),
    };
    vector.is_socket_frame(control::WELCOME, &welcome.encode());
    assert_eq!(Welcome::decode(vector.payload()).expect("well-formed"), welcome);
}

fn reject(vector: &Vector) {
    let reject = Reject::decode(vector.payload()).expect("well-formed");
    vector.is_socket_frame(control::REJECT, &reject.encode());
    assert_eq!(reject.versions, vector.versions());
    assert_eq!(reject.reason, vector.text("text"));
    assert_eq!(vector.payload()[..2], vector.small::<u16>("reason").to_le_bytes());
}

fn take_over(vector: &Vector) {
    let (version_min, version_max) = vector.versions();
    let request = TakeOver { version_min, version_max, token: vector.hex("token") };
    vector.is_socket_frame(control::TAKE_OVER, &request.encode());
    assert_eq!(TakeOver::decode(vector.payload()).expect("well-formed"), request);
}

fn socket_record(vector: &Vector) {
    let body = vector.hex("body");
    let head =
        RecordHead { what: vector.small("what"), flags: vector.small("flags"), len: body.len() };
    assert_eq!([&head.encode(), &body[..]].concat(), vector.bytes);
    assert_eq!(RecordHead::decode(*vector.bytes.first_chunk().expect("a head")), Ok(head));
}

fn segment(vector: &Vector) {
    let geometry = Geometry { rings: vector.rings() };
    for (side, name) in [(Side::Server, "server"), (Side::Client, "client")] {
        let key = |what: &str| format!("{name}_{what}");
        let each = |offset: &dyn Fn(usize) -> usize| {
            let offsets: [usize; RINGS] = std::array::from_fn(offset);
            offsets.map(|offset| offset as u64)
        };
        assert_eq!(layout::published(side) as u64, vector.number(&key("published")));
        assert_eq!(layout::sync_wait(side) as u64, vector.number(&key("sync_wait")));
        assert_eq!(layout::armed(side) as u64, vector.number(&key("armed")));
        let dropped = Lane::ALL.map(|lane| layout::dropped(side, lane as usize) as u64);
        assert_eq!(dropped, vector.numbers(&key("dropped")));
        let writes = each(&|ring| layout::write_position(side, ring));
        assert_eq!(writes, vector.numbers(&key("write")));
        assert_eq!(each(&|ring| layout::read_position(side, ring)), vector.numbers(&key("read")));
        let starts = each(&|ring| layout::ring_start(&geometry, side, ring));
        assert_eq!(starts, vector.numbers(&key("rings")));
    }
    assert_eq!(layout::segment_len(&geometry) as u64, vector.number("segment"));
}

fn arming(vector: &Vector) {
    #[derive(Default)]
    struct Own(std::cell::Cell<u64>);
    impl Flags for Own {
        fn load_published(&self) -> u64 {
            0
        }
        fn store_published(&self, _: u64) {}
        fn load_armed(&self) -> u64 {
            self.0.get()
        }
        fn store_armed(&self, word: u64) {
            self.0.set(word);
        }
    }
    let interest = match vector.number("interest") {
        1 => Interest::DATA,
        2 => Interest::SPACE,
        _ => Interest::DATA.and(Interest::SPACE),
    };
    let (own, sleeper) = (Own::default(), Sleeper::default());
    for _ in 0..vector.number("number") {
        assert!(sleeper.arm(&own, interest, || false));
    }
    assert_eq!(own.load_armed().to_le_bytes()[..], vector.bytes);
}

fn topic_record(vector: &Vector) {
    let (number, at) = (vector.number("number"), vector.number("written_at"));
    let bytes = topic::written(number, at, &vector.hex("payload"));
    assert_eq!(show(&bytes), show(&vector.bytes), "{}", vector.text("name"));
    let read = topic::read(&vector.bytes).expect("it is a whole record");
    assert_eq!(read, (number, at, vector.hex("payload")));
}

fn value(vector: &Vector) {
    let value = revived(serde_json::from_str(vector.text("json")).expect("JSON"));
    assert_eq!(Value::decode(&vector.bytes).expect("a value"), value, "{}", vector.fields["name"]);
    assert_eq!(show(&value.encode()), show(&vector.bytes), "{}", vector.fields["name"]);
}

/// The value a block shows: records with one key may say what JSON has no words for.
fn revived(shown: Value) -> Value {
    let fields = match shown {
        Value::List(items) => return Value::List(items.into_iter().map(revived).collect()),
        Value::Record(Record(fields)) => fields,
        other => return other,
    };
    match &fields[..] {
        [(kind, shown)] if kind.starts_with('$') => special(&kind[1..], shown),
        _ => Value::Record(Record(
            fields.into_iter().map(|(name, value)| (name, revived(value))).collect(),
        )),
    }
}

fn special(kind: &str, shown: &Value) -> Value {
    let text = || shown.as_str().expect("text");
    let raw = |kind: i8| Extension { kind, data: elements::<u8>(shown) };
    Value::Extension(match kind {
        "bytes" => return Value::Bytes(hex(text())),
        "bigint" => {
            let parsed = text().parse().map(Value::Int);
            return parsed.unwrap_or_else(|_| Value::Uint(text().parse().expect("64 bits")));
        }
        "date" => {
            let ms = shown.as_i64().expect("milliseconds");
            let nanos = u32::try_from(ms.rem_euclid(1000)).expect("below a second") * 1_000_000;
            Extension::time(ms.div_euclid(1000), nanos)
        }
        "ArrayBuffer" => raw(Extension::ARRAY_BUFFER),
        "DataView" => raw(Extension::DATA_VIEW),
        "Uint8ClampedArray" => raw(Extension::CLAMPED),
        "Int8Array" => Extension::of(&elements::<i8>(shown)),
        "Int16Array" => Extension::of(&elements::<i16>(shown)),
        "Uint16Array" => Extension::of(&elements::<u16>(shown)),
        "Int32Array" => Extension::of(&elements::<i32>(shown)),
        "Uint32Array" => Extension::of(&elements::<u32>(shown)),
        "Float32Array" => Extension::of(&elements::<f32>(shown)),
        "Float64Array" => Extension::of(&elements::<f64>(shown)),
        "BigInt64Array" => Extension::of(&elements::<i64>(shown)),
        "BigUint64Array" => Extension::of(&elements::<u64>(shown)),
        other => panic!("no value is shown as {other}"),
    })
}

fn elements<T: std::str::FromStr>(shown: &Value) -> Vec<T> {
    let Value::List(items) = shown else { panic!("{shown:?} is no list") };
    let text = |item: &Value| match item {
        Value::Text(text) => text.clone(),
        Value::Float(number) => number.to_string(),
        number => number.as_i64().expect("a number").to_string(),
    };
    items.iter().map(|item| text(item).parse().ok().expect("an element")).collect()
}

fn error(vector: &Vector) {
    let text = |key: &str| vector.find(key).map(String::from);
    let shown = |key: &str| vector.find(key).map(|json| serde_json::from_str(json).expect("JSON"));
    let cause = RemoteError {
        name: vector.text("cause_name").into(),
        message: vector.text("cause_message").into(),
        code: text("cause_code"),
        value: shown("cause_value"),
        ..RemoteError::default()
    };
    let errors = vector.find("errors").map(|json| serde_json::from_str(json).expect("errors"));
    let error = RemoteError {
        name: vector.text("error_name").into(),
        message: vector.text("message").into(),
        code: text("code"),
        stack: text("stack"),
        cause: Some(Box::new(cause)),
        errors: errors.unwrap_or_default(),
        properties: match shown("properties") {
            Some(Value::Record(record)) => record,
            _ => Record::default(),
        },
        ..RemoteError::default()
    };
    assert_eq!(RemoteError::decode(&vector.bytes), error);
    if vector.text("writer") == "rust" {
        assert_eq!(show(&error.encode()), show(&vector.bytes));
    }
}
