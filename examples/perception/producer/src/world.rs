//! What there is to perceive: objects that move about, come and go, the same for the same seed.

use std::collections::VecDeque;
use std::f32::consts::{PI, TAU};

use crate::frames::{
    Detection, Detections, Label, OBJECTS_MAX, PATH_MAX, Point, Prediction, SNAPSHOTS, Timelines,
    Track, Tracks,
};
use crate::random::Random;

/// Half the side of the square in which everything happens, in meters.
const REACH: f32 = 60.0;
/// How many frames an object stays.
const STAY: (f32, f32) = (100.0, 1_200.0);
/// A position of its past is kept every so many frames.
const PATH_EVERY: u32 = 5;
/// How far a position may be off that was measured.
const NOISE: f32 = 0.15;
/// As long as it may take to get here from anywhere, in seconds.
const CONTACT_MAX: f32 = 100.0;

struct Kind {
    label: &'static str,
    /// Length, width, height in meters.
    size: [f32; 3],
    /// Meters per second.
    speed: f32,
}

const KINDS: [Kind; 5] = [
    Kind { label: "person", size: [0.5, 0.6, 1.75], speed: 1.6 },
    Kind { label: "bicycle", size: [1.8, 0.6, 1.6], speed: 5.0 },
    Kind { label: "car", size: [4.4, 1.8, 1.5], speed: 14.0 },
    Kind { label: "truck", size: [9.0, 2.5, 3.4], speed: 11.0 },
    Kind { label: "dog", size: [0.8, 0.3, 0.6], speed: 3.0 },
];

struct Object {
    id: u32,
    kind: &'static Kind,
    x: f32,
    y: f32,
    speed: f32,
    heading: f32,
    /// Radians per second.
    turn_rate: f32,
    age: u32,
    leaves_at: u32,
    misses: u16,
    path: VecDeque<Point>,
}

pub struct World {
    random: Random,
    objects: Vec<Object>,
    /// How many there are to be.
    wanted: usize,
    last_id: u32,
}

impl World {
    pub fn new(seed: u64, wanted: usize) -> Self {
        let (random, objects) = (Random::new(seed), Vec::new());
        let mut world = Self { random, objects, wanted: 0, last_id: 0 };
        world.want(wanted);
        world
    }

    /// From now on there are so many objects.
    pub fn want(&mut self, wanted: usize) {
        self.wanted = wanted.min(OBJECTS_MAX);
        self.objects.truncate(self.wanted);
        while self.objects.len() < self.wanted {
            let object = self.another();
            self.objects.push(object);
        }
    }

    fn another(&mut self) -> Object {
        let random = &mut self.random;
        let kind = &KINDS[random.below(KINDS.len() as u32) as usize];
        self.last_id += 1;
        Object {
            id: self.last_id,
            kind,
            x: random.between(-REACH, REACH),
            y: random.between(-REACH, REACH),
            speed: kind.speed * random.between(0.5, 1.1),
            heading: random.between(-PI, PI),
            turn_rate: random.between(-0.3, 0.3),
            age: 0,
            leaves_at: random.between(STAY.0, STAY.1) as u32,
            misses: 0,
            path: VecDeque::with_capacity(PATH_MAX),
        }
    }

    /// So many seconds pass.
    pub fn pass(&mut self, seconds: f32) {
        for index in 0..self.objects.len() {
            self.objects[index].pass(seconds, &mut self.random);
            if self.objects[index].age > self.objects[index].leaves_at {
                self.objects[index] = self.another();
            }
        }
    }

    pub fn len(&self) -> usize {
        self.objects.len()
    }

    /// What a sensor sees, each time a little beside it.
    pub fn detect(&mut self, into: &mut Detections) {
        let (random, at) = (&mut self.random, into.timestamp);
        for (object, place) in self.objects.iter_mut().zip(&mut into.objects) {
            *place = object.detected(random, at);
        }
        into.objects_count = count(self.objects.len());
    }

