//! What the process publishes for others, and reads of what they have published.

use std::collections::HashMap;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use ringpost::layout::{Layout, Record, RecordMut, Type, Value as Member};
use ringpost::published::{
    Format, FrameConfig, FrameRead, FrameStatus, KeyWatch, MapConfig, MapReader, MapStatus,
    MapWriter, Place, StateFrameReader, StateFrameWriter, TopicMode, TopicOptions, TopicPublisher,
    TopicStart, TopicSubscriber,
};
use ringpost::tokio::{FrameChanges, KeyChanges, TopicMessages};
use ringpost::{Code, Codec, Error, Time};
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use tokio::sync;

use crate::wire::{Answer, Failure};
use crate::{State, lock};

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", rename_all_fields = "camelCase", deny_unknown_fields)]
pub enum Order {
    /// Becomes the writer of a state frame.
    Frame {
        name: String,
        #[serde(default)]
        codec: Values,
        capacity: usize,
        #[serde(default)]
        take_over: bool,
    },
    Write {
        of: u32,
        value: Value,
    },
    OpenFrame {
        name: String,
        #[serde(default)]
        codec: Values,
    },
    ReadFrame {
        of: u32,
    },
    /// Waits until it has this number, or its writer is gone as well.
    AwaitFrame {
        name: String,
        number: u64,
        is_stale: bool,
    },
    /// Becomes the publisher of a topic.
    Topic {
        name: String,
        capacity: usize,
        timeout_ms: u64,
    },
    /// Publishes so many messages, each when the one before was taken.
    Publish {
        of: u32,
        count: u64,
    },
    Subscribe {
        name: String,
        mode: Mode,
        start: Start,
    },
    /// Reads until so many messages have arrived or been missed, all of this subscription together.
    Receive {
        of: u32,
        until: u64,
    },
    /// Becomes the owner of a map.
    Map {
        name: String,
        entries_max: u32,
        #[serde(default)]
        take_over: bool,
    },
    Set {
        of: u32,
        key: String,
        value: Value,
        ttl_ms: Option<u64>,
    },
    Delete {
        of: u32,
        key: String,
    },
    OpenMap {
        name: String,
    },
    LookUp {
        of: u32,
        key: String,
    },
    /// Watches a key until it has this value, null for none; answers all it has seen.
    AwaitKey {
        name: String,
        key: String,
        value: Value,
    },
    /// Ends any of these.
    Unpublish {
        of: u32,
        #[serde(default)]
        remove: bool,
    },
}

/// How the values of a state frame are encoded.
#[derive(Clone, Copy, Default, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Values {
    #[default]
    MessagePack,
    /// A layout of two members.
    First,
    /// The same with a third.
    Second,
    /// Another one.
    Other,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Mode {
    Latest,
    Lossy,
    Lossless,
}

#[derive(Clone, Copy, Deserialize)]
#[serde(rename_all = "camelCase")]
pub enum Start {
    Next,
    Newest,
    Oldest,
}

/// What the process publishes and reads, by number.
pub type Objects = Mutex<HashMap<u32, Arc<sync::Mutex<Object>>>>;

pub enum Object {
    Writer(StateFrameWriter, Option<Layout>),
    Frame(StateFrameReader, Option<Layout>),
    Publisher(TopicPublisher),
    Subscription(Subscription),
    Owner(MapWriter),
    Map(MapReader),
}

/// A message by whose parts one sees whether they belong together.
#[derive(Deserialize, Serialize)]
struct Whole {
    n: u64,
    parts: [u64; 20],
}

