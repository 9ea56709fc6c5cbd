//! How single messages travel.

use std::time::Duration;

use ipc_core::{Codec, Draft, Kind, Lane, Trace, WINDOW_DEFAULT};

/// How a message travels. `Default` is a message of bytes on the normal lane without a deadline of
/// its own.
///
/// ```
/// use std::time::Duration;
/// use ringpost::{CallOptions, Codec, Lane, Trace};
///
/// let request = CallOptions::new()
///     .lane(Lane::High)
///     .codec(Codec::Json)
///     .timeout(Duration::from_millis(5))
///     .trace(Trace([1; 26]))
///     .compress(true);
/// let stream = CallOptions::new().window(64 << 10);
/// assert_eq!((request.lane, stream.lane), (Lane::High, Lane::Normal));
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CallOptions {
    /// The lane.
    pub lane: Lane,
    /// How the payload is encoded; the peer receives this with it.
    pub codec: Codec,
    /// When a request is given up; `None` takes the default of the connection. A stream then has no
    /// deadline.
    pub timeout: Option<Duration>,
    /// Trace context to carry along.
    pub trace: Option<Trace>,
    /// For a stream, the bytes of items that may be in flight or unread, in either direction:
    /// [`WINDOW_MIN`](crate::WINDOW_MIN) to [`WINDOW_MAX`](crate::WINDOW_MAX); `None` takes
    /// [`WINDOW_DEFAULT`].
    pub window: Option<u32>,
    /// Compresses the payload where that makes it shorter and the peer accepts it. Pays where
    /// memory is scarcer than time.
    pub compress: bool,
    /// Of a request of a tokio client: it may reach the handler twice without harm, and is sent
    /// again on the next session when its own is lost before the answer.
    pub idempotent: bool,
    /// Of a stream of a tokio client: its handler can go on where a lost session has broken off,
    /// and is asked to on the next one. Items sent to it are not sent again.
    pub resumable: bool,
}

impl CallOptions {
    /// The defaults.
    ///
    /// ```
    /// use ringpost::{CallOptions, Lane};
    ///
    /// const URGENT: CallOptions = CallOptions::new().lane(Lane::Critical);
    /// assert_eq!(URGENT.lane, Lane::Critical);
    /// ```
    pub const fn new() -> Self {
        Self {
            lane: Lane::Normal,
            codec: Codec::Bytes,
            timeout: None,
            trace: None,
            window: None,
            compress: false,
            idempotent: false,
            resumable: false,
        }
    }

    /// Sets the lane.
    #[must_use]
    pub const fn lane(mut self, lane: Lane) -> Self {
        self.lane = lane;
        self
    }

    /// Sets how the payload is encoded.
    #[must_use]
    pub const fn codec(mut self, codec: Codec) -> Self {
        self.codec = codec;
        self
    }

    /// Sets when a request is given up.
    ///
    /// ```
    /// use std::time::Duration;
    /// use ringpost::CallOptions;
    ///
    /// let options = CallOptions::new().timeout(Duration::from_millis(5));
    /// assert_eq!(options.timeout(None).timeout, None);
    /// ```
    #[must_use]
    pub fn timeout(mut self, timeout: impl Into<Option<Duration>>) -> Self {
        self.timeout = timeout.into();
        self
    }

    /// Sets the trace context to carry along.
    #[must_use]
    pub fn trace(mut self, trace: impl Into<Option<Trace>>) -> Self {
        self.trace = trace.into();
        self
    }

    /// Sets the window of a stream, in bytes.
    ///
    /// ```
    /// use ringpost::{CallOptions, Stream, WINDOW_MIN};
    ///
    /// // A reader that is slow, and that is to have little in memory.
    /// const SLOW: CallOptions = CallOptions::new().window(WINDOW_MIN);
    /// const FRAMES: Stream<(), Vec<u8>> = Stream::with_options("frames", SLOW);
    /// ```
    #[must_use]
    pub const fn window(mut self, window: u32) -> Self {
        self.window = Some(window);
        self
    }

    /// Asks for compression.
    #[must_use]
    pub const fn compress(mut self, compress: bool) -> Self {
        self.compress = compress;
        self
    }

    /// Declares that a request may reach the handler twice without harm, so that it outlives its
    /// session: see [`CallOptions::idempotent`](Self#structfield.idempotent).
    ///
    /// ```
    /// use ringpost::CallOptions;
    ///
    /// assert!(CallOptions::new().idempotent(true).idempotent);
    /// ```
    #[must_use]
    pub const fn idempotent(mut self, idempotent: bool) -> Self {
        self.idempotent = idempotent;
        self
    }

    /// Declares that the handler of a stream can go on after so many items, so that the stream
    /// outlives its session: see [`CallOptions::resumable`](Self#structfield.resumable).
    ///
    /// ```
    /// use ringpost::CallOptions;
    ///
    /// assert!(CallOptions::new().resumable(true).resumable);
    /// ```
    #[must_use]
    pub const fn resumable(mut self, resumable: bool) -> Self {
        self.resumable = resumable;
        self
    }

    /// The options of a request that is made to answer another, which has so much time left and
    /// this trace context.
    pub(crate) fn within(&self, left: Option<Duration>, trace: Option<Trace>) -> Self {
        let timeout = match (self.timeout, left) {
            (Some(own), Some(left)) => Some(own.min(left)),
            (own, left) => own.or(left),
        };
        Self { timeout, trace: self.trace.or(trace), ..*self }
    }

    /// A one-way message of the event `code`.
    pub(crate) fn one_way(&self, code: u32) -> Draft {
        let draft = Draft::one_way(code, self.lane, self.codec);
        Draft { trace: self.trace, compress: self.compress, ..draft }
    }

    /// The request `id` of the method `code`.
    pub(crate) fn request(&self, code: u32, id: u64, timeout: Duration) -> Draft {
        let timeout = Some(self.timeout.unwrap_or(timeout));
        Draft { kind: Kind::Request, id, timeout, ..self.one_way(code) }
    }

    /// A request with items. A stream has no deadline unless it is given one.
    pub(crate) fn stream(&self, code: u32, id: u64) -> Draft {
        let (timeout, window) = (self.timeout, Some(self.window.unwrap_or(WINDOW_DEFAULT)));
        Draft { kind: Kind::Request, id, timeout, window, ..self.one_way(code) }
    }
}
