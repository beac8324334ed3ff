//! `LaunchPolicy`: what a harness may do without asking.

use super::PolicyRequest;
use crate::{Refusal, json, limits};

/// The one policy there is: never ask, write in the workspace only, and in these directories too.
/// Which harnesses and modes honour it is the adapter's to say.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LaunchPolicy {
    /// Further directories it may write in: absolute, at most
    /// [`MAX_ADDED_DIRS`](crate::limits::MAX_ADDED_DIRS).
    pub add_dirs: Vec<String>,
}

impl LaunchPolicy {
    /// Checks a policy that came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming the part of `launchPolicy` that is not honoured.
    pub fn parse(request: &PolicyRequest) -> Result<Self, Refusal> {
        if request.approval != "never" {
            return Err(Refusal::invalid(
                "launchPolicy.approval",
                &request.approval,
                "must be never",
            ));
        }
        if request.sandbox != "workspace-write" {
            let problem = "must be workspace-write";
            return Err(Refusal::invalid(
                "launchPolicy.sandbox",
                &request.sandbox,
                problem,
            ));
        }
        if request.add_dirs.len() > limits::MAX_ADDED_DIRS {
            let problem = "must hold at most 64 directories";
            let dirs = &request.add_dirs;
            return Err(Refusal::invalid_list("launchPolicy.addDirs", dirs, problem));
        }
        for dir in &request.add_dirs {
            if !dir.starts_with('/') || dir.contains('\0') {
                let problem = "must hold absolute directories";
                return Err(Refusal::invalid("launchPolicy.addDirs", dir, problem));
            }
        }
        Ok(Self {
            add_dirs: request.add_dirs.clone(),
        })
    }

    /// The refusal of a harness or a mode that does not honour it.
    pub fn refused(&self) -> Refusal {
        let mut json = String::from("{");
        if !self.add_dirs.is_empty() {
            json.push_str(&format!("\"addDirs\":{},", json::list(&self.add_dirs)));
        }
        json.push_str("\"approval\":\"never\",\"sandbox\":\"workspace-write\"}");
        let problem = "is honoured by codex with launchMode nonInteractive only";
        Refusal::invalid("launchPolicy", json, problem)
    }
}
