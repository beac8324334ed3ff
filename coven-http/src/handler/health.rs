//! `GET /health`: which daemon this is, what it can do, and how its log is.

use coven::{StoreHealth, WriterState as Writer};

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{CONTRACT, EventWriter, Health, HealthCapabilities, STUCK, WriterState};

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    let store = call.engine().health().store;
    Ok(Reply::ok(&Health {
        ok: true,
        api_version: CONTRACT.to_owned(),
        coven_version: env!("CARGO_PKG_VERSION").to_owned(),
        capabilities: HealthCapabilities::ours(),
        daemon: call.app.daemon.clone(),
        event_writer: event_writer(store),
    }))
}

fn event_writer(store: StoreHealth) -> EventWriter {
    let stuck = store.stuck.filter(|_| store.fault.is_none());
    EventWriter {
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
        last_error: match stuck {
            Some(reason) => Some(format!("{STUCK}{reason}")),
            None => store.last_error,
        },
    }
}

pub(crate) fn doc() -> Doc {
    Doc::new("How the daemon is. Answered while it stops, too.").answer::<Health>(200, "It serves.")
}

#[cfg(test)]
mod tests {
    use coven::StorageFault;

    use super::*;

    fn health(fault: Option<StorageFault>, stuck: Option<StorageFault>) -> EventWriter {
        event_writer(StoreHealth {
            state: Writer::Pressured,
            fault,
            stuck,
            queued_events: 0,
            queued_bytes: 0,
            capacity_bytes: 1,
            transactions: 0,
            committed_events: 0,
            opens: 1,
            last_error: Some("something".to_owned()),
            since_last_ack: None,
            oldest_waiting: None,
        })
    }

    #[test]
    fn a_log_that_cannot_be_folded_is_told_apart_from_one_that_is_slow_and_one_that_takes_nothing()
    {
        let damaged = StorageFault::Damaged {
            message: "a page".to_owned(),
        };
        let told = health(None, Some(damaged.clone()));
        assert_eq!(told.why_stuck(), Some(&*damaged.to_string()));
        for other in [
            health(None, None),
            health(Some(StorageFault::Full), Some(damaged)),
        ] {
            assert_eq!(other.why_stuck(), None);
            assert_eq!(other.last_error.as_deref(), Some("something"));
        }
    }
}