pub async fn execute(state: &State, order: Order) -> Answer {
    match order {
        Order::Frame { name, codec, capacity, take_over } => {
            let format = codec.format()?;
            let config = FrameConfig::new().capacity(capacity).take_over(take_over).format(format);
            let writer = StateFrameWriter::create(&name, &config)?;
            let number = writer.number();
            let of = keep(state, Object::Writer(writer, codec.layout()?));
            Ok(json!({ "of": of, "number": number }))
        }
        Order::OpenFrame { name, codec } => {
            let reader = StateFrameReader::open(&name, &Place::default())?;
            Ok(keep(state, Object::Frame(reader, codec.layout()?)).into())
        }
        Order::AwaitFrame { name, number, is_stale } => await_frame(&name, number, is_stale).await,
        Order::Topic { name, capacity, timeout_ms } => {
            let timeout = Duration::from_millis(timeout_ms);
            let format = Format::of(Codec::MessagePack);
            let options = TopicOptions { capacity, timeout, format, ..TopicOptions::default() };
            let publisher = TopicPublisher::create(&name, &Place::default(), &options)?;
            Ok(keep(state, Object::Publisher(publisher)).into())
        }
        Order::Subscribe { name, mode, start } => {
            let (mode, start) = (mode.into(), start.into());
            let subscriber = TopicSubscriber::open(&name, &Place::default(), mode, start)?;
            Ok(keep(state, Object::Subscription(Subscription::of(subscriber))).into())
        }
        Order::Map { name, entries_max, take_over } => {
            let format = Format::of(Codec::MessagePack);
            let config = MapConfig::new().sizes(entries_max, 64, 1024).format(format);
            let owner = MapWriter::create(&name, &config.take_over(take_over))?;
            Ok(keep(state, Object::Owner(owner)).into())
        }
        Order::OpenMap { name } => {
            let reader = MapReader::open(&name, &Place::default())?;
            Ok(keep(state, Object::Map(reader)).into())
        }
        Order::AwaitKey { name, key, value } => await_key(&name, &key, value).await,
        Order::Unpublish { of, remove } => unpublish(state, of, remove),
        Order::Write { of, .. }
        | Order::ReadFrame { of }
        | Order::Publish { of, .. }
        | Order::Receive { of, .. }
        | Order::Set { of, .. }
        | Order::Delete { of, .. }
        | Order::LookUp { of, .. } => {
            let object = find(state, of)?;
            let mut object = object.lock().await;
            use_it(&mut object, order).await
        }
    }
}

/// What is ordered of an object that is there.
async fn use_it(object: &mut Object, order: Order) -> Answer {
    match (object, order) {
        (Object::Writer(writer, layout), Order::Write { value, .. }) => {
            Ok(writer.write(&encode(layout.as_ref(), &value)?)?.into())
        }
        (Object::Frame(reader, layout), Order::ReadFrame { .. }) => {
            read_frame(reader, layout.as_ref())
        }
        (Object::Publisher(publisher), Order::Publish { count, .. }) => publish(publisher, count),
        (Object::Subscription(subscription), Order::Receive { until, .. }) => {
            subscription.receive(until).await
        }
        (Object::Owner(owner), Order::Set { key, value, ttl_ms, .. }) => {
            owner.set(&key, &packed(&value), ttl_ms.map(Duration::from_millis))?;
            Ok(Value::Null)
        }
        (Object::Owner(owner), Order::Delete { key, .. }) => Ok(owner.delete(&key)?.into()),
        (Object::Map(reader), Order::LookUp { key, .. }) => look_up(reader, &key),
        _ => Err(Failure::mistake("another kind of object")),
    }
}

fn keep(state: &State, object: Object) -> u32 {
    let number = state.number();
    lock(&state.published).insert(number, Arc::new(sync::Mutex::new(object)));
    number
}

fn find(state: &State, number: u32) -> Result<Arc<sync::Mutex<Object>>, Failure> {
    let found = lock(&state.published).get(&number).cloned();
    found.ok_or_else(|| Error::new(Code::Closed, "there is no such object").into())
}

