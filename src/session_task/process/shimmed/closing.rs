//! The end of a shim whose session is over and on record.

use std::time::Duration;

use tokio::time::timeout;

use super::{Shimmed, Stage};
use crate::on_the_way::{OnTheWay, Waypoint};
use crate::shared::blocking;

/// How long a shim may take to end once it is told that all is on record. One that takes longer is
/// told again by the next engine.
const CLOSING: Duration = Duration::from_secs(5);

impl Shimmed {
    pub(crate) async fn dismiss(self, on_the_way: &OnTheWay) {
        let session = self.session;
        match self.stage {
            Stage::Connected { control, .. } => {
                control.ack(self.newest);
                on_the_way.reached(&Waypoint::EndAcknowledged);
                match timeout(CLOSING, control.close()).await {
                    Ok(Ok(())) => {}
                    Ok(Err(error)) => tracing::warn!(%session, %error, "a shim is left"),
                    Err(_) => tracing::warn!(%session, "a shim does not end; it is left"),
                }
            }
            Stage::Over(Some(remains)) | Stage::Dead { remains, .. } => {
                let removed = blocking(move || remains.remove()).await;
                if let Ok(Err(error)) = removed {
                    tracing::warn!(%session, %error, "what a shim left cannot be removed");
                }
            }
            // There is none, or the next engine will find it.
            Stage::Over(None) | Stage::Reaching(_) => {}
        }
    }
}
