//! One session's lines, told apart from another's by a name before each.

use crate::command::demo_agent::QUESTION_END;
use crate::text::{Colours, Readable};

/// Reads one session's output.
#[derive(Debug)]
pub(super) struct Voice {
    name: String,
    readable: Readable,
}

/// What came of some output.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Heard {
    /// Lines to print.
    pub(super) text: String,
    /// How many of them ask something.
    pub(super) questions: usize,
}

impl Voice {
    /// The session called `name`.
    pub(super) fn new(name: &str, colours: Colours) -> Self {
        Self {
            name: name.to_owned(),
            readable: Readable::new(colours),
        }
    }

    /// Reads what it wrote.
    pub(super) fn hear(&mut self, output: &[u8]) -> Heard {
        let lines = self.readable.read(output);
        let questions = lines
            .lines()
            .filter(|line| line.trim_end().ends_with(QUESTION_END))
            .count();
        let text = lines.lines().map(|line| self.line(line)).collect();
        Heard { text, questions }
    }

    /// A last line about it.
    pub(super) fn last(&self, remark: &str) -> String {
        self.line(remark)
    }

    fn line(&self, line: &str) -> String {
        format!("{:>6} │ {line}\n", self.name)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_line_bears_its_name_and_questions_are_counted() {
        let mut voice = Voice::new("anna", Colours::Drop);
        let heard = voice.hear(b"one\r\nMay I? [y/n]\r\nhalf");
        assert_eq!(heard.text, "  anna │ one\n  anna │ May I? [y/n]\n");
        assert_eq!(heard.questions, 1);
        assert_eq!(voice.hear(b" done\n").text, "  anna │ half done\n");
    }
}
