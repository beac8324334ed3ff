//! Who is to hold a session's process, made ready before the launch is on record.

use std::sync::Arc;

use coven_core::SessionId;
use coven_harness::shim::{NewFolder, Program};

use super::in_shim;
use crate::hosting::Hosting;
use crate::shared::Shared;

/// Who is to hold the process.
pub(super) enum Holder {
    Engine,
    /// A shim, whose folder is made before the launch is on record: a launch that is, and whose folder is empty, never
    /// ran.
    Shim {
        program: Program,
        folder: NewFolder,
    },
}

impl Holder {
    /// Makes ready who is to hold the session's process.
    ///
    /// # Errors
    /// Why that cannot be, for people.
    pub(super) async fn prepared(
        shared: &Arc<Shared>,
        session: &SessionId,
    ) -> Result<Self, String> {
        match &shared.hosting {
            Hosting::InProcess => Ok(Self::Engine),
            Hosting::Shims(shims) => {
                let program = shims.program.clone();
                let folder = in_shim::folder(shared, session).await?;
                Ok(Self::Shim { program, folder })
            }
        }
    }

    /// There is nothing to hold.
    pub(super) async fn dismiss(self) {
        match self {
            Self::Engine => {}
            Self::Shim { folder, .. } => in_shim::remove(folder).await,
        }
    }
}
