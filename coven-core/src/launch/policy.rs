//! `LaunchPolicy`: what a harness may do without asking.

use super::PolicyRequest;
use crate::{Refusal, limits};

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
            let count = request.add_dirs.len().to_string();
            let problem = "must hold at most 64 directories";
            return Err(Refusal::invalid("launchPolicy.addDirs", count, problem));
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
}
