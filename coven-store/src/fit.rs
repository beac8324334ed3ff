//! Whether a log's two files are of one moment, by what each says of how far it is.

use std::fmt;

use crate::stored::Mark;

/// How far the two files are.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Marks {
    /// How far the cold file has everything.
    pub(crate) folded: Mark,
    /// What the cold file had before an import that nothing was folded since.
    pub(crate) imported: Option<Mark>,
    /// How far the journal was emptied.
    pub(crate) trimmed: Mark,
    /// After the journal's last group; `trimmed` where it has none.
    pub(crate) last: Mark,
}

/// Why the two are not of one moment: one of them was put in place alone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Misfit {
    /// The cold file has what this journal never had, and no import brought it in. What was
    /// recorded last was in the journal that belongs to it.
    OldJournal,
    /// The journal was emptied of what this cold file does not have.
    OldCold,
    /// They went on from one log in different ways.
    Diverged,
}

impl Marks {
    /// What is wrong, if anything is. Events cannot be told missing by this that were never folded.
    pub(crate) fn misfit(&self) -> Option<Misfit> {
        let Self {
            folded,
            imported,
            trimmed,
            last,
        } = *self;
        let is_at = |mark: &Mark| mark.position == folded.position;
        if trimmed.position > folded.position {
            Some(Misfit::OldCold)
        } else if last.position < folded.position && imported != Some(last) {
            Some(Misfit::OldJournal)
        } else if [trimmed, last].iter().any(|it| is_at(it) && *it != folded) {
            Some(Misfit::Diverged)
        } else {
            None
        }
    }
}

impl fmt::Display for Misfit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::OldJournal => {
                "it is older than the file beside it, and what was recorded last is missing; \
                 put both in place from one copy"
            }
            Self::OldCold => {
                "it was emptied of what the cold file does not have; put both in place from one \
                 copy"
            }
            Self::Diverged => {
                "it went on otherwise than the file beside it; put both in place from one copy"
            }
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(position: u64) -> Mark {
        Mark {
            position,
            last_seq: 10 * position,
            last_slot: position,
        }
    }

    /// Of a cold file and a journal, by position.
    const fn marks(folded: u64, trimmed: u64, last: u64) -> Marks {
        Marks {
            folded: at(folded),
            imported: None,
            trimmed: at(trimmed),
            last: at(last),
        }
    }

    #[test]
    fn what_folds_and_trims_leave_behind_fits() {
        for (folded, trimmed, last) in [(0, 0, 0), (0, 0, 4), (3, 0, 4), (4, 0, 4), (4, 4, 4)] {
            assert_eq!(marks(folded, trimmed, last).misfit(), None);
        }
    }

    #[test]
    fn a_journal_is_behind_the_cold_file_only_by_an_import_that_began_where_it_is() {
        let behind = marks(5, 4, 4);
        assert_eq!(behind.misfit(), Some(Misfit::OldJournal));
        let imported = |position| Marks {
            imported: Some(at(position)),
            ..behind
        };
        assert_eq!(imported(4).misfit(), None);
        assert_eq!(imported(3).misfit(), Some(Misfit::OldJournal));
    }

    #[test]
    fn a_journal_that_was_emptied_of_more_or_counts_otherwise_is_seen() {
        assert_eq!(marks(3, 4, 6).misfit(), Some(Misfit::OldCold));
        let mut other = marks(4, 4, 6);
        other.trimmed.last_seq += 1;
        assert_eq!(other.misfit(), Some(Misfit::Diverged));
    }
}
