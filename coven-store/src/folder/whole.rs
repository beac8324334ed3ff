//! Whether the pages of what follows from the events are what they were: asked once, as the log was opened, and
//! before all of it is made anew.
//!
//! One that is not is refused to who reads it, and made anew once a fold meets it: until then sessions could not be
//! found, and one that lives could not be told anything.

use super::Folder;
use crate::projection;

impl Folder {
    pub(super) fn bad_page_of_what_can_be_made(&self) -> Option<String> {
        let names = projection::tables().map(|(name, _)| name);
        self.cold.first_bad_page(|table| names.contains(&table))
    }
}
