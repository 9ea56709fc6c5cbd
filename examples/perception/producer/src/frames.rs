//! What is published: three frames, each of a fixed size and for up to 50 objects. `contract.mts`
//! has the same for TypeScript, and a member more at the end of a frame breaks no reader.

use ringpost::layout::Text;

/// Objects a frame has room for.
pub const OBJECTS_MAX: usize = 50;
/// Positions of its past that a track has room for.
pub const PATH_MAX: usize = 7;
/// Looks into the future, each further than the one before.
pub const SNAPSHOTS: usize = 5;

/// A short text.
pub type Label = Text<16>;

ringpost::layout! {
    /// What a sensor has seen of one object, this time.
    pub struct Detection {
        pub id: u32,
        pub label: Label,
        pub confidence: f32,
        pub x: f32,
        pub y: f32,
        pub z: f32,
        pub length: f32,
        pub width: f32,
        pub height: f32,
        pub heading: f32,
        pub velocityX: f32,
        pub velocityY: f32,
        pub varianceX: f32,
        pub varianceY: f32,
        pub varianceZ: f32,
        pub distance: f32,
        pub bearing: f32,
        pub left: u16,
        pub top: u16,
        pub right: u16,
        pub bottom: u16,
        pub seenAt: f64,
    }
}

ringpost::layout! {
    /// Everything that was seen at one time: about 5 KB.
    pub struct Detections {
        pub frameId: u64,
        /// Milliseconds since 1970.
        pub timestamp: f64,
        pub objects[objects_count]: [Detection; OBJECTS_MAX],
    }
}

ringpost::layout! {
    #[derive(Clone, Copy)]
    pub struct Point {
        pub x: f32,
        pub y: f32,
    }
}

ringpost::layout! {
    /// What is known of one object from all detections so far.
    pub struct Track {
        pub id: u32,
        /// Frames since it was first seen.
        pub age: u32,
        pub label: Label,
        pub state: Text<12>,
        pub x: f32,
        pub y: f32,
        pub z: f32,
        pub velocityX: f32,
        pub velocityY: f32,
        pub velocityZ: f32,
        pub accelerationX: f32,
        pub accelerationY: f32,
        pub heading: f32,
        pub turnRate: f32,
        pub length: f32,
        pub width: f32,
        pub height: f32,
        pub confidence: f32,
        pub hits: u16,
        pub misses: u16,
        pub path[path_count]: [Point; PATH_MAX],
        pub priority: f32,
    }
}

ringpost::layout! {
    /// All objects that are followed: about 8 KB.
    pub struct Tracks {
        pub frameId: u64,
        pub timestamp: f64,
        pub objects[objects_count]: [Track; OBJECTS_MAX],
    }
}

ringpost::layout! {
    /// Where one object will be.
    pub struct Prediction {
        pub id: u32,
        pub label: Label,
        pub x: f32,
        pub y: f32,
        pub z: f32,
        pub velocityX: f32,
        pub velocityY: f32,
        pub velocityZ: f32,
        pub heading: f32,
        pub probability: f32,
        /// The ellipse it is in, most likely.
        pub spreadMajor: f32,
        pub spreadMinor: f32,
        pub spreadAngle: f32,
        pub risk: f32,
        pub timeToContact: f32,
        pub lane: i32,
        pub flags: u32,
    }
}

ringpost::layout! {
    /// The world at one time in the future.
    pub struct Snapshot {
        pub aheadMs: f64,
        pub objects[objects_count]: [Prediction; OBJECTS_MAX],
    }
}

ringpost::layout! {
    /// What is going to happen: about 20 KB.
    pub struct Timelines {
        pub frameId: u64,
        pub timestamp: f64,
        pub snapshots[snapshots_count]: [Snapshot; SNAPSHOTS],
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_frames_are_as_long_as_the_systems_they_stand_for() {
        assert_eq!(size_of::<Detections>(), 4_824);
        assert_eq!(size_of::<Tracks>(), 8_024);
        assert_eq!(size_of::<Timelines>(), 20_104);
    }
}
