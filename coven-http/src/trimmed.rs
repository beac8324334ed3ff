//! Telling who reads a session's events that its oldest output is not among them.

use coven::{Engine, Record, Seq};

use crate::error::Error;
use crate::wire::TrimmedOutput;

/// The output that a reader from after `after` may miss because it was trimmed; `None` where it
/// misses none. All that is gone was written before the first output that is left.
pub(crate) async fn after(
    engine: &Engine,
    record: &Record,
    after: Seq,
) -> Result<Option<TrimmedOutput>, Error> {
    let bytes = record.session.trimmed_bytes;
    if bytes == 0 {
        return Ok(None);
    }
    let left = engine.output(&record.session.id, bytes, 1).await?;
    let first = left.first().map_or(record.last_seq, |chunk| chunk.seq);
    Ok((after < first).then_some(TrimmedOutput { offset: 0, bytes }))
}
