//! `GET /harnesses`, and what each harness has configured for this user.

use serde::{Deserialize, Serialize};
use utoipa::ToSchema;

use super::Time;

/// The harnesses that can be launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Harnesses {
    /// Each.
    pub harnesses: Vec<Harness>,
}

/// A harness that can be launched.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Harness {
    /// What a launch calls it.
    pub id: String,
    /// What people call it.
    pub label: String,
    /// The program it runs.
    pub executable: String,
    /// Whether the daemon finds that program on its own PATH. A launch that brings an
    /// environment looks on that one's.
    pub available: bool,
    /// Where it finds it.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// Its version, where it tells one.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub version: Option<String>,
    /// How to install it.
    pub install_hint: String,
    /// Where Coven knows it from.
    pub source: Source,
}

/// Where Coven knows a harness from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum Source {
    /// It is part of Coven.
    Bundled,
    /// A manifest in the Coven home declares it.
    Manifest,
}

/// `GET /capabilities/harnesses`: what the harnesses have configured for this user.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HarnessScan {
    /// Always empty: Coven has no skills of its own.
    pub coven_skills: Vec<Skill>,
    /// One for each harness.
    pub harness_capabilities: Vec<HarnessCapabilities>,
    /// When this was looked at.
    pub scanned_at: Time,
}

/// What one harness has configured for this user. Nothing found means empty lists.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct HarnessCapabilities {
    /// The harness.
    pub harness_id: String,
    /// When this was looked at.
    pub scanned_at: Time,
    /// The instructions it gives its agent in every project.
    pub global_instructions: GlobalInstructions,
    /// Its skills.
    pub skills: Vec<Skill>,
    /// Its plugins.
    pub plugins: Vec<Plugin>,
    /// What could not be read, and why.
    pub warnings: Vec<Warning>,
}

/// The instructions a harness gives its agent in every project.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GlobalInstructions {
    /// Whether there are any.
    pub present: bool,
    /// The file.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub path: Option<String>,
    /// Its length.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub byte_count: Option<u64>,
}

/// Something of a harness that can be called by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Skill {
    /// What it is called by.
    pub id: String,
    /// What it calls itself.
    pub name: String,
    /// What it is for, where it says so.
    #[serde(skip_serializing_if = "Option::is_none", default)]
    pub description: Option<String>,
    /// `skill`, `command` or `agent`.
    pub kind: String,
    /// Its file.
    pub path: String,
}

/// Something that extends a harness.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Plugin {
    /// What the harness calls it.
    pub id: String,
    /// `plugin` or `mcp`.
    pub kind: String,
    /// Whether it is on.
    pub enabled: bool,
}

/// A file that could not be used.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Warning {
    /// `unreadable`, `malformed` or `too_large`.
    pub kind: String,
    /// The file.
    pub path: String,
    /// For people. It holds nothing of the file.
    pub message: String,
}
