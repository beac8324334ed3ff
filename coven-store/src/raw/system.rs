//! What redb keeps for itself: which pages are free, and which will be.
//!
//! It believes that without a look, and panics on what is damaged in the middle of a commit, where
//! no panic can be caught: its own destructors panic again. But all of it follows from the rest: a
//! commit that has none of it is one that redb makes it anew for when it opens the file, after it
//! has checked every page.

use std::io;

use super::header::{COMMIT_BYTES, Header, without_system};
use super::{BadPage, RawFile, Snapshot};

/// What to write where.
pub(crate) struct Patch {
    pub(crate) at: u64,
    pub(crate) bytes: Vec<u8>,
    /// Why: the first page that is damaged.
    pub(crate) found: BadPage,
}

/// How to have redb make anew what it keeps for itself, where a page of that is damaged and it
/// would be believed. Reads those pages, which are few.
pub(crate) fn without_damaged_system(file: RawFile) -> io::Result<Option<Patch>> {
    let header = Header::read(&file);
    let snapshot = Snapshot::of_first_commit(file, header);
    let Some(at) = snapshot.header.believed_at else {
        return Ok(None);
    };
    snapshot.look_at_the_system();
    let Some(found) = snapshot.take_bad().into_iter().next() else {
        return Ok(None);
    };
    let at = at as u64;
    let slot = snapshot.file.read(at, COMMIT_BYTES)?;
    Ok(Some(Patch {
        at,
        bytes: without_system(slot),
        found,
    }))
}

#[cfg(test)]
mod tests {
    use std::fs;

    use coven_core::Seq;

    use super::*;
    use crate::file::OsDisk;
    use crate::test_support::{ALL, Home, append, events_of, id, output, running};

    fn is_hit(path: &std::path::Path) -> bool {
        let file = RawFile::open(&OsDisk, path).expect("it is not open");
        without_damaged_system(file).expect("a read").is_some()
    }

    #[tokio::test]
    async fn damage_of_what_the_database_keeps_for_itself_costs_nothing() {
        let home = Home::new();
        let store = home.open();
        running(&store, "a").await;
        store.close().await;
        let store = home.open();
        append(&store, "a", vec![output(0, "x")])
            .await
            .expect("it follows");
        store.close().await;
        let before = {
            let store = home.open();
            let before = events_of(&store, "a");
            store.close().await;
            before
        };
        for path in [home.path(), crate::file::journal_path(&home.path())] {
            let whole = fs::read(&path).expect("a file");
            assert!(!is_hit(&path), "it is whole");
            let mut hit = 0;
            // Behind the first page: the beginnings of all pages, and of what is in them.
            for at in (4096..whole.len())
                .step_by(4096)
                .flat_map(|at| at + 2..at + 14)
            {
                let mut bytes = whole.clone();
                bytes[at] ^= 0x80;
                fs::write(&path, &bytes).expect("a write");
                if !is_hit(&path) {
                    continue;
                }
                hit += 1;
                let store = home.open();
                let read = store.read(&id("a"), Seq::ZERO, ALL).expect("a read");
                assert_eq!(read, before, "{} at {at}", path.display());
                store.close().await;
                assert!(!is_hit(&path), "it was made anew");
            }
            assert!(hit > 0, "some page is that of the system");
            fs::write(&path, &whole).expect("a write");
        }
    }
}
