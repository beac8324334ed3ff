//! External sessions: agents that run elsewhere and are registered here to be found.

use super::{Labels, Title};
use crate::{HarnessId, Refusal, SessionId};

/// A registration as asked for, nothing checked.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct ExternalRequest {
    /// `id`, required: the caller's.
    pub id: Option<String>,
    /// `projectRoot`, required, taken as given.
    pub project_root: Option<String>,
    /// `harness`, required, taken as given.
    pub harness: Option<String>,
    /// `title`. Absent or blank: "External session".
    pub title: Option<String>,
    /// `transcriptPath`.
    pub transcript_path: Option<String>,
    /// `labels`.
    pub labels: Option<Vec<String>>,
}

/// A session that runs elsewhere. Coven neither drives nor watches it, so it is never orphaned.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct External {
    /// Its project's root, as its owner gave it.
    pub root: String,
    /// Its harness, as its owner calls it.
    pub harness: HarnessId,
    /// What people call it.
    pub title: Title,
    /// Where its transcript is, as its owner gave it.
    pub transcript_path: Option<String>,
    /// Its labels.
    pub labels: Labels,
}

impl External {
    /// Checks a registration.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the first bad field.
    pub fn parse(request: &ExternalRequest) -> Result<(SessionId, Self), Refusal> {
        let id = text("id", request.id.as_deref())?;
        let id = SessionId::parse_new(id).map_err(|e| Refusal::invalid("id", id, e.to_string()))?;
        let harness = text("harness", request.harness.as_deref())?;
        let external = Self {
            root: text("projectRoot", request.project_root.as_deref())?.to_owned(),
            harness: HarnessId::parse(harness)
                .map_err(|_| Refusal::invalid("harness", harness, "is not a harness id"))?,
            title: Title::of_external(request.title.as_deref()),
            transcript_path: request
                .transcript_path
                .as_deref()
                .map(|path| text("transcriptPath", Some(path)).map(str::to_owned))
                .transpose()?,
            labels: request
                .labels
                .as_deref()
                .map(Labels::parse)
                .transpose()?
                .unwrap_or_default(),
        };
        Ok((id, external))
    }
}

fn text<'a>(field: &'static str, value: Option<&'a str>) -> Result<&'a str, Refusal> {
    match value {
        Some(text) if text.trim().is_empty() => {
            Err(Refusal::invalid(field, text, "must not be blank"))
        }
        Some(text) if text.len() > 4096 => {
            Err(Refusal::invalid(field, text, "is over 4096 bytes long"))
        }
        Some(text) if text.contains('\0') => {
            Err(Refusal::invalid(field, text, "must not hold a NUL"))
        }
        Some(text) => Ok(text),
        None => Err(Refusal::invalid(field, "", "is required")),
    }
}
