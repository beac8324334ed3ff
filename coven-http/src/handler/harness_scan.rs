//! `GET /capabilities/harnesses` and `GET /capabilities/{harnessId}`: what harnesses have
//! configured for this user.

use std::path::Path;

use coven::{Code, HarnessId};

use crate::app::Call;
use crate::error::Error;
use crate::openapi::Doc;
use crate::reply::Reply;
use crate::wire::{
    GlobalInstructions, HarnessCapabilities, HarnessScan, Plugin, Skill, Time, Warning,
};

pub(crate) async fn get(call: &Call) -> Result<Reply, Error> {
    // `refresh` is taken and means nothing more: every scan looks anew.
    let scanned_at = Time::now();
    let found = call.engine().capabilities(None).await?;
    Ok(Reply::ok(&HarnessScan {
        coven_skills: Vec::new(),
        harness_capabilities: found
            .into_iter()
            .map(|(harness, found)| capabilities(&harness, found, scanned_at))
            .collect(),
        scanned_at,
    }))
}

pub(crate) async fn get_one(call: &Call) -> Result<Reply, Error> {
    let unknown = || coven::Error::HarnessNotFound {
        harness: call.param().to_owned(),
    };
    let harness = HarnessId::parse(call.param()).map_err(|_| unknown())?;
    let scanned_at = Time::now();
    let found = call.engine().capabilities(Some(&harness)).await?;
    let (harness, found) = found.into_iter().next().ok_or_else(unknown)?;
    Ok(Reply::ok(&capabilities(&harness, found, scanned_at)))
}

fn capabilities(
    harness: &HarnessId,
    found: coven::HarnessCapabilities,
    scanned_at: Time,
) -> HarnessCapabilities {
    let instructions = found.global_instructions;
    HarnessCapabilities {
        harness_id: harness.as_str().to_owned(),
        scanned_at,
        global_instructions: GlobalInstructions {
            present: instructions.is_some(),
            path: instructions.as_ref().map(|found| shown(&found.path)),
            byte_count: instructions.as_ref().map(|found| found.byte_count),
        },
        skills: found.skills.into_iter().map(skill).collect(),
        plugins: found.plugins.into_iter().map(plugin).collect(),
        warnings: found.warnings.into_iter().map(warning).collect(),
    }
}

fn skill(skill: coven::capabilities::Skill) -> Skill {
    Skill {
        id: skill.id,
        name: skill.name,
        description: skill.description,
        kind: skill.kind.as_str().to_owned(),
        path: shown(&skill.path),
    }
}

fn plugin(plugin: coven::capabilities::Plugin) -> Plugin {
    Plugin {
        id: plugin.id,
        kind: plugin.kind.as_str().to_owned(),
        enabled: plugin.enabled,
    }
}

fn warning(warning: coven::capabilities::Warning) -> Warning {
    Warning {
        kind: warning.kind.as_str().to_owned(),
        path: shown(&warning.path),
        message: warning.message,
    }
}

fn shown(path: &Path) -> String {
    path.display().to_string()
}

pub(crate) fn doc() -> Doc {
    use utoipa::openapi::schema::Type;
    Doc::new("What every harness has configured for this user.")
        .query(
            "refresh",
            Type::String,
            "Taken and ignored: every scan looks anew.",
        )
        .answer::<HarnessScan>(200, "What was found. Nothing found means empty lists.")
}

pub(crate) fn doc_one() -> Doc {
    Doc::new("What one harness has configured for this user.")
        .answer::<HarnessCapabilities>(200, "What was found. Nothing found means empty lists.")
        .errors(&[Code::HarnessNotFound])
}
