//! Values of JavaScript's, as the arguments of a call have them. They are read as one type, and
//! taken from that: a reader for each type would be most of the module.

use std::fmt;

use serde::de::{Error, MapAccess, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::options::{NativeListenOptions, NativeOptions, NativeWaiting};

/// Whatever JavaScript passes.
#[derive(Debug)]
pub enum Value {
    Null,
    Boolean(bool),
    Number(f64),
    Text(String),
    Bytes(Vec<u8>),
    Array(Vec<Value>),
    Map(Vec<(String, Value)>),
}

/// One of two types.
#[derive(Debug, Serialize)]
#[serde(untagged)]
pub enum Either<A, B> {
    A(A),
    B(B),
}

/// Bytes.
#[derive(Debug)]
pub struct Uint8Array(Vec<u8>);

impl Uint8Array {
    pub fn to_vec(&self) -> Vec<u8> {
        self.0.clone()
    }
}

impl<'de> Deserialize<'de> for Value {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        deserializer.deserialize_any(AnyValue)
    }
}

struct AnyValue;

impl<'de> Visitor<'de> for AnyValue {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a value of JavaScript's")
    }

    fn visit_unit<E: Error>(self) -> Result<Value, E> {
        Ok(Value::Null)
    }

    fn visit_bool<E: Error>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Boolean(value))
    }

    #[expect(clippy::cast_precision_loss, reason = "it was a number of JavaScript's")]
    fn visit_u64<E: Error>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    #[expect(clippy::cast_precision_loss, reason = "as above")]
    fn visit_i64<E: Error>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value as f64))
    }

    fn visit_f64<E: Error>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<Value, E> {
        Ok(Value::Text(text.into()))
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Value, E> {
        Ok(Value::Bytes(bytes.into()))
    }

    fn visit_seq<S: SeqAccess<'de>>(self, mut seq: S) -> Result<Value, S::Error> {
        let mut values = Vec::new();
        while let Some(value) = seq.next_element()? {
            values.push(value);
        }
        Ok(Value::Array(values))
    }

    fn visit_map<M: MapAccess<'de>>(self, mut map: M) -> Result<Value, M::Error> {
        let mut members = Vec::new();
        while let Some((name, value)) = map.next_entry::<Value, Value>()? {
            let Value::Text(name) = name else { return Err(M::Error::custom("a nameless member")) };
            members.push((name, value));
        }
        Ok(Value::Map(members))
    }
}

/// What a value can be taken for; `None`: it is of another type.
pub trait FromValue: Sized {
    fn from_value(value: Value) -> Option<Self>;
}

impl FromValue for bool {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Boolean(value) = value { Some(value) } else { None }
    }
}

impl FromValue for f64 {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Number(value) = value { Some(value) } else { None }
    }
}

impl FromValue for u32 {
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "checked")]
    fn from_value(value: Value) -> Option<Self> {
        let number = f64::from_value(value)?;
        (number.fract() == 0.0 && (0.0..=f64::from(Self::MAX)).contains(&number))
            .then_some(number as Self)
    }
}

impl FromValue for String {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Text(text) = value { Some(text) } else { None }
    }
}

impl FromValue for Uint8Array {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Bytes(bytes) = value { Some(Self(bytes)) } else { None }
    }
}

impl FromValue for Either<f64, String> {
    fn from_value(value: Value) -> Option<Self> {
        match value {
            Value::Number(number) => Some(Self::A(number)),
            Value::Text(text) => Some(Self::B(text)),
            _ => None,
        }
    }
}

impl<T: FromValue> FromValue for Option<T> {
    fn from_value(value: Value) -> Option<Self> {
        if let Value::Null = value { Some(None) } else { T::from_value(value).map(Some) }
    }
}

impl<T: FromValue> FromValue for Vec<T> {
    fn from_value(value: Value) -> Option<Self> {
        let Value::Array(values) = value else { return None };
        values.into_iter().map(T::from_value).collect()
    }
}

/// Takes a member out of a map.
fn member<T: FromValue>(members: &mut [(String, Value)], name: &str) -> Option<T> {
    let (_, value) = members.iter_mut().find(|(found, _)| found == name)?;
    T::from_value(std::mem::replace(value, Value::Null))
}

macro_rules! of_members {
    ($($type:ident { $($field:ident: $name:literal,)* })*) => {
        $(impl FromValue for $type {
            fn from_value(value: Value) -> Option<Self> {
                let Value::Map(mut members) = value else { return None };
                Some(Self { $($field: member(&mut members, $name)?,)* })
            }
        })*
    };
}

of_members! {
    NativeOptions {
        directory: "directory",
        transport: "transport",
        crc: "crc",
        rings: "rings",
        message_len_max: "messageLenMax",
        pending_max: "pendingMax",
        token: "token",
        overflow: "overflow",
        backlog_max: "backlogMax",
        serving_max: "servingMax",
        unread_max: "unreadMax",
        unresponsive_after_ms: "unresponsiveAfterMs",
    }
    NativeListenOptions {
        connections_max: "connectionsMax",
        rings_max: "ringsMax",
        hello_timeout_ms: "helloTimeoutMs",
        serving_max_total: "servingMaxTotal",
    }
    NativeWaiting {
        expecting_us: "expectingUs",
        recent_us: "recentUs",
        by_thread: "byThread",
    }
}

/// Arguments, all of which are there.
pub trait Arguments: Sized {
    fn from_values(values: Vec<Value>) -> Option<Self>;
}

macro_rules! tuples {
    ($(($($type:ident),*))*) => {
        $(impl<$($type: FromValue),*> Arguments for ($($type,)*) {
            #[allow(unused_mut, unused_variables, reason = "of no arguments there is none")]
            fn from_values(values: Vec<Value>) -> Option<Self> {
                let mut values = values.into_iter();
                let all = ($(<$type as FromValue>::from_value(values.next()?)?,)*);
                values.next().is_none().then_some(all)
            }
        })*
    };
}

tuples! { () (A) (A, B) (A, B, C) (A, B, C, D) (A, B, C, D, E, F) }
