//! What there is to know of the daemon, and its end.

use std::time::Duration;

use tokio::time::Instant;

use super::away::Away;
use super::error::Cursor;
use super::exchange::Ask;
use super::{Client, Outcome, exchange};
use crate::wire::{
    ActionBody, ActionReply, ApiVersion, CONTRACT, Capabilities, Daemon, Harness,
    HarnessCapabilities, HarnessScan, Harnesses, Health, SessionsAtStop, ShutdownBody,
};

impl Client {
    /// How the daemon is.
    ///
    /// # Errors
    /// [`Error::Unreachable`](super::Error::Unreachable) when none serves. See
    /// [`Error`](super::Error) for the others, as for every call.
    pub async fn health(&self) -> Outcome<Health> {
        self.get("/health").await
    }

    /// The versions that the daemon speaks.
    ///
    /// # Errors
    /// See [`Error`](super::Error).
    pub async fn api_version(&self) -> Outcome<ApiVersion> {
        self.get("/api-version").await
    }

    /// Waits until a daemon takes requests, for as long as `patience` says.
    ///
    /// # Errors
    /// - [`Error::Away`](super::Error::Away): none did.
    /// - Any other: what answers there is no daemon to be talked to.
    pub async fn served_within(&self, patience: Duration) -> Outcome<()> {
        let mut away = Away::new(patience);
        loop {
            away.pause().await;
            let begun = Instant::now();
            match self.api_version().await {
                Ok(_) => return Ok(()),
                Err(error) => away.failed(error, begun, self.socket(), Cursor::Start)?,
            }
        }
    }

    /// What control clients may ask for.
    ///
    /// # Errors
    /// See [`Error`](super::Error).
    pub async fn capabilities(&self) -> Outcome<Capabilities> {
        self.get("/capabilities").await
    }

    /// What every harness has configured for this user.
    ///
    /// # Errors
    /// See [`Error`](super::Error).
    pub async fn scan_harnesses(&self) -> Outcome<HarnessScan> {
        self.call(Ask::get("/capabilities/harnesses").slow()).await
    }

    /// What one harness has configured for this user.
    ///
    /// # Errors
    /// `harness_not_found`.
    pub async fn scan_harness(&self, harness: &str) -> Outcome<HarnessCapabilities> {
        self.call(Ask::get(format!("/capabilities/{harness}")).slow())
            .await
    }

    /// Asks for an action of a capability.
    ///
    /// # Errors
    /// See [`Error`](super::Error). An action that is not known is refused with a reply that is
    /// not an error envelope: [`Error::Garbled`](super::Error::Garbled) says its status.
    pub async fn act(&self, action: &ActionBody) -> Outcome<ActionReply> {
        self.call(Ask::post("/actions").json(action)).await
    }

    /// The harnesses that can be launched.
    ///
    /// # Errors
    /// See [`Error`](super::Error).
    pub async fn harnesses(&self) -> Outcome<Vec<Harness>> {
        let Harnesses { harnesses } = self.call(Ask::get("/harnesses").slow()).await?;
        Ok(harnesses)
    }

    /// The OpenAPI document of the daemon.
    ///
    /// # Errors
    /// See [`Error`](super::Error).
    pub async fn openapi(&self) -> Outcome<serde_json::Value> {
        self.get("/openapi.json").await
    }

    /// Stops the daemon process `daemon`, and returns once it has stopped or stops answering.
    ///
    /// # Errors
    /// - `daemon_identity_mismatch`: another process serves by now; nothing was stopped.
    /// - [`Error::Timeout`](super::Error::Timeout): it is still stopping.
    pub async fn shutdown(&self, daemon: &Daemon, sessions: SessionsAtStop) -> Outcome<()> {
        let body = ShutdownBody {
            api_version: CONTRACT.to_owned(),
            daemon: daemon.clone(),
            sessions,
        };
        let ask = Ask::post("/internal/lifecycle/shutdown").json(&body);
        exchange::until_eof(&self.peer, &self.name, self.timeout, ask).await
    }
}
