//! `Written`: what was written to a file that its last durable commit does not speak of.
//!
//! redb goes on after a commit: it takes back the pages that the commit set free in a commit of its
//! own, which it does not make durable. The pages that this one uses are free as far as the durable
//! one knows. They are in memory, or, where memory is short, in the file.

use std::ops::Range;

/// Where the roots of the commits are. It is written for a commit that is to be durable, and for
/// nothing else while the file is in use.
const HEADER_AT: u64 = 0;

#[derive(Debug, Default)]
pub(super) struct Written {
    /// Since the last commit, in the order of writing.
    ranges: Vec<Range<u64>>,
    /// Of a commit that is being synced.
    syncing: Vec<Range<u64>>,
    /// The next sync makes a commit durable.
    is_committed: bool,
    /// A sync failed: it is not known what the disk has.
    is_unknown: bool,
}

impl Written {
    pub(super) fn write(&mut self, offset: u64, len: usize) {
        if offset == HEADER_AT {
            self.is_committed = true;
            return;
        }
        let end = offset + len as u64;
        match self.ranges.last_mut() {
            Some(last) if last.end == offset => last.end = end,
            _ => self.ranges.push(offset..end),
        }
    }

    /// A sync begins. Without a commit it makes the file longer, and no more.
    pub(super) fn sync_begins(&mut self) {
        if std::mem::take(&mut self.is_committed) {
            self.syncing.append(&mut self.ranges);
            self.ranges = Vec::new();
        }
    }

    pub(super) fn sync_ends(&mut self, is_done: bool) {
        if is_done {
            self.syncing = Vec::new();
        } else {
            self.is_unknown = true;
        }
    }

    /// The parts of `range` that were not written to.
    pub(super) fn spares(&self, range: Range<u64>) -> Vec<Range<u64>> {
        if self.is_unknown {
            return Vec::new();
        }
        let written = self.ranges.iter().chain(&self.syncing);
        let mut written: Vec<_> = written
            .filter(|it| it.start < range.end && range.start < it.end)
            .collect();
        written.sort_by_key(|it| it.start);
        let mut spared = Vec::new();
        let mut start = range.start;
        for it in written {
            if start < it.start {
                spared.push(start..it.start);
            }
            start = start.max(it.end);
        }
        if start < range.end {
            spared.push(start..range.end);
        }
        spared
    }
}

#[cfg(test)]
mod tests {
    use super::Written;

    #[test]
    fn what_was_written_since_the_last_durable_commit_is_not_spare() {
        let mut written = Written::default();
        assert_eq!(written.spares(10..90).first(), Some(&(10..90)));
        written.write(40, 10);
        written.write(50, 10);
        written.write(20, 10);
        written.write(85, 10);
        assert_eq!(written.spares(10..90), [10..20, 30..40, 60..85]);
        assert_eq!(written.spares(42..58), []);
        // The file grew, and nothing was committed.
        written.sync_begins();
        written.sync_ends(true);
        assert_eq!(written.spares(40..60), []);
        written.write(0, 320);
        assert_eq!(written.spares(40..60), []);
        written.sync_begins();
        written.write(70, 10);
        assert_eq!(written.spares(40..90), [60..70, 80..85]);
        written.sync_ends(true);
        assert_eq!(written.spares(10..90), [10..70, 80..90]);
    }

    #[test]
    fn after_a_sync_that_failed_nothing_is_spare() {
        let mut written = Written::default();
        written.sync_begins();
        written.sync_ends(false);
        assert_eq!(written.spares(10..90), []);
    }
}
