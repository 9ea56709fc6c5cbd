//! The thread that writes what was played to a file.

use std::path::Path;
use std::thread::sleep;
use std::time::Duration;

use hound::{SampleFormat, WavSpec, WavWriter};
use rtrb::Consumer;

use crate::clock::RATE;

const PAUSE: Duration = Duration::from_millis(10);
const SPEC: WavSpec = WavSpec {
    channels: 1,
    sample_rate: RATE,
    bits_per_sample: 16,
    sample_format: SampleFormat::Int,
};

pub struct Recorder {
    writer: WavWriter<std::io::BufWriter<std::fs::File>>,
    frames: Consumer<f32>,
}

impl Recorder {
    pub fn create(path: &Path, frames: Consumer<f32>) -> hound::Result<Self> {
        Ok(Self { writer: WavWriter::create(path, SPEC)?, frames })
    }

    /// Writes until the audio thread has ended. Once a second the file is made whole, so that it
    /// can be read even if this process is killed.
    pub fn run(mut self) -> hound::Result<()> {
        let mut unflushed = 0;
        loop {
            // Asked first: what was rendered before it ended is there then.
            let is_last = self.frames.is_abandoned();
            while let Ok(frame) = self.frames.pop() {
                self.writer.write_sample(rounded(frame))?;
                unflushed += 1;
            }
            if is_last {
                return self.writer.finalize();
            }
            if unflushed >= RATE {
                self.writer.flush()?;
                unflushed = 0;
            }
            sleep(PAUSE);
        }
    }
}

#[expect(clippy::cast_possible_truncation, reason = "a frame is from -1 to 1 here")]
fn rounded(frame: f32) -> i16 {
    (frame.clamp(-1.0, 1.0) * f32::from(i16::MAX)).round() as i16
}
