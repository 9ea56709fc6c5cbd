//! Tools of the model, which are in the editor: what was asked for, and calling them.

use ringpost::tokio::{Request, Requester};
use ringpost::{CallOptions, Method, Result};
use serde::Serialize;
use serde::de::DeserializeOwned;

use crate::contract::{APPLY_EDIT, Applied, Edit, READ_FILE, Read, Text};

/// A line of a message that makes the model use a tool.
#[derive(Debug, PartialEq)]
pub enum Tool<'a> {
    Read { path: &'a str },
    Replace { path: &'a str, old: &'a str, new: &'a str },
    Malformed { usage: &'static str },
}

/// The tools of a message, in order.
pub fn asked_for(text: &str) -> Vec<Tool<'_>> {
    text.lines().filter_map(|line| parse(line.trim())).collect()
}

fn parse(line: &str) -> Option<Tool<'_>> {
    let (command, rest) = line.split_once(char::is_whitespace).unwrap_or((line, ""));
    let rest = rest.trim();
    match command {
        "/read" if rest.is_empty() => Some(Tool::Malformed { usage: "/read <path>" }),
        "/read" => Some(Tool::Read { path: rest }),
        "/replace" => {
            let replace = || {
                let (path, change) = rest.split_once(char::is_whitespace)?;
                let (old, new) = change.trim_start().split_once(" =>")?;
                let new = new.strip_prefix(' ').unwrap_or(new);
                Some(Tool::Replace { path, old, new })
            };
            let usage = "/replace <path> <old> => <new>";
            Some(replace().unwrap_or(Tool::Malformed { usage }))
        }
        _ => None,
    }
}

impl Tool<'_> {
    /// Whether calling it again may do something else than calling it once.
    pub fn changes(&self) -> bool {
        matches!(self, Self::Replace { .. })
    }

    /// What the model says before it calls it.
    pub fn announcement(&self) -> String {
        match self {
            Self::Read { path } => format!("Reading {path}: "),
            Self::Replace { path, .. } => format!("Editing {path}: "),
            Self::Malformed { usage } => format!("What was meant by {usage}? "),
        }
    }

    /// Calls it in the editor that the chat comes from. What the model says then, of a failure too.
    pub async fn call(&self, request: &Request) -> String {
        let outcome = match self {
            Self::Read { path } => ask(request, READ_FILE, &Read { path }).await.map(read),
            Self::Replace { path, old, new } => {
                ask(request, APPLY_EDIT, &Edit { path, old, new }).await.map(edited)
            }
            Self::Malformed { .. } => Ok("it is left out.\n".into()),
        };
        outcome.unwrap_or_else(|error| format!("it failed: {error}.\n"))
    }
}

/// Takes no longer than the chat may.
async fn ask<P, R>(request: &Request, tool: &'static str, params: &P) -> Result<R>
where
    P: Serialize,
    R: DeserializeOwned,
{
    let method = Method::with_options(tool, request.within(&CallOptions::new()));
    request.call(&method, params).await
}

fn read(Text { text }: Text) -> String {
    let count = text.lines().count();
    format!("it has {count} {}.\n", if count == 1 { "line" } else { "lines" })
}

fn edited(Applied { applied }: Applied) -> String {
    (if applied { "it is changed.\n" } else { "it has no such text.\n" }).into()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_that_begin_with_a_command_are_tools() {
        let text = "see\n/read src/a b.rs\n /replace a.rs let x = 1 => let y = 2\n/reader\n";
        let tools = [
            Tool::Read { path: "src/a b.rs" },
            Tool::Replace { path: "a.rs", old: "let x = 1", new: "let y = 2" },
        ];
        assert_eq!(asked_for(text), tools);
    }

    #[test]
    fn a_replacement_may_be_empty() {
        assert_eq!(
            asked_for("/replace a.rs old =>"),
            [Tool::Replace { path: "a.rs", old: "old", new: "" }]
        );
    }

    #[test]
    fn a_command_without_its_words_is_malformed() {
        for line in ["/read", "/read ", "/replace", "/replace a.rs", "/replace a.rs => new"] {
            assert!(matches!(asked_for(line)[..], [Tool::Malformed { .. }]), "{line}");
        }
    }
}
