//! `GET /capabilities` and `POST /actions`: what control clients may ask for.

use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;

/// What control clients may ask for.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Capabilities {
    /// Each.
    pub capabilities: Vec<Capability>,
}

/// One group of actions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct Capability {
    /// Its id.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// What provides it.
    pub adapter: String,
    /// `available` or `planned`.
    pub status: String,
    /// `allow` or `requiresApproval`.
    pub policy: String,
    /// Its actions.
    pub actions: Vec<String>,
}

/// `POST /actions`.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase", default)]
pub struct ActionBody {
    /// Required: the action.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub action: Option<String>,
    /// Who asks; given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub origin: Option<String>,
    /// The caller's id for the request; given back.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub intent_id: Option<String>,
    /// What the action needs. There is none yet that needs anything, so the daemon does not read it.
    #[serde(skip_serializing_if = "Option::is_none", skip_deserializing)]
    #[schema(value_type = Option<Object>)]
    pub args: Option<Value>,
}

/// The answer to `POST /actions`, whichever it is.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ActionReply {
    /// Whether it was done.
    pub ok: bool,
    /// Whether it was accepted.
    pub accepted: bool,
    /// The action.
    pub action: String,
    /// `completed` or `rejected`.
    pub status: String,
    /// What happened, when it was done.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub event: Option<ActionEvent>,
    /// Why not, when it was rejected.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub reason: Option<String>,
}

/// What happened.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "camelCase")]
pub struct ActionEvent {
    /// `capabilities.refreshed`.
    pub kind: String,
    /// The action.
    pub action: String,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub origin: Option<String>,
    /// As it was given.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub intent_id: Option<String>,
    /// `{"capabilities": N}`: how many there are.
    #[schema(value_type = Object)]
    pub payload: Value,
}
