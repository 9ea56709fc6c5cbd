//! The command line.

use std::path::PathBuf;

use crate::Failure;

pub struct Arguments {
    pub name: String,
    pub record: PathBuf,
    pub workers: usize,
    pub is_ordinary: bool,
    pub is_attached: bool,
}

impl Arguments {
    pub fn parse(given: impl IntoIterator<Item = String>) -> Result<Self, Failure> {
        let mut found = Self {
            name: "audio".into(),
            record: PathBuf::new(),
            workers: 0,
            is_ordinary: false,
            is_attached: false,
        };
        let mut given = given.into_iter();
        while let Some(option) = given.next() {
            let mut value = || given.next().ok_or_else(|| format!("{option} needs a value"));
            match option.as_str() {
                "--name" => found.name = value()?,
                "--record" => found.record = value()?.into(),
                "--workers" => {
                    let number = value()?;
                    let workers = number.parse().ok().filter(|workers| *workers <= 64);
                    let fault = || format!("--workers must be 0 to 64, got {number}");
                    found.workers = workers.ok_or_else(fault)?;
                }
                "--ordinary" => found.is_ordinary = true,
                "--attached" => found.is_attached = true,
                _ => return Err(format!("there is no option {option}").into()),
            }
        }
        if found.record.as_os_str().is_empty() {
            return Err("--record <file> is needed".into());
        }
        Ok(found)
    }
}
