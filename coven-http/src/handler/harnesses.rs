//! `GET /harnesses`: what can be launched.

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{Harness, Harnesses, Source};

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let harnesses = call.engine().harnesses().await;
    Ok(Reply::ok(&Harnesses {
        harnesses: harnesses.into_iter().map(harness).collect(),
    }))
}

fn harness(info: coven::HarnessInfo) -> Harness {
    Harness {
        id: info.id.as_str().to_owned(),
        label: info.label,
        executable: info.executable,
        available: info.path.is_some(),
        path: info.path.map(|path| path.display().to_string()),
        version: info.version,
        install_hint: info.install_hint,
        source: match info.source {
            coven::Source::Bundled => Source::Bundled,
            coven::Source::Manifest => Source::Manifest,
        },
    }
}

pub(crate) fn doc() -> Doc {
    Doc::new("The harnesses that can be launched.").answer::<Harnesses>(200, "Each of them.")
}
