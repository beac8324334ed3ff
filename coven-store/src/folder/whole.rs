//! Whether the pages of what follows from the events are what they were: asked once, as the log was opened, and
//! before all of it is made anew.
//!
//! redb believes them, and so does who reads: of a page that says it has fewer rows than it has, sessions are
//! missing without a word. What leads to other pages is looked at before every commit besides
//! ([`Kept::may_be_written`](crate::file::Kept::may_be_written)).

use super::Folder;
use crate::projection;
use crate::raw::Depth;

impl Folder {
    pub(super) fn bad_page_of_what_can_be_made(&self) -> Option<String> {
        let names = projection::tables().map(|(name, _)| name);
        self.cold
            .first_bad_page(|table| match names.contains(&table) {
                true => Depth::Leaves,
                false => Depth::Nothing,
            })
    }
}
