//! What the producer can be told. Every command is answered: carried out, refused with the reason,
//! or failed.

use std::time::{SystemTime, UNIX_EPOCH};

use ringpost::Method;
use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::frames::OBJECTS_MAX;

pub const CONFIG_UPDATE: Method<Command, Acknowledgement> = Method::new("CONFIG_UPDATE");
pub const REFRESH_TIMELINES: Method<Command, Acknowledgement> = Method::new("REFRESH_TIMELINES");
pub const SYNC_SWARM: Method<Command, Acknowledgement> = Method::new("SYNC_SWARM");

const FRAMES_PER_SECOND_MAX: f64 = 100.0;
const HORIZON_MS: (f64, f64) = (100.0, 60_000.0);
const NEIGHBOURS_MAX: usize = 16;
const REQUEST_ID_LEN_MAX: usize = 64;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Command {
    pub request_id: String,
    /// Milliseconds since 1970.
    pub timestamp: f64,
    /// Decoded by what it is for, so that the answer says what is wrong with it.
    #[serde(default)]
    pub data: Value,
}

#[derive(Serialize, Debug)]
#[serde(rename_all = "camelCase")]
pub struct Acknowledgement {
    pub request_id: String,
    pub status: Status,
    pub timestamp: f64,
    /// For people.
    pub message: String,
}

#[derive(Serialize, Debug, PartialEq, Eq)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    Ok,
    /// It makes no sense, and would not later.
    Invalid,
    /// It makes sense, and did not work.
    Failed,
}

/// Why a command was not carried out.
pub enum Refusal {
    Invalid(String),
    Failed(String),
}

impl From<ringpost::Error> for Refusal {
    fn from(error: ringpost::Error) -> Self {
        Self::Failed(error.to_string())
    }
}