    /// What is known of them.
    pub fn track(&self, into: &mut Tracks) {
        for (object, place) in self.objects.iter().zip(&mut into.objects) {
            *place = object.track();
        }
        into.objects_count = count(self.objects.len());
    }

    /// Where they will be within so many seconds, in equal steps.
    pub fn predict(&self, horizon: f32, into: &mut Timelines) {
        for (index, snapshot) in into.snapshots.iter_mut().enumerate() {
            let ahead = horizon * (index + 1) as f32 / SNAPSHOTS as f32;
            snapshot.aheadMs = f64::from(ahead) * 1e3;
            for (object, place) in self.objects.iter().zip(&mut snapshot.objects) {
                *place = object.predicted(ahead);
            }
            snapshot.objects_count = count(self.objects.len());
        }
        into.snapshots_count = count(SNAPSHOTS);
    }
}

impl Object {
    fn pass(&mut self, seconds: f32, random: &mut Random) {
        self.age += 1;
        self.heading = turned(self.heading + self.turn_rate * seconds);
        let (velocity_x, velocity_y) = self.velocity();
        self.x += velocity_x * seconds;
        self.y += velocity_y * seconds;
        if self.x.abs() > REACH || self.y.abs() > REACH {
            // Back towards the middle.
            self.heading = (-self.y).atan2(-self.x);
            self.turn_rate = random.between(-0.3, 0.3);
        }
        self.misses = if random.below(20) == 0 { self.misses + 1 } else { 0 };
        if self.age.is_multiple_of(PATH_EVERY) {
            if self.path.len() == PATH_MAX {
                self.path.pop_front();
            }
            self.path.push_back(Point { x: self.x, y: self.y });
        }
    }

    fn velocity(&self) -> (f32, f32) {
        (self.speed * self.heading.cos(), self.speed * self.heading.sin())
    }

    fn label(&self) -> Label {
        Label::new(self.kind.label).expect("labels are short")
    }

    fn distance(&self) -> f32 {
        self.x.hypot(self.y)
    }

    fn confidence(&self) -> f32 {
        1.0 - 0.5 * self.distance() / (2.0 * REACH)
    }

    fn detected(&self, random: &mut Random, at: f64) -> Detection {
        let [length, width, height] = self.kind.size;
        let (velocity_x, velocity_y) = self.velocity();
        let (x, y) = (self.x + noise(random), self.y + noise(random));
        let bearing = y.atan2(x);
        // A picture of 1920 by 1080, all around.
        let middle = (bearing + PI) / TAU * 1_920.0;
        let half = 500.0 / (1.0 + self.distance());
        Detection {
            id: self.id,
            label: self.label(),
            confidence: self.confidence(),
            x,
            y,
            z: height / 2.0,
            length,
            width,
            height,
            heading: self.heading,
            velocityX: velocity_x,
            velocityY: velocity_y,
            varianceX: NOISE * NOISE,
            varianceY: NOISE * NOISE,
            varianceZ: NOISE * NOISE / 4.0,
            distance: x.hypot(y),
            bearing,
            left: pixel(middle - half, 1_919.0),
            top: pixel(540.0 - half, 1_079.0),
            right: pixel(middle + half, 1_919.0),
            bottom: pixel(540.0 + half, 1_079.0),
            seenAt: at,
        }
    }

