//! A preview of a session for people: its events as redacted lines of plain text.

mod plain_text;

use std::collections::VecDeque;

use coven::{Channel, Envelope, Event, Exit, InputData};

use crate::limits;
use crate::redact::Redactor;
use crate::wire::{LogLevel, LogLine, Time};
pub(crate) use plain_text::PlainText;

/// Bytes of a line that are looked at: its first 240 characters are shown, and a secret may begin
/// at the last of them.
const MAX_LINE_BYTES: usize = 16 << 10;

/// Makes lines of events; keeps the newest that fit known clients.
#[derive(Debug, Default)]
pub(crate) struct Preview {
    lines: VecDeque<(LogLine, usize)>,
    bytes: usize,
    output: PlainText,
    redactor: Redactor,
    line: Option<Unfinished>,
}

/// A line of output whose end has not come.
#[derive(Debug)]
struct Unfinished {
    ts: Time,
    level: LogLevel,
    text: String,
}

impl Preview {
    /// Takes the next event.
    pub(crate) fn take(&mut self, envelope: &Envelope) {
        let ts = Time::from(envelope.at);
        match &envelope.event {
            Event::Output { channel, data, .. } => {
                let level = match channel {
                    Channel::Tty | Channel::Stdout => LogLevel::Info,
                    Channel::Stderr => LogLevel::Error,
                };
                self.output(ts, level, data);
            }
            Event::Input { data, .. } => self.input(ts, data),
            other => {
                if let Some((level, message)) = told(other) {
                    self.finish_line();
                    self.push(ts, level, &message);
                }
            }
        }
    }

    /// The lines, oldest first.
    pub(crate) fn finish(mut self) -> Vec<LogLine> {
        self.finish_line();
        self.lines.into_iter().map(|(line, _)| line).collect()
    }

    fn output(&mut self, ts: Time, level: LogLevel, data: &[u8]) {
        let text = self.output.take(data);
        for part in text.split_inclusive('\n') {
            let line = self.line.get_or_insert_with(|| Unfinished {
                ts,
                level,
                text: String::new(),
            });
            let (text, ended) = match part.strip_suffix('\n') {
                Some(text) => (text, true),
                None => (part, false),
            };
            if line.text.len() < MAX_LINE_BYTES {
                line.text.push_str(text);
            }
            if ended {
                self.finish_line();
            }
        }
    }

    fn input(&mut self, ts: Time, data: &InputData) {
        self.finish_line();
        match data {
            InputData::Plain { data } => {
                let text = PlainText::default().take(data);
                for line in text
                    .split(['\n', '\r'])
                    .filter(|line| !line.trim().is_empty())
                {
                    self.push(ts, LogLevel::Tool, &format!("> {}", line.trim()));
                }
            }
            InputData::Redacted { len_bytes } => {
                let message = format!("> [redacted: {len_bytes} bytes]");
                self.push(ts, LogLevel::Tool, &message);
            }
        }
    }

    fn finish_line(&mut self) {
        if let Some(line) = self.line.take() {
            let text = line.text.trim_end();
            if !text.trim().is_empty() {
                self.push(line.ts, line.level, text);
            }
        }
    }

    fn push(&mut self, ts: Time, level: LogLevel, text: &str) {
        let message = shortened(&self.redactor.line(text));
        let line = LogLine { ts, level, message };
        let bytes = serde_json::to_vec(&line).map_or(0, |json| json.len() + 1);
        self.bytes += bytes;
        self.lines.push_back((line, bytes));
        // Its brackets count too.
        while self.bytes + 2 > limits::MAX_PLAIN_ANSWER_BYTES
            && let Some((_, bytes)) = self.lines.pop_front()
        {
            self.bytes -= bytes;
        }
    }
}

/// What an event that is not text says.
fn told(event: &Event) -> Option<(LogLevel, String)> {
    use LogLevel::{Error, Info, Tool};
    Some(match event {
        Event::Created { .. } => (Info, "session created".to_owned()),
        Event::Registered { .. } => (Info, "session registered".to_owned()),
        Event::Started { process, .. } => (Info, format!("running as process {}", process.pid)),
        Event::LaunchFailed { reason, .. } => (Error, format!("launch failed: {reason}")),
        Event::Resized { size } => (Tool, format!("resized to {}x{}", size.cols(), size.rows())),
        Event::KillRequested => (Tool, "kill requested".to_owned()),
        Event::Exited { exit, .. } => exited(*exit),
        Event::Completed { exit_code } => exited(Some(Exit::Code {
            code: exit_code.unwrap_or(0),
        })),
        Event::Undelivered {
            len_bytes,
            written_bytes,
            ..
        } => (Error, undelivered(*len_bytes, *written_bytes)),
        Event::Trimmed {
            offset, len_bytes, ..
        } => {
            let gone = offset + len_bytes;
            (
                Info,
                format!("the first {gone} bytes of output were trimmed"),
            )
        }
        Event::Orphaned { reason } => (Error, format!("orphaned: {}", reason.as_str())),
        Event::Identified { .. }
        | Event::Output { .. }
        | Event::Input { .. }
        | Event::Titled { .. }
        | Event::Labelled { .. }
        | Event::OutputClosed { .. }
        | Event::Archived
        | Event::Summoned
        | Event::Deleted => return None,
    })
}

fn exited(exit: Option<Exit>) -> (LogLevel, String) {
    match exit {
        Some(Exit::Code { code: 0 }) => (LogLevel::Info, "exited with 0".to_owned()),
        Some(Exit::Code { code }) => (LogLevel::Error, format!("exited with {code}")),
        Some(Exit::Signal { signal }) => (LogLevel::Error, format!("ended by signal {signal}")),
        None => (
            LogLevel::Error,
            "killed; nobody saw how it ended".to_owned(),
        ),
    }
}

fn undelivered(len_bytes: u64, written_bytes: Option<u64>) -> String {
    match written_bytes {
        Some(0) => format!("an input of {len_bytes} bytes was not typed"),
        Some(written) => format!("of an input of {len_bytes} bytes only {written} were typed"),
        None => format!("an input of {len_bytes} bytes was typed, or not: nobody knows"),
    }
}

fn shortened(text: &str) -> String {
    match text.char_indices().nth(limits::MAX_PREVIEW_CHARS) {
        Some((end, _)) => format!("{}...", &text[..end]),
        None => text.to_owned(),
    }
}

#[cfg(test)]
mod tests;
