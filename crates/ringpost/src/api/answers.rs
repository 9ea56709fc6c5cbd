//! From a handler's outcome to the answer that is sent.

use ipc_core::{Code, Codec, Draft, Engine, Kind, LinkId, Message, RemoteError, Result, Sent};

use super::Reply;

/// This reply to a request.
pub(crate) fn answer_draft(request: &Message, reply: &Reply) -> Draft {
    Draft { compress: reply.compress, ..Draft::reply(request, reply.codec) }
}

/// Sends an answer. One that is too long to be sent becomes an error, because the request has to
/// get an outcome all the same.
pub(crate) fn send_answer(
    engine: &mut Engine,
    link: LinkId,
    draft: &Draft,
    payload: &[u8],
) -> Result<Sent> {
    match engine.send(link, draft, payload) {
        Err(error) if error.code() == Code::TooLarge => {
            let error = RemoteError::new(error.code().as_str(), error.to_string());
            let draft = Draft { kind: Kind::Error, codec: Codec::MessagePack, ..*draft };
            engine.send(link, &draft, &error.encode())
        }
        sent => sent,
    }
}

/// The error of a request for a name without a handler.
pub(crate) fn unknown_method(name: Option<&str>) -> RemoteError {
    let message = format!("there is no handler for the method \"{}\"", name.unwrap_or_default());
    RemoteError::new(Code::UnknownMethod.as_str(), message)
}

/// The error of a request for a stream that is called as a method.
pub(crate) fn not_a_stream() -> RemoteError {
    let message = "this method is a stream, and was called as none";
    RemoteError::new(Code::InvalidArgument.as_str(), message)
}

/// The error of a request whose handler panicked. The reason stays in this process.
pub(crate) fn panicked() -> RemoteError {
    RemoteError::new(Code::Handler.as_str(), "the handler panicked")
}
