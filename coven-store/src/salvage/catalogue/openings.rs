//! Which openings of the log wrote what is left of its journal. A group that was never committed may be found in a page
//! that nothing leads to, and the next opening gave its position and its seqs to others.

use std::collections::BTreeSet;

use redb::TableHandle;

use super::Catalogue;
use crate::inspect::{self, Group, widths};
use crate::journal;
use crate::layout::{META, meta};
use crate::raw::Snapshot;
use crate::stored::{Mark, Opened};

/// The openings that are known of.
#[derive(Default)]
pub(super) struct Openings {
    /// Something that they wrote was committed, and so their first group was.
    proved: BTreeSet<Opened>,
    /// Others, of which nothing but a group was found.
    met: BTreeSet<Opened>,
}

impl Openings {
    /// Those of which the pages of a journal know that are what they are to be.
    pub(super) fn told(journal: &Snapshot) -> Self {
        let mut openings = Self::default();
        let groups = inspect::groups(journal).filter(|group| group.is_sound);
        openings.proved.extend(groups.filter_map(opened));
        let rows = journal.rows(META.name(), widths(&META));
        // Whatever became of that commit, it was the last that anybody began.
        let rows = rows.chain(journal.lost_rows(META.name(), widths(&META)));
        let told = rows.filter(|row| row.is_sound && row.key == meta::OPENED.as_bytes());
        let told = told.filter_map(|row| Opened::unseal(&row.value).ok());
        openings.proved.extend(told);
        openings
    }

    /// Takes in the one that wrote a group which was found at a position.
    pub(super) fn meet(&mut self, position: u64, opened: Option<Opened>) {
        let Some(opened) = opened else {
            return;
        };
        // It wrote no second one before the first was committed.
        match position > opened.began {
            true => self.proved.insert(opened),
            false => self.met.insert(opened),
        };
    }

    /// Takes in an import, by how far the cold file is, and how far it was before.
    fn take_import(&mut self, folded: Mark, imported: Mark) {
        if imported.position < folded.position {
            self.proved.insert(Opened {
                began: imported.position + 1,
                ..Opened::default()
            });
        }
    }

    /// Whether a group at a position was let go of: a later opening gave that to another.
    pub(super) fn let_go(&self, position: u64, opened: Option<Opened>) -> bool {
        let began = |it: Option<Opened>| it.map_or(0, |opened| opened.began);
        let is_later = |it: &Opened| it.began <= position && it.began > began(opened);
        // Of those that begin with one position, one alone wrote what was committed, and it is the last.
        let is_the_last = |it: &Opened| it.began == began(opened) && Some(*it) != opened;
        self.proved.iter().any(|it| is_later(it) || is_the_last(it))
            || self.met.iter().any(is_later)
    }
}

/// Which opening wrote a group, if it can be read.
fn opened(group: Group) -> Option<Opened> {
    let bytes = group.bytes.into();
    journal::read(group.position, &bytes).ok()?;
    journal::opened(&bytes)
}

impl Catalogue {
    /// Which openings are known of by what a journal's tree leads to, and by the cold file: an import gives positions
    /// as well, and no group of the journal has those.
    pub(super) fn openings(&self, journal: &Snapshot) -> Openings {
        let mut openings = Openings::told(journal);
        if let Some((folded, Some(imported))) = self.cold_marks {
            openings.take_import(folded, imported);
        }
        openings
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const fn at(began: u64, by: u8) -> Opened {
        Opened { began, by: [by; 8] }
    }

    #[test]
    fn of_two_openings_that_begin_alike_the_one_that_wrote_more_than_one_group_is_the_later() {
        let mut openings = Openings::default();
        for (position, opened) in [(10, at(10, 1)), (10, at(10, 2))] {
            openings.meet(position, Some(opened));
        }
        assert!(!openings.let_go(10, Some(at(10, 1))), "it may be either");
        assert!(!openings.let_go(10, Some(at(10, 2))));
        openings.meet(11, Some(at(10, 2)));
        assert!(openings.let_go(10, Some(at(10, 1))));
        assert!(!openings.let_go(10, Some(at(10, 2))));
    }

    #[test]
    fn a_later_opening_takes_the_place_of_what_is_not_before_where_it_began_and_of_nothing_else() {
        let mut openings = Openings::default();
        openings.meet(10, Some(at(10, 2)));
        for before in [Some(at(3, 1)), None] {
            assert!(!openings.let_go(9, before), "{before:?}");
            assert!(openings.let_go(10, before), "{before:?}");
            assert!(openings.let_go(12, before), "{before:?}");
        }
        assert!(!openings.let_go(12, Some(at(11, 3))));
    }

    #[test]
    fn an_import_takes_the_place_of_what_was_let_go_of_before_it() {
        let mark = |position| Mark {
            position,
            ..Mark::default()
        };
        let openings = |folded, imported| {
            let mut openings = Openings::default();
            openings.take_import(mark(folded), mark(imported));
            openings
        };
        assert!(openings(11, 9).let_go(10, Some(at(4, 1))));
        assert!(openings(11, 9).let_go(10, Some(at(10, 1))));
        assert!(!openings(11, 9).let_go(12, Some(at(12, 1))));
        assert!(
            !openings(9, 9).let_go(10, Some(at(10, 1))),
            "it wrote nothing"
        );
    }
}
