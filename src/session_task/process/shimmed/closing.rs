//! The end of a shim whose session is over.

use std::time::Duration;
use std::{convert, io};

use coven_core::{ProcessFacts, SessionId};
use coven_harness::process::{in_this_boot, is_running, kill_shim};
use tokio::time::timeout;

use super::{Shimmed, Stage};
use crate::on_the_way::{OnTheWay, Waypoint};
use crate::session_task::bookmark;
use crate::session_task::dismissing::in_time;
use crate::shared::blocking;

/// How long a shim may take to end once it is told that all is on record.
const CLOSING: Duration = Duration::from_secs(5);

impl Shimmed {
    /// Lets go of it: its session is over and on record. One that does not end by itself is ended, where
    /// its process is gone. What it has that is not on record stays.
    pub(crate) async fn dismiss(self, on_the_way: &OnTheWay) {
        let (session, folder, output_bytes) = (self.session, self.folder, self.heard_bytes);
        match self.stage {
            Stage::Connected { control, .. } => {
                bookmark::remove(&folder).await;
                control.ack(self.newest);
                on_the_way.reached(&Waypoint::EndAcknowledged);
                match timeout(CLOSING, control.close()).await {
                    Ok(Ok(())) => return,
                    Ok(Err(error)) => {
                        tracing::warn!(%session, %error, "a shim is left");
                        return;
                    }
                    Err(_) => {}
                }
            }
            Stage::Over(Some(remains)) => {
                let removed = blocking(move || remains.remove()).await;
                if let Ok(Err(error)) = removed {
                    tracing::warn!(%session, %error, "what a shim left cannot be removed");
                }
                return;
            }
            // There is none.
            Stage::Over(None) => return,
            // Its session was given up before all that it left was told.
            Stage::Dead { left, remains } => {
                drop((left, remains));
                if let Err(problem) = in_time(&folder, &session, output_bytes).await {
                    tracing::warn!(%session, %problem, "what a shim has is left");
                }
                return;
            }
            Stage::Reaching(_) => {
                if in_time(&folder, &session, output_bytes).await.is_ok() {
                    return;
                }
            }
        }
        let is_ended = match self.process {
            Some(process) => end_shim(process, &session).await,
            None => false,
        };
        let let_go = match is_ended {
            true => in_time(&folder, &session, output_bytes).await,
            false => Err("it does not end".to_owned()),
        };
        if let Err(problem) = let_go {
            tracing::warn!(%session, %problem, "a shim is left, or what it has");
        }
    }
}

/// Ends the shim of a session whose first process was this, where that is gone. True if there was one.
pub(crate) async fn end_shim(process: ProcessFacts, session: &SessionId) -> bool {
    let id = session.clone();
    let end = move || match in_this_boot(&process, &id)? {
        Some(here) if !is_running(&here) => kill_shim(Some(&here), &id),
        Some(_) | None => Ok(false),
    };
    let ended = blocking(end).await.map_err(io::Error::other);
    match ended.and_then(convert::identity) {
        Ok(is_ended) => {
            if is_ended {
                tracing::warn!(%session, "a shim that nobody can reach, or does not end, was ended");
            }
            is_ended
        }
        Err(error) => {
            tracing::error!(%session, %error, "a shim cannot be ended");
            false
        }
    }
}
