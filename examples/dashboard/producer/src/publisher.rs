//! What is published, and as what: a state, of which only the newest counts, as a state frame, and
//! events, of which each counts, as messages of a topic.
//!
//! The other side is `server/contract.mts`.

use std::time::{SystemTime, UNIX_EPOCH};

use ringpost::Codec;
use ringpost::published::{
    Format, FrameConfig, Place, StateFrameWriter, TopicOptions, TopicPublisher,
};
use serde::Serialize;

use crate::posture::State;

/// What a picture begins with: its number, when it was drawn and when it was published, each a
/// number of eight bytes in little-endian order, times in milliseconds since 1970.
const PICTURE_HEAD: usize = 24;
const PICTURE_CAPACITY: usize = 64 << 10;

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Status {
    pub process: u32,
    pub camera: CameraState,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum CameraState {
    Live,
    Lost,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Posture {
    pub state: State,
    /// From 0 to 100, which is best.
    pub score: u8,
    /// Since when it is this state.
    pub since: f64,
    /// When it was published.
    pub at: f64,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub struct Error {
    pub code: &'static str,
    pub message: &'static str,
    pub at: f64,
}

pub struct Publisher {
    status: StateFrameWriter,
    posture: StateFrameWriter,
    camera: StateFrameWriter,
    errors: TopicPublisher,
    /// The bytes of a picture and what it begins with.
    picture: Vec<u8>,
}

impl Publisher {
    /// Becomes the one that publishes under this name.
    pub fn create(name: &str) -> ringpost::Result<Self> {
        let json = FrameConfig::new().codec(Codec::Json);
        let bytes = FrameConfig::new().capacity(PICTURE_CAPACITY);
        let topic = TopicOptions { format: Format::of(Codec::Json), ..TopicOptions::default() };
        Ok(Self {
            status: StateFrameWriter::create(&format!("{name}-status"), &json)?,
            posture: StateFrameWriter::create(&format!("{name}-posture"), &json)?,
            camera: StateFrameWriter::create(&format!("{name}-camera"), &bytes)?,
            errors: TopicPublisher::create(&format!("{name}-errors"), &Place::default(), &topic)?,
            picture: Vec::new(),
        })
    }

    /// Of the next picture. Numbers go on when another producer takes over.
    pub fn next_picture(&self) -> u64 {
        self.camera.number() + 1
    }

    pub fn picture(&mut self, png: &[u8], drawn_at: f64) -> ringpost::Result<u64> {
        let number = self.next_picture() as f64;
        self.picture.resize(PICTURE_HEAD, 0);
        self.picture.extend_from_slice(png);
        for (at, value) in [number, drawn_at, unix_ms()].into_iter().enumerate() {
            self.picture[at * 8..][..8].copy_from_slice(&value.to_le_bytes());
        }
        let written = self.camera.write(&self.picture);
        self.picture.clear();
        written
    }

    pub fn status(&mut self, status: &Status) -> ringpost::Result<u64> {
        self.status.write(&json(status))
    }

    pub fn posture(&mut self, posture: &Posture) -> ringpost::Result<u64> {
        self.posture.write(&json(posture))
    }

    pub fn error(&mut self, code: &'static str, message: &'static str) -> ringpost::Result<u64> {
        self.errors.publish(&json(&Error { code, message, at: unix_ms() }))
    }

    /// Ends it: readers that come later find nothing.
    pub fn remove(self) {
        self.status.remove();
        self.posture.remove();
        self.camera.remove();
        self.errors.remove();
    }
}

fn json(value: &impl Serialize) -> Vec<u8> {
    serde_json::to_vec(value).expect("it has only names, numbers and text")
}

/// Milliseconds since 1970.
pub fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    since.as_secs_f64() * 1e3
}
