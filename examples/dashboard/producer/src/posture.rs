//! How the person in the picture sits: a story of a minute, told again and again.

use std::f32::consts::TAU;

use serde::Serialize;

/// From upright to slouched and back, in seconds.
const SLOUCH_PERIOD: f32 = 40.0;
/// From breath to breath.
const BREATH_PERIOD: f32 = 3.0;
const BREATH_DEPTH: f32 = 0.03;
/// Once in so many seconds the person is away, from one time to another.
const AWAY_PERIOD: f32 = 60.0;
const AWAY: std::ops::Range<f32> = 50.0..56.0;

/// From so much slouching on.
const LEANING_FROM: f32 = 0.35;
const SLOUCHED_FROM: f32 = 0.7;

/// What a person does at one moment.
#[derive(Clone, Copy, Debug)]
pub struct Pose {
    /// From 0, upright, to 1.
    pub slouch: f32,
    pub is_away: bool,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub enum State {
    Upright,
    Leaning,
    Slouched,
    Away,
}

impl Pose {
    pub fn at(seconds: f32) -> Self {
        let slouch = 0.5 - 0.5 * (TAU * seconds / SLOUCH_PERIOD).cos();
        let breath = BREATH_DEPTH * (TAU * seconds / BREATH_PERIOD).sin();
        let is_away = AWAY.contains(&(seconds % AWAY_PERIOD));
        Self { slouch: (slouch + breath).clamp(0.0, 1.0), is_away }
    }

    pub fn state(self) -> State {
        match self.slouch {
            _ if self.is_away => State::Away,
            slouch if slouch < LEANING_FROM => State::Upright,
            slouch if slouch < SLOUCHED_FROM => State::Leaning,
            _ => State::Slouched,
        }
    }

    /// From 0 to 100, which is best.
    pub fn score(self) -> u8 {
        ((1.0 - self.slouch) * 100.0).round() as u8
    }
}

#[cfg(test)]
mod tests {
    use super::{Pose, State};

    #[test]
    fn a_minute_has_all_states_and_scores_of_at_most_100() {
        let poses: Vec<Pose> = (0..600).map(|tenth| Pose::at(tenth as f32 / 10.0)).collect();
        for state in [State::Upright, State::Leaning, State::Slouched, State::Away] {
            assert!(poses.iter().any(|pose| pose.state() == state), "{state:?}");
        }
        assert!(poses.iter().all(|pose| pose.score() <= 100));
    }
}
