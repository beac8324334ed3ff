//! `GET /health`: which daemon this is, what it can do, and how its log is.

use coven::WriterState as Writer;

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{CONTRACT, EventWriter, Health, HealthCapabilities, WriterState};

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let store = call.engine().health().store;
    Ok(Reply::ok(&Health {
        ok: true,
        api_version: CONTRACT.to_owned(),
        coven_version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: HealthCapabilities::ours(),
        daemon: call.app.daemon.clone(),
        event_writer: EventWriter {
            state: match store.state {
                Writer::Healthy => WriterState::Healthy,
                Writer::Pressured => WriterState::Pressured,
                Writer::Failed => WriterState::Failed,
            },
            queued_events: store.queued_events,
            queued_bytes: store.queued_bytes,
            capacity_bytes: store.capacity_bytes,
            dropped_output_events: 0,
            dropped_output_bytes: 0,
            connection_opens: store.opens,
            transactions: store.transactions,
            committed_events: store.committed_events,
            last_error: store.last_error,
        },
    }))
}

pub(crate) fn doc() -> Doc {
    Doc::new("How the daemon is. Answered while it stops, too.").answer::<Health>(200, "It serves.")
}
