//! Contracts that both ends share: a name, and the types that travel under it.
//!
//! Values are MessagePack with named fields, as `rmp-serde` writes what `serde` derives. That is
//! what the TypeScript package reads and writes by default, so a contract in Rust matches
//! `method<Params, Result>('name')` there: structs are objects, `Option::None` is `null`, and `()`
//! is a request without parameters.
//!
//! ```
//! use ringpost::blocking::{Client, Requester, Server};
//! use ringpost::{ClientConfig, Event, Method, ServerConfig};
//! use serde::{Deserialize, Serialize};
//!
//! #[derive(Serialize, Deserialize)]
//! struct Person {
//!     name: String,
//! }
//!
//! const GREET: Method<Person, String> = Method::new("greet");
//! const SEEN: Event<Person> = Event::new("seen");
//! # let directory = std::env::temp_dir().join(format!("ringpost-typed-{}", std::process::id()));
//! # let server_config = ServerConfig::new().directory(&directory);
//! # let client_config = ClientConfig::new().directory(&directory);
//!
//! let mut server = Server::bind("demo", &server_config)?;
//! server.serve(&GREET, |person, _| Ok(format!("hello {}", person.name)));
//! server.listen(&SEEN, |person, _| assert_eq!(person.name, "Ada"));
//! # let stopper = server.stopper();
//! # let serving = std::thread::spawn(move || server.run());
//!
//! let mut client = Client::connect("demo", &client_config)?;
//! let ada = Person { name: "Ada".into() };
//! client.emit(&SEEN, &ada)?;
//! assert_eq!(client.call(&GREET, &ada)?, "hello Ada");
//! # stopper.stop();
//! # serving.join().unwrap()?;
//! # std::fs::remove_dir_all(directory).unwrap();
//! # Ok::<(), ringpost::Error>(())
//! ```

use std::marker::PhantomData;

