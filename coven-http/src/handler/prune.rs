//! `POST /prune`: the oldest output goes.

use std::time::Duration;

use coven::{Code, Pruning, Retention};

use crate::app::Call;
use crate::error::Error;
use crate::limits;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{NotPruned, PruneBody, Pruned, PrunedSession, UnreadOutput};

pub(crate) async fn post(call: &mut Call) -> Result<Reply, Error> {
    let body: PruneBody = call.body.json(limits::MAX_SMALL_BODY_BYTES).await?;
    let asked = Retention {
        session_bytes: body.session_bytes,
        total_bytes: body.total_bytes,
        max_age: body.max_age.map(Duration::from_secs),
    };
    let asked = (!asked.keeps_all()).then_some(asked);
    let pruning = if body.dry_run {
        Pruning::DryRun
    } else {
        Pruning::Real
    };
    let pruned = call.engine().prune(asked, pruning, call.actor()).await?;
    Ok(Reply::ok(&rendered(pruned, pruning)))
}

fn rendered(pruned: coven::Pruned, pruning: Pruning) -> Pruned {
    let retention = pruned.retention;
    Pruned {
        dry_run: pruning == Pruning::DryRun,
        session_bytes: retention.session_bytes,
        total_bytes: retention.total_bytes,
        max_age: retention.max_age.map(|age| age.as_secs()),
        freed_bytes: pruned.sessions.iter().map(|it| it.len_bytes).sum(),
        sessions: pruned.sessions.into_iter().map(session).collect(),
        failed: pruned
            .failed
            .into_iter()
            .map(|(id, error)| NotPruned {
                id: id.as_str().to_owned(),
                code: error.code().as_str().to_owned(),
                message: error.to_string(),
            })
            .collect(),
    }
}

fn session(session: coven::PrunedSession) -> PrunedSession {
    let unread = session.unread.into_iter().map(|unread| UnreadOutput {
        offset: unread.offset,
        bytes: unread.len_bytes,
    });
    PrunedSession {
        id: session.id.as_str().to_owned(),
        title: session.title,
        offset: session.offset,
        bytes: session.len_bytes,
        unread: unread.collect(),
        kept_bytes: session.kept_bytes,
    }
}

pub(crate) fn doc() -> Doc {
    Doc::new(
        "Lets the oldest output go that is over the budgets given, or without any over those of the \
         configuration; or says what would go.",
    )
    .body::<PruneBody>()
    .answer::<Pruned>(200, "What went, session by session.")
    .errors(&[Code::InvalidRequest, Code::PayloadTooLarge])
}
