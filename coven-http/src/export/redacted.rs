//! What is shared of a session: without control sequences, and with secrets hidden as in its log.

use coven::Event;

use super::what::{Data, What};
use crate::preview::PlainText;
use crate::redact::Redactor;

/// Bytes of a line of output that are held back until it ends, since a secret may be cut between
/// two events; then it is told as far as it came.
const MAX_LINE_BYTES: usize = 64 << 10;

/// Hides secrets in events, which it must be given in order.
#[derive(Default)]
pub(super) struct Redacted {
    output: PlainText,
    redactor: Redactor,
    /// The output event that has begun a line, and that line.
    line: String,
    last: Option<(u64, super::what::ChannelWord)>,
}

impl Redacted {
    /// What is told of an event: output as the lines that it ends, everything else at once.
    pub(super) fn take(&mut self, what: What, event: &Event) -> Vec<What> {
        match (what, event) {
            (
                What::Output {
                    offset, channel, ..
                },
                Event::Output { data, .. },
            ) => {
                self.last = Some((offset, channel));
                self.line.push_str(&self.output.take(data));
                let end = self.line.rfind('\n').map_or(0, |at| at + 1);
                let end = if self.line.len() - end > MAX_LINE_BYTES {
                    self.line.len()
                } else {
                    end
                };
                let rest = self.line.split_off(end);
                let lines = std::mem::replace(&mut self.line, rest);
                vec![self.output(&lines, offset, channel)]
            }
            (what, Event::OutputClosed { .. } | Event::Orphaned { .. }) => {
                let rest = std::mem::take(&mut self.line);
                let rest = self
                    .last
                    .filter(|_| !rest.is_empty())
                    .map(|(offset, channel)| self.output(&rest, offset, channel));
                rest.into_iter().chain([what]).collect()
            }
            (what, _) => vec![hidden(what)],
        }
    }

    fn output(&mut self, lines: &str, offset: u64, channel: super::what::ChannelWord) -> What {
        What::Output {
            offset,
            channel,
            data: Data::Text(hide_with(&mut self.redactor, lines)),
        }
    }
}

/// The same with secrets hidden in every text that somebody wrote.
fn hidden(what: What) -> What {
    match what {
        What::Created {
            mut launch,
            boot_id,
        } => {
            launch.prompt = launch.prompt.as_deref().map(hide);
            launch.title = hide(&launch.title);
            What::Created { launch, boot_id }
        }
        What::Registered { mut external } => {
            external.title = hide(&external.title);
            What::Registered { external }
        }
        What::Started {
            pid,
            start_time,
            boot_id,
            shim_pid,
            executable,
            argv,
        } => What::Started {
            pid,
            start_time,
            boot_id,
            shim_pid,
            executable,
            argv: argv.iter().map(|argument| hide(argument)).collect(),
        },
        What::LaunchFailed { reason, cause } => What::LaunchFailed {
            reason: hide(&reason),
            cause,
        },
        What::Titled { title } => What::Titled {
            title: hide(&title),
        },
        What::Input { data, id } => What::Input {
            id,
            data: match data {
                Data::Text(text) => Data::Text(hide(&text)),
                // Bytes that are no text tell nothing to who reads, and may hide a secret.
                Data::Base64(_) => Data::Text("[redacted]".to_owned()),
            },
        },
        what @ (What::Identified { .. }
        | What::Output { .. }
        | What::InputRedacted { .. }
        | What::Resized { .. }
        | What::Labelled { .. }
        | What::KillRequested {}
        | What::OutputClosed { .. }
        | What::Exited { .. }
        | What::Completed { .. }
        | What::Orphaned { .. }
        | What::Archived {}
        | What::Summoned {}
        | What::Trimmed { .. }
        | What::Undelivered { .. }) => what,
    }
}

fn hide(text: &str) -> String {
    hide_with(&mut Redactor::default(), text)
}

fn hide_with(redactor: &mut Redactor, text: &str) -> String {
    let lines = text.split_inclusive('\n');
    lines
        .flat_map(|line| match line.strip_suffix('\n') {
            Some(line) => [redactor.line(line).into_owned(), "\n".to_owned()],
            None => [redactor.line(line).into_owned(), String::new()],
        })
        .collect()
}
