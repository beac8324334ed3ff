//! A process whose terminal, or whose pipes, this program holds.

use std::future::pending;

use coven_core::OutputEnd;
use coven_harness::process::{ExitWatch, Output, Terminal};

use super::{Happening, Wants, What};

/// Our ends of it.
pub(crate) struct Here {
    output: Output,
    exit: ExitWatch,
    terminal: Option<Terminal>,
}

impl Here {
    pub(super) const fn new(output: Output, exit: ExitWatch, terminal: Option<Terminal>) -> Self {
        Self {
            output,
            exit,
            terminal,
        }
    }

    pub(super) const fn terminal(&self) -> Option<&Terminal> {
        self.terminal.as_ref()
    }

    pub(super) async fn happens(&mut self, wants: Wants) -> Happening {
        let what = tokio::select! {
            biased;
            exit = self.exit.wait(), if wants.exit => match exit {
                Ok(exit) => What::Exited(exit),
                Err(error) => What::ExitFailed(error),
            },
            read = self.output.read(), if wants.output && wants.room => match read {
                Ok(Some((channel, bytes))) => What::Wrote(channel, bytes),
                Ok(None) => What::OutputEnded(OutputEnd::Complete),
                Err(error) => What::OutputFailed(error),
            },
            else => pending().await,
        };
        Happening { at: None, what }
    }
}
