//! The producer itself: what happens ten times a second, twice a second, and when its camera is
//! unplugged.

use std::time::Instant;

use crate::picture::Camera;
use crate::posture::{Pose, State};
use crate::publisher::{CameraState, Posture, Publisher, Status, unix_ms};

type Failure = Box<dyn std::error::Error>;

pub struct Producer {
    publisher: Publisher,
    camera: Camera,
    camera_state: CameraState,
    started: Instant,
    /// The state of the posture, and since when it is that.
    posture: Option<(State, f64)>,
}

impl Producer {
    /// Becomes the one that publishes under this name.
    pub fn new(name: &str) -> ringpost::Result<Self> {
        let mut producer = Self {
            publisher: Publisher::create(name)?,
            camera: Camera::new(),
            camera_state: CameraState::Live,
            started: Instant::now(),
            posture: None,
        };
        producer.announce()?;
        Ok(producer)
    }

    /// Draws the next picture and publishes it, if there is a camera.
    pub fn picture(&mut self) -> Result<(), Failure> {
        if self.camera_state == CameraState::Lost {
            return Ok(());
        }
        let drawn_at = unix_ms();
        let png = self.camera.picture(self.pose(), self.publisher.next_picture())?;
        self.publisher.picture(&png, drawn_at)?;
        Ok(())
    }

    /// Publishes how the person sits, which without a camera is not known.
    pub fn posture(&mut self) -> ringpost::Result<()> {
        if self.camera_state == CameraState::Lost {
            return Ok(());
        }
        let (pose, at) = (self.pose(), unix_ms());
        let state = pose.state();
        let since = match self.posture {
            Some((last, since)) if last == state => since,
            _ => {
                if state == State::Away {
                    self.publisher.error("NO_PERSON", "there is no person in the picture")?;
                }
                at
            }
        };
        self.posture = Some((state, since));
        self.publisher.posture(&Posture { state, score: pose.score(), since, at })?;
        Ok(())
    }

    /// Says that it is there, and what of its camera.
    pub fn announce(&mut self) -> ringpost::Result<()> {
        let status = Status { process: std::process::id(), camera: self.camera_state };
        self.publisher.status(&status)?;
        Ok(())
    }

    /// Unplugs the camera, or plugs it in again.
    pub fn unplug(&mut self) -> ringpost::Result<()> {
        self.camera_state = match self.camera_state {
            CameraState::Live => {
                self.publisher.error("CAMERA_LOST", "the camera was unplugged")?;
                CameraState::Lost
            }
            CameraState::Lost => CameraState::Live,
        };
        self.posture = None;
        self.announce()
    }

    /// Ends it: readers that come later find nothing.
    pub fn remove(self) {
        self.publisher.remove();
    }

    fn pose(&self) -> Pose {
        Pose::at(self.started.elapsed().as_secs_f32())
    }
}
