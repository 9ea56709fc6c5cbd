//! A later version of the producer, for the test: its detections have a member more at their end.
//! It writes without a pause, so that readers would find a torn frame if there could be one.
//!
//! ```text
//! newer-producer <name>
//! ```

#![forbid(unsafe_code)]
#![allow(clippy::print_stdout, reason = "it says when it has begun")]

#[path = "../src/frames.rs"]
#[allow(dead_code, reason = "it publishes one of the frames")]
mod frames;
#[path = "../src/publisher.rs"]
#[allow(dead_code, reason = "it is killed")]
mod publisher;

use frames::{Detection, Label, OBJECTS_MAX};
use publisher::Publisher;

ringpost::layout! {
    struct NewerDetections {
        frameId: u64,
        timestamp: f64,
        objects[objects_count]: [Detection; OBJECTS_MAX],
        camera: u32,
        exposureMs: f32,
    }
}

fn main() -> ringpost::Result<()> {
    let name = std::env::args().nth(1).expect("a name is given");
    let mut detections = Publisher::create(&format!("{name}-detections"))?;
    let mut frame = NewerDetections { camera: 2, exposureMs: 8.0, ..NewerDetections::default() };
    let label = Label::new("person")?;
    println!("it publishes {name}");
    loop {
        frame.frameId += 1;
        // Every object says of which frame it is.
        frame.timestamp = frame.frameId as f64;
        frame.objects_count = u32::try_from(frame.frameId % 51).expect("it is small");
        for object in &mut frame.objects {
            (object.id, object.label, object.seenAt) = (1, label, frame.timestamp);
        }
        detections.publish(&frame)?;
    }
}
