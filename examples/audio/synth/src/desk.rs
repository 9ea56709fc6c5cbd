//! The thread that is woken: it answers questions, and takes commands whose way is to be measured.

use std::sync::Arc;

use ringpost::blocking::{Answer, Server};
use ringpost::layout::Struct;
use ringpost::{Error, RemoteError, Reply, Result, ServerConfig};
use rtrb::Producer;

use crate::clock::now;
use crate::command::{Command, MEASURED, Receipt, STATUS};
use crate::counters::Counters;

/// A server for any number of clients. `start` is the time of the first frame.
pub fn open(
    name: &str,
    mut measured: Producer<Command>,
    counters: Arc<Counters>,
    start: u64,
) -> Result<Server> {
    let mut server = Server::bind(name, &ServerConfig::new())?;
    server.handle(MEASURED, move |request, reply| {
        let receipt = Receipt { receivedAt: now() };
        let command = Command::decode(request.payload).map_err(refusal)?;
        if command.action().is_none() {
            return Err(RemoteError::new("ERR_INVALID_COMMAND", "there is no such command"));
        }
        measured
            .push(command)
            .map_err(|_| RemoteError::new("ERR_FULL", "the audio thread has no room for it now"))?;
        answer(reply, &receipt)
    });
    server.handle(STATUS, move |_, reply| answer(reply, &counters.status(start)));
    Ok(server)
}

fn answer(reply: &mut Reply, record: &impl Struct) -> Result<Answer, RemoteError> {
    reply.payload.resize(size_of_val(record), 0);
    record.encode(&mut reply.payload).map_err(refusal)?;
    Ok(Answer::Now)
}

fn refusal(error: Error) -> RemoteError {
    RemoteError::new(error.code().as_str(), error.to_string())
}
