//! How the backend is started.

use std::time::Duration;

pub const HELP: &str = "\
The AI backend of an editor, which all of its windows share.

ai-backend [options]

  --name <name>          where windows find it (default: ai-backend)
  --takeover             takes the name over from the backend that has it, if there is one
  --idle-exit <seconds>  ends when no window has been connected for so long
  --as <version>         the version it says it has (default: its own)
  --help                 prints this

It ends with SIGTERM and SIGINT, and when another one has taken its name over: requests that are on
their way are answered before. A second signal does not wait for them.

Exit codes: 0 it has ended as it should, 1 it has failed, 2 a mistake in these words, 3 a backend
of that name is running already.

It logs lines of JSON to its standard error, without anything that was typed.
";

#[derive(Debug, PartialEq)]
pub struct Arguments {
    pub name: String,
    pub version: String,
    pub takes_over: bool,
    pub idle_exit: Option<Duration>,
}

#[derive(Debug, PartialEq)]
pub enum Asked {
    ToRun(Arguments),
    ForHelp,
}

pub fn parse(words: impl IntoIterator<Item = String>) -> Result<Asked, String> {
    let mut found = Arguments {
        name: "ai-backend".into(),
        version: env!("CARGO_PKG_VERSION").into(),
        takes_over: false,
        idle_exit: None,
    };
    let mut words = words.into_iter();
    while let Some(option) = words.next() {
        let mut value = || words.next().ok_or_else(|| format!("{option} needs a value"));
        match option.as_str() {
            "--help" => return Ok(Asked::ForHelp),
            "--takeover" => found.takes_over = true,
            "--name" => found.name = value()?,
            "--as" => found.version = value()?,
            "--idle-exit" => found.idle_exit = Some(seconds(&value()?)?),
            _ => return Err(format!("there is no option {option}; --help lists them")),
        }
    }
    Ok(Asked::ToRun(found))
}

fn seconds(value: &str) -> Result<Duration, String> {
    let seconds = value.parse::<f64>().ok().filter(|seconds| *seconds >= 0.0);
    let seconds = seconds.and_then(|seconds| Duration::try_from_secs_f64(seconds).ok());
    seconds.ok_or_else(|| format!("--idle-exit needs a number of seconds, got {value}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parsed(words: &[&str]) -> Result<Asked, String> {
        parse(words.iter().map(|&word| word.into()))
    }

    #[test]
    fn every_option_is_taken() {
        let words = ["--name", "one", "--takeover", "--as", "2.0.0", "--idle-exit", "0.5"];
        let (name, version) = ("one".into(), "2.0.0".into());
        let idle_exit = Some(Duration::from_millis(500));
        let expected = Arguments { name, version, takes_over: true, idle_exit };
        assert_eq!(parsed(&words), Ok(Asked::ToRun(expected)));
        assert_eq!(parsed(&["--help"]), Ok(Asked::ForHelp));
        for option in ["--name", "--takeover", "--as", "--idle-exit", "--help"] {
            assert!(HELP.contains(&format!("\n  {option} ")), "{option}");
        }
    }

    #[test]
    fn mistakes_are_named() {
        for (words, message) in [
            (&["--nam", "one"][..], "there is no option --nam; --help lists them"),
            (&["--name"], "--name needs a value"),
            (&["--idle-exit", "-1"], "--idle-exit needs a number of seconds, got -1"),
            (&["--idle-exit", "soon"], "--idle-exit needs a number of seconds, got soon"),
            (&["--idle-exit", "inf"], "--idle-exit needs a number of seconds, got inf"),
        ] {
            assert_eq!(parsed(words), Err(message.into()));
        }
    }
}
