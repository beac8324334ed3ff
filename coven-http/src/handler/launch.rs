//! `POST /sessions`: launch a session.

use coven::Code;
use hyper::StatusCode;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{LaunchBody, SessionRecord};
use crate::{limits, render};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let body: LaunchBody = call.body.json(limits::MAX_BODY_BYTES).await?;
    let record = call.engine().launch(body.into(), call.actor()).await?;
    // It is on record: a log that cannot be read just now must not have it asked for again. The
    // record has the prompt's beginning.
    let launch = call.engine().launch_of(&record.session.id).await;
    let launch = launch.unwrap_or_default();
    let rendered = render::whole_record(&record, launch.as_ref());
    Ok(Reply::json(StatusCode::CREATED, &rendered))
}

pub(crate) fn doc() -> Doc {
    Doc::new("Launches a session. Answered once its process runs, or has ended.")
        .body::<LaunchBody>()
        .answer::<SessionRecord>(201, "It was launched.")
        .errors(&[
            Code::InvalidRequest,
            Code::PayloadTooLarge,
            Code::LaunchFailed,
        ])
}
