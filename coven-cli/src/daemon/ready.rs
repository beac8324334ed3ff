//! What a daemon tells the process that started it: one line on its stdout.

use std::io::{self, Write};

/// How its start went.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Report {
    /// It serves.
    Ready,
    /// Another process holds the home.
    HomeIsTaken {
        /// In a sentence.
        reason: String,
    },
    /// It gave up.
    Failed {
        /// Why, in a sentence.
        reason: String,
    },
}

impl Report {
    /// Writes the line.
    ///
    /// # Errors
    /// When nobody listens any more.
    pub(super) fn send(&self, to: &mut impl Write) -> io::Result<()> {
        let line = match self {
            Self::Ready => "ready".to_owned(),
            Self::HomeIsTaken { reason } => format!("taken {}", crate::text::one_line(reason)),
            Self::Failed { reason } => format!("failed {}", crate::text::one_line(reason)),
        };
        writeln!(to, "{line}")?;
        to.flush()
    }

    /// Reads the line; `None` when it is none of ours.
    pub(super) fn parse(said: &str) -> Option<Self> {
        let line = said.lines().next()?;
        let (word, reason) = line.split_once(' ').unwrap_or((line, ""));
        let reason = reason.to_owned();
        match word {
            "ready" => Some(Self::Ready),
            "taken" => Some(Self::HomeIsTaken { reason }),
            "failed" => Some(Self::Failed { reason }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_report_is_read_as_it_was_sent() {
        let reason = "no space left on the disk".to_owned();
        for report in [
            Report::Ready,
            Report::HomeIsTaken {
                reason: reason.clone(),
            },
            Report::Failed { reason },
        ] {
            let mut said = Vec::new();
            report.send(&mut said).unwrap();
            let said = String::from_utf8(said).unwrap();
            assert_eq!(Report::parse(&said), Some(report));
        }
        assert_eq!(Report::parse(""), None);
        assert_eq!(Report::parse("Segmentation fault"), None);
    }
}
