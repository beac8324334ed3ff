//! `Screen`: where a follow's output goes, and what becomes of it on the way.

use std::io::{self, IsTerminal};

use bytes::Bytes;
use coven::terminal::{Listener, ToViewer};

use super::line_ends::LineEnds;

/// A session's terminal output on its way to stdout.
///
/// A file or a program gets what the agent wrote, byte for byte. A terminal is not shown the
/// agent's questions to it, which are answered already, and is put back as it was at the end: an
/// agent that is killed leaves it in whatever mode it had.
#[derive(Debug)]
pub(super) struct Screen {
    line_ends: LineEnds,
    terminal: Option<OnTerminal>,
}

#[derive(Debug)]
struct OnTerminal {
    viewer: ToViewer,
    heard: Listener,
}

/// Plain text again: whatever colour the last text had.
const PLAIN: &[u8] = b"\x1b[0m";

impl Screen {
    /// stdout, whatever it is.
    pub(super) fn of_stdout() -> Self {
        let terminal = io::stdout().is_terminal().then(|| OnTerminal {
            viewer: ToViewer::new(),
            heard: Listener::new(),
        });
        Self {
            line_ends: LineEnds::default(),
            terminal,
        }
    }

    /// What to write for this output.
    pub(super) fn pass(&mut self, output: Vec<u8>) -> Vec<u8> {
        match &mut self.terminal {
            Some(OnTerminal { viewer, heard }) => {
                heard.hear(&output);
                self.line_ends.undo(&viewer.pass(Bytes::from(output)))
            }
            None => self.line_ends.undo(&output),
        }
    }

    /// What to write where output is missing: nothing that comes goes on from what came.
    pub(super) fn cut(&mut self) -> Vec<u8> {
        std::mem::replace(self, Self::of_stdout()).end()
    }

    /// What to write at the end.
    pub(super) fn end(&self) -> Vec<u8> {
        let mut last = self.line_ends.end().to_vec();
        if let Some(OnTerminal { heard, .. }) = &self.terminal {
            last.extend(heard.modes().reset());
            last.extend_from_slice(PLAIN);
        }
        last
    }
}
