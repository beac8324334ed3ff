//! A session's output as exact bytes.

use bytes::Bytes;
use http_body_util::BodyExt;
use hyper::body::Incoming;

use super::exchange::{Connection, Open};
use super::{Answer, Error};
use crate::OUTPUT_COMPLETE;

/// A session's output, read piece by piece. Dropping it ends the reading.
pub struct Output {
    complete: bool,
    rest: Option<Rest>,
}

struct Rest {
    body: Incoming,
    _connection: Connection,
}

impl Output {
    pub(super) fn new(opened: Open) -> Self {
        let complete = opened
            .response
            .headers()
            .get(OUTPUT_COMPLETE)
            .is_some_and(|value| value == "true");
        let (body, connection) = opened.into_stream();
        Self {
            complete,
            rest: Some(Rest {
                body,
                _connection: connection,
            }),
        }
    }

    /// What there is from the end of what is recorded: nothing yet, or nothing ever.
    pub(super) fn nothing(answer: &Answer) -> Self {
        let details = answer.details.as_ref();
        let complete = details.and_then(|details| details.get("complete"));
        Self {
            complete: complete.is_some_and(|complete| *complete == true),
            rest: None,
        }
    }

    /// Whether this is all the output there will ever be. When it is not, read on later from
    /// where this ends.
    pub const fn is_complete(&self) -> bool {
        self.complete
    }

    /// The next bytes; `None` at the end of what was recorded when it was asked for.
    ///
    /// # Errors
    /// [`Error::Broken`]: read on from the bytes that came.
    pub async fn next(&mut self) -> Result<Option<Bytes>, Error> {
        let Some(rest) = &mut self.rest else {
            return Ok(None);
        };
        loop {
            let Some(frame) = rest.body.frame().await else {
                return Ok(None);
            };
            let frame = frame.map_err(|error| Error::Broken {
                reason: error.to_string(),
            })?;
            if let Ok(data) = frame.into_data()
                && !data.is_empty()
            {
                return Ok(Some(data));
            }
        }
    }
}

impl std::fmt::Debug for Output {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Output")
            .field("complete", &self.complete)
            .finish_non_exhaustive()
    }
}
