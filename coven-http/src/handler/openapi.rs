//! `GET /openapi.json`: all of this, for machines.

use std::sync::LazyLock;

use bytes::Bytes;
use hyper::StatusCode;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::{self, Doc};
use crate::reply::Reply;

static DOCUMENT: LazyLock<Result<Bytes, String>> = LazyLock::new(|| {
    serde_json::to_vec(&openapi::document())
        .map(Bytes::from)
        .map_err(|error| error.to_string())
});

pub(crate) async fn get(_: &Call) -> Result<Reply, Error> {
    match &*DOCUMENT {
        Ok(json) => Ok(Reply::raw_json(StatusCode::OK, json.clone())),
        Err(problem) => Err(Error::internal(problem.clone())),
    }
}

pub(crate) fn doc() -> Doc {
    Doc::new("This document: OpenAPI 3.1.").answer_of(200, "The document.", "application/json")
}
