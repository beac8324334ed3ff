//! `GET /api-version`: the versions that this daemon speaks.

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{ApiVersion, VERSION};

pub(crate) async fn get(_: &Call) -> Result<Reply, Error> {
    Ok(Reply::ok(&ApiVersion {
        api_version: VERSION.to_owned(),
        supported_api_versions: vec![VERSION.to_owned()],
    }))
}

pub(crate) fn doc() -> Doc {
    Doc::new("The versions of the API.").answer::<ApiVersion>(200, "The versions.")
}