/// What it takes to be a command's data.
pub trait Data: DeserializeOwned {
    /// Says what is out of range.
    fn check(&self) -> Result<(), String>;
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct ConfigUpdate {
    pub frames_per_second: Option<f64>,
    pub objects: Option<usize>,
}

#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields)]
pub struct RefreshTimelines {
    /// How far to look ahead.
    pub horizon_ms: Option<f64>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct SyncSwarm {
    /// All there are: who is missing has left.
    pub neighbours: Vec<Neighbour>,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Neighbour {
    pub id: String,
    pub x: f32,
    pub y: f32,
}

impl Data for ConfigUpdate {
    fn check(&self) -> Result<(), String> {
        let Self { frames_per_second, objects } = *self;
        if frames_per_second.is_none() && objects.is_none() {
            return Err("framesPerSecond or objects must be given".into());
        }
        within("framesPerSecond", frames_per_second, (1.0, FRAMES_PER_SECOND_MAX))?;
        let objects = objects.map(|count| count as f64);
        within("objects", objects, (0.0, OBJECTS_MAX as f64))
    }
}

impl Data for RefreshTimelines {
    fn check(&self) -> Result<(), String> {
        within("horizonMs", self.horizon_ms, HORIZON_MS)
    }
}

impl Data for SyncSwarm {
    fn check(&self) -> Result<(), String> {
        let count = self.neighbours.len();
        if count > NEIGHBOURS_MAX {
            return Err(format!("there can be {NEIGHBOURS_MAX} neighbours, got {count}"));
        }
        for (index, Neighbour { id, x, y }) in self.neighbours.iter().enumerate() {
            if id.is_empty() || !x.is_finite() || !y.is_finite() {
                return Err(format!("neighbours[{index}] needs an id and a position"));
            }
            if self.neighbours[..index].iter().any(|other| other.id == *id) {
                return Err(format!("neighbours[{index}] has the id of another: {id:?}"));
            }
        }
        Ok(())
    }
}

fn within(name: &str, value: Option<f64>, (min, max): (f64, f64)) -> Result<(), String> {
    match value {
        Some(value) if !(min..=max).contains(&value) => {
            Err(format!("{name} must be from {min} to {max}, got {value}"))
        }
        _ => Ok(()),
    }
}

/// Checks a command, carries it out, and says how it went.
pub fn acknowledge<D: Data>(
    command: Command,
    carry_out: impl FnOnce(D) -> Result<String, Refusal>,
) -> Acknowledgement {
    let Command { request_id, timestamp, data } = command;
    let outcome = checked(&request_id, timestamp, data).map_err(Refusal::Invalid);
    let (status, message) = match outcome.and_then(carry_out) {
        Ok(message) => (Status::Ok, message),
        Err(Refusal::Invalid(message)) => (Status::Invalid, message),
        Err(Refusal::Failed(message)) => (Status::Failed, message),
    };
    Acknowledgement { request_id, status, timestamp: unix_ms(), message }
}

fn checked<D: Data>(request_id: &str, timestamp: f64, data: Value) -> Result<D, String> {
    if !(1..=REQUEST_ID_LEN_MAX).contains(&request_id.len()) {
        return Err(format!("requestId must have 1 to {REQUEST_ID_LEN_MAX} bytes"));
    }
    if !timestamp.is_finite() || timestamp < 0.0 {
        return Err(format!("timestamp must be in milliseconds since 1970, got {timestamp}"));
    }
    // No data is the same as none of its members.
    let data = if data.is_null() { Value::Object(serde_json::Map::new()) } else { data };
    let data: D = serde_json::from_value(data).map_err(|error| format!("data: {error}"))?;
    data.check()?;
    Ok(data)
}

/// Milliseconds since 1970.
pub fn unix_ms() -> f64 {
    let since = SystemTime::now().duration_since(UNIX_EPOCH);
    since.map_or(0.0, |since| since.as_secs_f64() * 1e3)
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn answer<D: Data>(data: Value) -> Acknowledgement {
        let command = Command { request_id: "7".into(), timestamp: 1.0, data };
        acknowledge::<D>(command, |_| Ok("done".into()))
    }

    #[test]
    fn a_command_in_range_is_carried_out() {
        let data = json!({ "framesPerSecond": 20, "objects": 50 });
        let Acknowledgement { request_id, status, message, .. } = answer::<ConfigUpdate>(data);
        assert_eq!((request_id.as_str(), status, message.as_str()), ("7", Status::Ok, "done"));
        assert_eq!(answer::<RefreshTimelines>(Value::Null).status, Status::Ok);
        assert_eq!(answer::<SyncSwarm>(json!({ "neighbours": [] })).status, Status::Ok);
    }

    #[test]
    fn a_command_that_makes_no_sense_is_answered_with_the_reason() {
        let neighbour = json!({ "id": "a", "x": 1.5, "y": 2 });
        let neighbours = vec![neighbour.clone(); NEIGHBOURS_MAX + 1];
        for (answer, reason) in [
            (answer::<ConfigUpdate>(json!({})), "must be given"),
            (answer::<ConfigUpdate>(json!({ "framesPerSecond": 0 })), "from 1 to 100, got 0"),
            (answer::<ConfigUpdate>(json!({ "objects": 51 })), "from 0 to 50, got 51"),
            (answer::<ConfigUpdate>(json!({ "objects": "many" })), "invalid type: string"),
            (answer::<ConfigUpdate>(json!({ "fps": 20 })), "unknown field `fps`"),
            (answer::<RefreshTimelines>(json!({ "horizonMs": 1e9 })), "from 100 to 60000"),
            (answer::<RefreshTimelines>(json!([])), "data: "),
            (answer::<SyncSwarm>(json!({})), "missing field `neighbours`"),
            (answer::<SyncSwarm>(json!({ "neighbours": neighbours })), "16 neighbours, got 17"),
            (answer::<SyncSwarm>(json!({ "neighbours": [neighbour, neighbour] })), "of another"),
        ] {
            assert_eq!(answer.status, Status::Invalid);
            assert!(answer.message.contains(reason), "{}", answer.message);
        }
    }

    #[test]
    fn what_fails_while_it_is_carried_out_is_answered_too() {
        let command = Command { request_id: "7".into(), timestamp: 1.0, data: Value::Null };
        let failing = |_: RefreshTimelines| Err(Refusal::Failed("no space".into()));
        assert_eq!(acknowledge(command, failing).status, Status::Failed);
        let nameless = Command { request_id: String::new(), timestamp: 1.0, data: Value::Null };
        let answer = acknowledge(nameless, |_: RefreshTimelines| Ok(String::new()));
        assert_eq!(answer.status, Status::Invalid);
    }
}
