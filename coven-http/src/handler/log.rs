//! `GET /sessions/{id}/log`: a preview for people.

use coven::{Code, ReadLimit, Record, Seq};

use crate::app::Call;
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::preview::Preview;
use crate::reply::Reply;
use crate::wire::LogLine;

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let id = call.session()?;
    let record = call.engine().get(&id).await?;
    let mut after = beginning(call, &record).await?;
    let mut preview = Preview::default();
    // A session that goes on writing is not chased.
    while after < record.last_seq {
        let limit = ReadLimit {
            events: limits::MAX_PAGE_ROWS,
            bytes: limits::STREAM_READ_BYTES,
        };
        let envelopes = call.engine().read(&id, after, limit).await?;
        let Some(last) = envelopes.last() else { break };
        after = last.seq;
        envelopes.iter().for_each(|envelope| preview.take(envelope));
    }
    Ok(Reply::ok(&preview.finish()))
}

/// Where to begin: far enough back to fill an answer, however much the session wrote before.
async fn beginning(call: &Call, record: &Record) -> Result<Seq, Error> {
    let written = record.session.output_bytes;
    let Some(skipped) = written.checked_sub(limits::PREVIEW_OUTPUT_BYTES) else {
        return Ok(Seq::ZERO);
    };
    if skipped <= record.session.trimmed_bytes {
        // No more than that is left.
        return Ok(Seq::ZERO);
    }
    let chunks = call.engine().output(&record.session.id, skipped, 1).await?;
    Ok(chunks.first().map_or(Seq::ZERO, |chunk| chunk.seq))
}

pub(crate) fn doc() -> Doc {
    Doc::new(
        "A preview for people: the newest lines that fit 1,000,000 bytes, redacted. Of a session \
         that wrote much, the last 4 MiB are looked at.",
    )
    .answer_list::<LogLine>(200, "The lines, oldest first.")
    .errors(&[Code::SessionNotFound])
}