use ipc_core::{Code, Codec, Error, RemoteError, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::api::{CallOptions, Item, Reply};

/// What a peer writes for no value.
const NIL: &[u8] = &[0xc0];

macro_rules! contract {
    ($(#[$doc:meta])* $name:ident<$($type:ident),+>) => {
        $(#[$doc])*
        pub struct $name<$($type),+> {
            name: &'static str,
            options: CallOptions,
            types: PhantomData<fn($($type),+)>,
        }

        impl<$($type),+> $name<$($type),+> {
            /// A contract of this name, with the default options.
            ///
            /// ```
            /// use ringpost::{Event, Method, Stream};
            ///
            /// const ADD: Method<(i64, i64), i64> = Method::new("add");
            /// const COUNT: Stream<u32, u32> = Stream::new("count");
            /// const TICK: Event<u64> = Event::new("tick");
            /// ```
            pub const fn new(name: &'static str) -> Self {
                Self::with_options(name, CallOptions::new())
            }

            /// A contract whose messages travel with these options; their codec does not count.
            ///
            /// ```
            /// use ringpost::{CallOptions, Event, Lane};
            ///
            /// const ALARM: Event<String> =
            ///     Event::with_options("alarm", CallOptions::new().lane(Lane::Critical));
            /// assert_eq!(ALARM.options().lane, Lane::Critical);
            /// ```
            pub const fn with_options(name: &'static str, options: CallOptions) -> Self {
                let options = options.codec(Codec::MessagePack);
                Self { name, options, types: PhantomData }
            }

            /// The name it has on the wire.
            pub const fn name(&self) -> &'static str {
                self.name
            }

            /// How its messages travel.
            pub const fn options(&self) -> &CallOptions {
                &self.options
            }
        }

        impl<$($type),+> std::fmt::Debug for $name<$($type),+> {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.debug_tuple(stringify!($name)).field(&self.name).finish()
            }
        }
    };
}

contract! {
    /// A method: a request with parameters of type `P`, and its result of type `R`.
    ///
    /// ```
    /// use ringpost::{CallOptions, Lane, Method};
    ///
    /// const ADD: Method<(i64, i64), i64> = Method::new("add");
    /// const CRITICAL: CallOptions = CallOptions::new().lane(Lane::Critical);
    /// const STOP: Method<(), ()> = Method::with_options("stop", CRITICAL);
    /// assert_eq!((ADD.name(), STOP.options().lane), ("add", Lane::Critical));
    /// ```
    Method<P, R>
}

contract! {
    /// An event: a one-way message with a payload of type `P`.
    ///
    /// ```
    /// use ringpost::Event;
    ///
    /// const TICK: Event<u64> = Event::new("tick");
    /// assert_eq!(TICK.name(), "tick");
    /// ```
    Event<P>
}

contract! {
    /// A stream: a request with parameters of type `P` that is answered by many items of type `I`.
    ///
    /// ```
    /// use ringpost::Stream;
    ///
    /// const COUNT: Stream<u32, u32> = Stream::new("count");
    /// assert_eq!(COUNT.name(), "count");
    /// ```
    Stream<P, I>
}

impl<P, R> Method<P, R> {
    /// The same method, whose requests may reach the handler twice without harm; see
    /// [`CallOptions::idempotent`].
    ///
    /// ```
    /// use ringpost::Method;
    ///
    /// const SIZE: Method<String, u64> = Method::new("size").idempotent();
    /// assert!(SIZE.options().idempotent);
    /// ```
    #[must_use]
    pub const fn idempotent(mut self) -> Self {
        self.options = self.options.idempotent(true);
        self
    }
}

impl<P, I> Stream<P, I> {
    /// The same stream, whose handler can go on where a lost session has broken off; see
    /// [`CallOptions::resumable`].
    ///
    /// ```
    /// use ringpost::Stream;
    ///
    /// const LINES: Stream<(), String> = Stream::new("lines").resumable();
    /// assert!(LINES.options().resumable);
    /// ```
    #[must_use]
    pub const fn resumable(mut self) -> Self {
        self.options = self.options.resumable(true);
        self
    }
}

/// Encodes a value.
pub(crate) fn encode<T: Serialize>(value: &T, name: &str) -> Result<Vec<u8>> {
    rmp_serde::to_vec_named(value).map_err(|cause| {
        Error::new(
            Code::InvalidPayload,
            format!("\"{name}\": the value cannot be encoded: {cause}"),
        )
    })
}

/// Decodes a value that arrived.
pub(crate) fn decode<T: DeserializeOwned>(codec: Codec, payload: &[u8], name: &str) -> Result<T> {
    let bytes = match codec {
        Codec::MessagePack => payload,
        Codec::Bytes if payload.is_empty() => NIL,
        other => {
            let message = format!("\"{name}\": arrived as {other:?}, expected MessagePack");
            return Err(Error::new(Code::InvalidPayload, message));
        }
    };
    rmp_serde::from_slice(bytes).map_err(|cause| {
        let reason = without_values(&cause);
        Error::new(Code::InvalidPayload, format!("\"{name}\": cannot be decoded: {reason}"))
    })
}

/// Why it cannot be decoded, without the values that `serde` quotes: errors end in logs, where what
/// was sent has no place.
fn without_values(cause: &rmp_serde::decode::Error) -> String {
    use rmp_serde::decode::Error as Cause;

    let said = match cause {
        Cause::Syntax(said) | Cause::Uncategorized(said) => said,
        // Some markers are values.
        Cause::TypeMismatch(_) => return "another type was expected".into(),
        other => return other.to_string(),
    };
    // The names of fields that are missing, or there twice, are those of the type.
    if ["missing field ", "duplicate field "].iter().any(|known| said.starts_with(known)) {
        return said.clone();
    }
    // What else a type may say of a value is its own.
    let known = ["invalid type: ", "invalid value: ", "invalid length ", "unknown "];
    let is_known = known.iter().any(|known| said.starts_with(known));
    match said.rsplit_once(", expected ") {
        Some((found, expected)) if is_known => {
            let quoted = found.find(['"', '`']).unwrap_or(found.len());
            format!("{}, expected {expected}", found[..quoted].trim_end())
        }
        _ => "its type refuses it".into(),
    }
}

/// The result of a method, from its reply.
pub(crate) fn result_of<P, R>(method: &Method<P, R>, reply: &Reply) -> Result<R>
where
    R: DeserializeOwned,
{
    decode(reply.codec, &reply.payload, method.name)
}

/// An item of a stream.
pub(crate) fn item_of<T: DeserializeOwned>(item: &Item, name: &str) -> Result<T> {
    decode(item.codec, &item.payload, name)
}

/// The reply with the result of a method.
pub(crate) fn reply_with<R: Serialize>(
    result: &R,
    name: &str,
    compress: bool,
) -> Result<Reply, RemoteError> {
    let payload = encode(result, name).map_err(|error| refusal(&error))?;
    Ok(Reply { codec: Codec::MessagePack, payload, compress })
}

/// An error of this side as the peer receives it.
pub(crate) fn refusal(error: &Error) -> RemoteError {
    RemoteError::new(error.code().as_str(), error.to_string())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_absent_value_is_nil_or_no_bytes() {
        assert_eq!(encode(&(), "none").unwrap(), NIL);
        assert!(decode::<()>(Codec::MessagePack, NIL, "none").is_ok());
        assert_eq!(decode::<Option<u8>>(Codec::Bytes, b"", "none").unwrap(), None);
    }

    #[test]
    fn a_value_of_another_type_or_codec_is_an_error_that_names_both() {
        let error = decode::<String>(Codec::Json, b"\"text\"", "greet").unwrap_err();
        assert_eq!(error.code(), Code::InvalidPayload);
        assert_eq!(error.to_string(), "\"greet\": arrived as Json, expected MessagePack");
        let number = encode(&7, "greet").unwrap();
        let error = decode::<String>(Codec::MessagePack, &number, "greet").unwrap_err();
        assert!(error.to_string().starts_with("\"greet\": cannot be decoded: "), "{error}");
    }

    #[derive(Debug, serde::Deserialize)]
    #[serde(deny_unknown_fields)]
    struct Login {
        #[expect(dead_code, reason = "only read from bytes")]
        user: u32,
    }

    #[test]
    fn what_cannot_be_decoded_is_not_quoted() {
        let said = |bytes: Vec<u8>| {
            decode::<Login>(Codec::MessagePack, &bytes, "login").unwrap_err().to_string()
        };
        let of = |name: &'static str, value: &'static str| {
            encode(&std::collections::BTreeMap::from([(name, value)]), "login").unwrap()
        };
        let wanted = "\"login\": cannot be decoded: ";
        let quoting = encode(&"a \"secret\", expected", "login").unwrap();
        for (bytes, reason) in [
            (of("user", "a secret"), "another type was expected"),
            (of("secret", "x"), "unknown field, expected `user`"),
            (quoting, "invalid type: string, expected struct Login"),
            (
                encode(&[(); 0], "login").unwrap(),
                "invalid length 0, expected struct Login with 1 element",
            ),
        ] {
            assert_eq!(said(bytes), format!("{wanted}{reason}"));
        }
    }
}