fn unpublish(state: &State, of: u32, remove: bool) -> Answer {
    let object = lock(&state.published).remove(&of).and_then(Arc::into_inner);
    match object.map(sync::Mutex::into_inner) {
        Some(Object::Writer(writer, _)) if remove => writer.remove(),
        Some(Object::Publisher(publisher)) if remove => publisher.remove(),
        Some(Object::Owner(owner)) if remove => owner.remove(),
        _ => {}
    }
    Ok(Value::Null)
}

// ---- state frames ----

impl Values {
    fn layout(self) -> ringpost::Result<Option<Layout>> {
        let first = |id: Type| Layout::builder().field("id", id).text("label", 16);
        let layout = match self {
            Self::MessagePack => return Ok(None),
            Self::First => first(Type::U32),
            Self::Second => first(Type::U32).field("camera", Type::U16),
            Self::Other => first(Type::F64),
        };
        layout.build().map(Some)
    }

    fn format(self) -> ringpost::Result<Format> {
        Ok(self.layout()?.map_or_else(
            || Format::of(Codec::MessagePack),
            |layout| Format {
                hash: layout.hash(),
                description: layout.description().into(),
                ..Format::of(Codec::Custom)
            },
        ))
    }
}

fn encode(layout: Option<&Layout>, value: &Value) -> Result<Vec<u8>, Failure> {
    let Some(layout) = layout else { return Ok(packed(value)) };
    let mut bytes = vec![0; layout.size()];
    let mut record = RecordMut::new(layout, &mut bytes)?;
    let number = |name: &str| value[name].as_u64().and_then(|number| u32::try_from(number).ok());
    let mistake = || Failure::mistake("no value of the layout");
    record.set("id", number("id").ok_or_else(mistake)?)?;
    record.set_text("label", value["label"].as_str().ok_or_else(mistake)?)?;
    if let Some(camera) = number("camera") {
        record.set("camera", u16::try_from(camera).map_err(|_| mistake())?)?;
    }
    Ok(bytes)
}

fn read_frame(reader: &mut StateFrameReader, layout: Option<&Layout>) -> Answer {
    let FrameRead { status, bytes, number, written_at, .. } = reader.read()?;
    let (bytes, age) = (bytes.to_vec(), Time::now().saturating_since(written_at));
    let value = match (reader.head(), layout) {
        (None, _) => Value::Null,
        _ if status == FrameStatus::Empty => Value::Null,
        (_, None) => unpacked(&bytes)?,
        (Some(head), Some(layout)) => {
            shown(&layout.reader(&head.format.description)?.record(&bytes)?)?
        }
    };
    let generations = reader.stats().generations;
    let (status, age_ms) = (name_of(status), age.as_secs_f64() * 1e3);
    Ok(json!({
        "status": status,
        "number": number,
        "ageMs": age_ms,
        "value": value,
        "generations": generations,
    }))
}

/// The members of a record that its writer knows.
fn shown(record: &Record<'_>) -> Answer {
    let mut members = serde_json::Map::new();
    for name in record.names() {
        let value = match record.get(name)? {
            Some(Member::U16(number)) => number.into(),
            Some(Member::U32(number)) => number.into(),
            Some(Member::Text(text)) => text.into(),
            _ => return Err(Failure::mistake("no member of these layouts")),
        };
        members.insert(name.into(), value);
    }
    Ok(members.into())
}

async fn await_frame(name: &str, number: u64, is_stale: bool) -> Answer {
    let mut changes = FrameChanges::of(StateFrameReader::open(name, &Place::default())?);
    loop {
        let frame = changes.next().await.expect("it never ends")?;
        if frame.number >= number && (frame.status == FrameStatus::Stale || !is_stale) {
            return Ok(json!({ "status": name_of(frame.status), "number": frame.number }));
        }
    }
}

fn name_of(status: FrameStatus) -> &'static str {
    match status {
        FrameStatus::Fresh => "fresh",
        FrameStatus::Same => "same",
        FrameStatus::Stale => "stale",
        FrameStatus::Empty => "empty",
    }
}

// ---- topics ----

