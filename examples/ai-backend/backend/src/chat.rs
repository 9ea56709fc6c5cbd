//! A chat: the model uses its tools, then answers token by token.
//!
//! After a lost session it is asked for again, and everything up to the first token that the editor
//! has not got is left out.

use ringpost::RemoteError;
use ringpost::tokio::{Request, Streaming};
use tokio::task::yield_now;
use tokio::time::sleep;

use crate::contract::{Finished, Message, Prompt, Reason, Role, Token};
use crate::counters::Running;
use crate::model::{MODELS, Pace, Words};
use crate::tools;

/// Tokens after which others have a turn, however fast these are taken.
const TURN: u64 = 32;

pub async fn chat(
    prompt: &Prompt,
    mut request: Request,
    running: &mut Running,
) -> Result<Finished, RemoteError> {
    let text = check(prompt)?;
    let items = request.take_stream()?;
    let mut answer = Answer { items, taken: request.items_taken(), tokens: 0, running };

    let tools = tools::asked_for(text);
    for tool in &tools {
        let was_begun = !answer.is_next_new();
        answer.say(&tool.announcement()).await?;
        let outcome = if !answer.is_next_new() {
            String::new()
        } else if was_begun && tool.changes() {
            "whether it was changed before the connection was lost is not known.\n".into()
        } else {
            tool.call(&request).await
        };
        answer.say(&outcome).await?;
    }

    let seed = prompt.seed.unwrap_or(0);
    let mut words = Words::answering(&prompt.messages, seed);
    let length = words.length();
    // Asked for a number of tokens, it gives as many.
    let (length, reason) = match prompt.max_tokens {
        Some(max) => (max, Reason::Length),
        None => (answer.tokens + length, Reason::Stop),
    };
    let mut pace = (prompt.unpaced != Some(true)).then(|| Pace::new(seed));
    while answer.tokens < length {
        let word = words.next().unwrap_or_default();
        if answer.tokens.is_multiple_of(TURN) {
            yield_now().await;
        }
        if let Some(pace) = pace.as_mut().filter(|_| answer.is_next_new()) {
            sleep(pace.next()).await;
        }
        answer.say(&word).await?;
    }
    Ok(Finished { reason, tokens: answer.tokens, tool_calls: tools.len() })
}

/// Returns what the user has said last.
fn check(Prompt { messages, model, .. }: &Prompt) -> Result<&str, RemoteError> {
    if let Some(model) = model.as_ref().filter(|model| !MODELS.contains(&model.as_str())) {
        let there_are = MODELS.join(", ");
        let message = format!("there is no model \"{model}\"; there are: {there_are}");
        return Err(RemoteError::new("ERR_MODEL", message));
    }
    let of_user = |message: &&Message| message.role == Role::User;
    let last = messages.iter().rfind(of_user).map(|message| message.text.as_str());
    last.ok_or_else(|| RemoteError::new("ERR_PROMPT", "a chat needs a message of the user"))
}

/// What the editor gets.
struct Answer<'a> {
    items: Streaming,
    /// What it has got on sessions that were lost.
    taken: u64,
    tokens: u64,
    running: &'a mut Running,
}

impl Answer<'_> {
    fn is_next_new(&self) -> bool {
        self.tokens >= self.taken
    }

    /// Waits while the editor does not keep up.
    async fn say(&mut self, text: &str) -> Result<(), RemoteError> {
        if self.is_next_new() {
            let token = rmp_serde::to_vec_named(&Token { text }).expect("text can be encoded");
            self.items.send(&token).await?;
            self.running.token();
        }
        self.tokens += 1;
        Ok(())
    }
}
