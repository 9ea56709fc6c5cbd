//! The producer itself: what it publishes, when it is told to, and what it has counted.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use ringpost::tokio::Handlers;
use ringpost::{Method, Result};

use crate::commands::{
    Acknowledgement, CONFIG_UPDATE, Command, ConfigUpdate, Data, REFRESH_TIMELINES,
    RefreshTimelines, Refusal, SYNC_SWARM, Status, SyncSwarm, acknowledge, unix_ms,
};
use crate::frames::{Detections, Timelines, Tracks};
use crate::publisher::Publisher;
use crate::statistics::{Commands, Statistics};
use crate::world::World;

const FRAMES_PER_SECOND: f64 = 10.0;
const OBJECTS: usize = 24;
const HORIZON_MS: f64 = 5_000.0;

/// Shared by the loop that produces and the handlers of commands.
#[derive(Clone)]
pub struct Shared(Arc<Mutex<Producer>>);

pub struct Producer {
    world: World,
    detections: Publisher<Detections>,
    tracks: Publisher<Tracks>,
    timelines: Publisher<Timelines>,
    /// Filled anew for each frame.
    drafts: Box<Drafts>,
    frames_per_second: f64,
    horizon_ms: f64,
    neighbours: usize,
    started: Instant,
    frames: u64,
    frames_missed: u64,
    /// The number of frames at the time of the last statistics.
    counted: (Instant, u64),
    commands: Commands,
}

#[derive(Default)]
struct Drafts {
    detections: Detections,
    tracks: Tracks,
    timelines: Timelines,
}

impl Producer {
    /// Becomes the writer of the three frames of this name.
    pub fn new(name: &str, seed: u64) -> Result<Self> {
        let now = Instant::now();
        Ok(Self {
            world: World::new(seed, OBJECTS),
            detections: Publisher::create(&format!("{name}-detections"))?,
            tracks: Publisher::create(&format!("{name}-tracks"))?,
            timelines: Publisher::create(&format!("{name}-timelines"))?,
            drafts: Box::default(),
            frames_per_second: FRAMES_PER_SECOND,
            horizon_ms: HORIZON_MS,
            neighbours: 0,
            started: now,
            frames: 0,
            frames_missed: 0,
            counted: (now, 0),
            commands: Commands::default(),
        })
    }

    /// Until the next frame is due.
    pub fn period(&self) -> Duration {
        Duration::from_secs_f64(1.0 / self.frames_per_second)
    }

    /// Detections and tracks of one moment, after `missed` that came too late.
    pub fn produce(&mut self, missed: u64) -> Result<()> {
        self.frames += 1;
        self.frames_missed += missed;
        self.world.pass((1.0 / self.frames_per_second) as f32);
        let Drafts { detections, tracks, .. } = &mut *self.drafts;
        (detections.frameId, detections.timestamp) = (self.frames, unix_ms());
        (tracks.frameId, tracks.timestamp) = (self.frames, detections.timestamp);
        self.world.detect(detections);
        self.world.track(tracks);
        self.detections.publish(detections)?;
        self.tracks.publish(tracks)?;
        Ok(())
    }

    /// What is going to happen, as seen now. Returns the frame's number.
    pub fn predict(&mut self) -> Result<u64> {
        let timelines = &mut self.drafts.timelines;
        (timelines.frameId, timelines.timestamp) = (self.frames, unix_ms());
        self.world.predict((self.horizon_ms / 1e3) as f32, timelines);
        self.timelines.publish(timelines)
    }

    pub fn statistics(&mut self) -> Statistics {
        let now = Instant::now();
        let (last, frames) = std::mem::replace(&mut self.counted, (now, self.frames));
        let seconds = now.duration_since(last).as_secs_f64();
        let rate = if seconds > 0.0 { (self.frames - frames) as f64 / seconds } else { 0.0 };
        Statistics {
            pid: std::process::id(),
            timestamp: unix_ms(),
            uptime_seconds: self.started.elapsed().as_secs_f64(),
            frames_per_second: rate,
            frames: self.frames,
            frames_missed: self.frames_missed,
            objects: self.world.len(),
            active_timelines: self.drafts.timelines.snapshots[0].objects_count as usize,
            neighbours: self.neighbours,
            commands: self.commands,
        }
    }

    /// Ends it: readers that come later find nothing.
    pub fn remove(self) {
        self.detections.remove();
        self.tracks.remove();
        self.timelines.remove();
    }

    fn update(&mut self, update: &ConfigUpdate) -> String {
        if let Some(rate) = update.frames_per_second {
            self.frames_per_second = rate;
        }
        if let Some(objects) = update.objects {
            self.world.want(objects);
        }
        let (rate, objects) = (self.frames_per_second, self.world.len());
        format!("{rate} frames per second of {objects} objects")
    }

    fn refresh(&mut self, refresh: &RefreshTimelines) -> Result<String> {
        self.horizon_ms = refresh.horizon_ms.unwrap_or(HORIZON_MS);
        let number = self.predict()?;
        Ok(format!("timelines number {number} look {} ms ahead", self.horizon_ms))
    }

    fn sync(&mut self, sync: &SyncSwarm) -> String {
        self.neighbours = sync.neighbours.len();
        format!("{} neighbours are known", self.neighbours)
    }
}

impl Shared {
    pub fn new(producer: Producer) -> Self {
        Self(Arc::new(Mutex::new(producer)))
    }

    pub fn lock(&self) -> MutexGuard<'_, Producer> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Takes the producer back, once no handler has it.
    pub fn into_inner(self) -> Option<Producer> {
        let producer = Arc::into_inner(self.0)?;
        Some(producer.into_inner().unwrap_or_else(PoisonError::into_inner))
    }

    /// What answers the commands.
    pub fn handlers(&self) -> Handlers {
        let handlers = Handlers::new();
        let handlers =
            self.serve(handlers, &CONFIG_UPDATE, |producer, data| Ok(producer.update(data)));
        let handlers =
            self.serve(handlers, &REFRESH_TIMELINES, |producer, data| Ok(producer.refresh(data)?));
        self.serve(handlers, &SYNC_SWARM, |producer, data| Ok(producer.sync(data)))
    }

    fn serve<D: Data + 'static>(
        &self,
        handlers: Handlers,
        method: &Method<Command, Acknowledgement>,
        carry_out: fn(&mut Producer, &D) -> Result<String, Refusal>,
    ) -> Handlers {
        let shared = self.clone();
        handlers.serve(method, move |command, _| {
            let mut producer = shared.lock();
            let answer = acknowledge(command, |data| carry_out(&mut producer, &data));
            let Commands { accepted, refused } = &mut producer.commands;
            *(if answer.status == Status::Ok { accepted } else { refused }) += 1;
            async { Ok(answer) }
        })
    }
}