    fn track(&self) -> Track {
        let [length, width, height] = self.kind.size;
        let (velocity_x, velocity_y) = self.velocity();
        let state = if self.age < 10 { "tentative" } else { "confirmed" };
        let mut track = Track {
            id: self.id,
            age: self.age,
            label: self.label(),
            state: ringpost::layout::Text::new(state).expect("states are short"),
            x: self.x,
            y: self.y,
            z: height / 2.0,
            velocityX: velocity_x,
            velocityY: velocity_y,
            accelerationX: -velocity_y * self.turn_rate,
            accelerationY: velocity_x * self.turn_rate,
            heading: self.heading,
            turnRate: self.turn_rate,
            length,
            width,
            height,
            confidence: self.confidence(),
            hits: u16::try_from(self.age).unwrap_or(u16::MAX),
            misses: self.misses,
            path_count: count(self.path.len()),
            priority: 1.0 / (1.0 + self.distance()),
            ..Track::default()
        };
        for (point, place) in self.path.iter().zip(&mut track.path) {
            *place = *point;
        }
        track
    }

    fn predicted(&self, ahead: f32) -> Prediction {
        let heading = turned(self.heading + self.turn_rate * ahead);
        let (velocity_x, velocity_y) = self.velocity();
        let (x, y) = (self.x + velocity_x * ahead, self.y + velocity_y * ahead);
        // How fast it comes nearer, if it does.
        let closing = -(self.x * velocity_x + self.y * velocity_y) / self.distance().max(0.1);
        let contact = if closing > 0.1 { self.distance() / closing } else { CONTACT_MAX };
        let spread = NOISE + 0.3 * ahead;
        Prediction {
            id: self.id,
            label: self.label(),
            x,
            y,
            z: self.kind.size[2] / 2.0,
            velocityX: velocity_x,
            velocityY: velocity_y,
            velocityZ: 0.0,
            heading,
            probability: self.confidence() / (1.0 + ahead / 5.0),
            spreadMajor: 2.0 * spread,
            spreadMinor: spread,
            spreadAngle: heading,
            risk: 1.0 / (1.0 + contact.min(CONTACT_MAX)),
            timeToContact: contact.min(CONTACT_MAX),
            lane: (y / 3.5).round() as i32,
            flags: u32::from(closing > 0.1),
        }
    }
}

fn noise(random: &mut Random) -> f32 {
    random.between(-NOISE, NOISE)
}

/// The same direction, between -π and π.
fn turned(angle: f32) -> f32 {
    (angle + PI).rem_euclid(TAU) - PI
}

fn pixel(at: f32, max: f32) -> u16 {
    at.clamp(0.0, max) as u16
}

fn count(len: usize) -> u32 {
    u32::try_from(len).expect("there are at most 50")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(seed: u64, frames: u32) -> Vec<(u32, f32, f32)> {
        let mut world = World::new(seed, 30);
        (0..frames).for_each(|_| world.pass(0.1));
        let mut tracks = Tracks::default();
        world.track(&mut tracks);
        tracks.objects[..30].iter().map(|track| (track.id, track.x, track.y)).collect()
    }

    #[test]
    fn the_same_seed_is_the_same_world_and_another_is_another() {
        assert_eq!(seen(7, 500), seen(7, 500));
        assert_ne!(seen(7, 500), seen(8, 500));
    }

    #[test]
    fn objects_move_stay_near_and_are_replaced() {
        let (early, late) = (seen(7, 1), seen(7, 5_000));
        assert_ne!(early, late);
        assert!(late.iter().all(|(id, x, y)| *id > 30 && x.hypot(*y) < 2.0 * REACH));
    }

    #[test]
    fn there_are_as_many_as_are_wanted() {
        let mut world = World::new(7, 5);
        for wanted in [0, 50, 3] {
            world.want(wanted);
            world.pass(0.1);
            let mut detections = Detections::default();
            world.detect(&mut detections);
            assert_eq!((world.len(), detections.objects_count as usize), (wanted, wanted));
        }
    }

    #[test]
    fn predictions_look_further_each() {
        let mut timelines = Box::<Timelines>::default();
        World::new(7, 2).predict(5.0, &mut timelines);
        let ahead = timelines.snapshots.each_ref().map(|snapshot| snapshot.aheadMs);
        assert_eq!(ahead, [1e3, 2e3, 3e3, 4e3, 5e3]);
    }
}
