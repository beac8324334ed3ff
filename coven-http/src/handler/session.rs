//! `GET /sessions/{id}`: one session, archived or not.

use coven::Code;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::render;
use crate::reply::Reply;
use crate::wire::SessionRecord;

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let record = call.engine().get(&id).await?;
    let launch = call.engine().launch_of(&id).await?;
    let out_of_reach = call.engine().out_of_reach(&id).await?;
    Ok(Reply::ok(&SessionRecord {
        out_of_reach_reason: out_of_reach
            .as_ref()
            .map(|found| found.what.as_str().to_owned()),
        out_of_reach: out_of_reach.map(|found| found.why),
        ..render::whole_record(&record, launch.as_ref())
    }))
}

pub(crate) fn doc() -> Doc {
    Doc::new("One session, archived or not, with its whole prompt.")
        .answer::<SessionRecord>(200, "The session.")
        .errors(&[Code::SessionNotFound])
}
