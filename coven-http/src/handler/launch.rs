//! `POST /sessions`: launch a session.

use coven::{Code, LaunchRequest, Registered};
use hyper::StatusCode;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{LaunchBody, SessionRecord};
use crate::{limits, render};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let key = call.idempotency_key()?;
    let body: LaunchBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let mut launch = LaunchRequest::from(body);
    launch.idempotency_key = key.map(|key| key.as_str().to_owned());
    let (launched, record) = call.engine().launch_once(launch, call.actor()).await?;
    // It is on record: a log that cannot be read just now must not have it asked for again. The
    // record has the prompt's beginning.
    let launch = call.engine().launch_of(&record.session.id).await;
    let launch = launch.unwrap_or_default();
    let rendered = render::whole_record(&record, launch.as_ref());
    let status = match launched {
        Registered::New => StatusCode::CREATED,
        Registered::Again => StatusCode::OK,
    };
    Ok(Reply::json(status, &rendered))
}

pub(crate) fn doc() -> Doc {
    Doc::new("Launches a session. Answered once its process runs, or has ended.")
        .body::<LaunchBody>()
        .header(
            "Idempotency-Key",
            "1 to 128 visible ASCII characters: asked for again under the same, it is not launched \
             again.",
        )
        .answer::<SessionRecord>(200, "It was launched before, under this key; as it is now.")
        .answer::<SessionRecord>(201, "It was launched.")
        .errors(&[
            Code::InvalidRequest,
            Code::PayloadTooLarge,
            Code::SessionIdConflict,
            Code::LaunchFailed,
        ])
}
