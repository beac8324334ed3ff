//! `Health`: how the engine is.

use crate::StoreHealth;

/// How the engine and its log are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Health {
    /// The log.
    pub store: StoreHealth,
    /// Sessions whose processes run, or are being started, under this engine.
    pub live_sessions: usize,
    /// Whether [`Engine::shutdown`](crate::Engine::shutdown) was called.
    pub shutting_down: bool,
}
