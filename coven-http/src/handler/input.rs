//! `POST /sessions/{id}/input`: bytes for a session, exactly.

use bytes::Bytes;
use coven::{Code, InputId, SessionId};

use crate::app::Call;
use crate::error::Error;
use crate::input_name;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{Accepted, InputBody};

/// What the header means on the routes that type.
pub(super) const TYPED_ONCE: &str = "1 to 128 visible ASCII characters: sent again with the same, \
                                     it is not typed again.";

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let name = name(call, &id).await?;
    let body: InputBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let (data, by) = (Bytes::from(body.data), call.actor());
    call.engine().input(&id, data, name, by).await?;
    Ok(Reply::accepted())
}

/// The name of what is typed, by the request's key. Without one it is refused here where the session
/// takes no input, before its body is looked at.
pub(super) async fn name(call: &Call, session: &SessionId) -> Result<Option<InputId>, Error> {
    match call.idempotency_key() {
        // It may have been taken, whatever the session takes by now.
        Ok(Some(key)) => Ok(Some(input_name::of_request(session, &key))),
        // Before the key is looked at.
        unnamed => {
            call.engine().accepts_input(session).await?;
            unnamed?;
            Ok(None)
        }
    }
}

pub(crate) fn doc() -> Doc {
    Doc::new("Sends bytes to a session, exactly. At most 1 MiB; inputs are never merged.")
        .body::<InputBody>()
        .header("Idempotency-Key", TYPED_ONCE)
        .answer::<Accepted>(202, "It is on record and queued.")
        .errors(&[
            Code::InvalidRequest,
            Code::SessionNotFound,
            Code::SessionNotLive,
            Code::InputUndelivered,
            Code::PayloadTooLarge,
            Code::InputTooLarge,
            Code::SendInputFailed,
        ])
}