impl From<Mode> for TopicMode {
    fn from(mode: Mode) -> Self {
        match mode {
            Mode::Latest => Self::Latest,
            Mode::Lossy => Self::Lossy,
            Mode::Lossless => Self::Lossless,
        }
    }
}

impl From<Start> for TopicStart {
    fn from(start: Start) -> Self {
        match start {
            Start::Next => Self::Next,
            Start::Newest => Self::Newest,
            Start::Oldest => Self::Oldest,
        }
    }
}

fn publish(publisher: &mut TopicPublisher, count: u64) -> Answer {
    for _ in 0..count {
        let n = publisher.number() + 1;
        publisher.publish(&packed(&Whole { n, parts: [n; 20] }))?;
    }
    let stats = publisher.stats();
    Ok(json!({ "number": publisher.number(), "waits": stats.waits, "cutOff": stats.cut_off }))
}

/// Messages as they come, and whether they are as they should be.
pub struct Subscription {
    messages: TopicMessages,
    found: Found,
    generation: u64,
}

#[derive(Default, Serialize)]
#[serde(rename_all = "camelCase")]
struct Found {
    received: u64,
    skipped: u64,
    restarts: u64,
    /// The number of the last one.
    last: u64,
    /// Messages that were torn, out of order or not counted right.
    wrong: u64,
}

impl Subscription {
    fn of(subscriber: TopicSubscriber) -> Self {
        let messages = TopicMessages::of(subscriber);
        Self { messages, found: Found::default(), generation: 0 }
    }

    async fn receive(&mut self, until: u64) -> Answer {
        let Self { messages, found, generation } = self;
        while found.received + found.skipped < until {
            let message = messages.next().await.expect("it ends with an error")?;
            let Whole { n, parts } = rmp_serde::from_slice(&message.bytes).map_err(unreadable)?;
            let is_first = *generation == 0;
            let before = if message.generation == *generation { found.last } else { 0 };
            let is_next = is_first || message.number == before + message.skipped + 1;
            let is_whole = n == message.number && parts == [n; 20];
            found.wrong += u64::from(!is_next || !is_whole);
            found.received += 1;
            found.skipped += message.skipped;
            found.restarts += u64::from(message.is_restarted);
            found.last = message.number;
            *generation = message.generation;
        }
        Ok(json!(found))
    }
}

// ---- maps ----

fn look_up(reader: &mut MapReader, key: &str) -> Answer {
    let bytes = reader.get(key)?.map(|value| value.bytes.to_vec());
    let value = bytes.map_or(Ok(Value::Null), |bytes| unpacked(&bytes))?;
    let mut keys = Vec::new();
    reader.entries(|key, _| keys.push(key.to_owned()))?;
    keys.sort();
    let status = match reader.status()? {
        MapStatus::Alive => "alive",
        MapStatus::Gone => "gone",
        MapStatus::Absent => "absent",
    };
    Ok(json!({ "value": value, "has": reader.has(key)?, "keys": keys, "status": status }))
}

async fn await_key(name: &str, key: &str, value: Value) -> Answer {
    let reader = MapReader::open(name, &Place::default())?;
    let mut changes = KeyChanges::of(KeyWatch::of(reader, key));
    let mut seen = Vec::new();
    while seen.last() != Some(&value) {
        let next = changes.next().await.expect("it never ends")?;
        seen.push(next.map_or(Ok(Value::Null), |bytes| unpacked(&bytes))?);
    }
    Ok(seen.into())
}

// ---- MessagePack ----

fn packed(value: &impl Serialize) -> Vec<u8> {
    rmp_serde::to_vec_named(value).expect("values encode")
}

fn unpacked(bytes: &[u8]) -> Answer {
    rmp_serde::from_slice(bytes).map_err(unreadable)
}

fn unreadable(error: rmp_serde::decode::Error) -> Failure {
    let message = error.to_string();
    Failure(json!({ "code": "ERR_INVALID_PAYLOAD", "message": message }))
}
