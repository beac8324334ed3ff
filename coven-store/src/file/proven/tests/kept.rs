//! Short pages that are kept.

use std::sync::atomic::AtomicU64;

use super::*;
use crate::file::forward::forward_locks;

/// A file in memory that counts the reads of its shortest pages.
#[derive(Debug, Default)]
struct Counted {
    file: InMemoryBackend,
    reads: Arc<AtomicU64>,
}

impl StorageBackend for Counted {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        if out.len() == PAGE {
            self.reads.fetch_add(1, Ordering::Relaxed);
        }
        self.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.file.write(offset, data)
    }

    fn close(&self) -> io::Result<()> {
        self.file.close()
    }

    forward_locks!(self => self.file);
}

/// A database on a file that keeps so many short pages.
fn database_that_keeps(pages: usize) -> (Proven, Database, Arc<AtomicU64>) {
    let file = Counted::default();
    let reads = Arc::clone(&file.reads);
    let (proven, db) = database_on(proven_that_keeps(file, pages * PAGE));
    reads.store(0, Ordering::Relaxed);
    (proven, db, reads)
}

#[test]
fn a_short_page_is_read_from_the_file_once_where_there_is_room_to_keep_it() {
    let (_, db, reads) = database_that_keeps(2 * ROWS as usize);
    let mut before = 0;
    for is_kept in [false, true, true] {
        assert_eq!(read(&db).expect("it is whole"), 3 * ROWS);
        let now = reads.swap(0, Ordering::Relaxed);
        assert_eq!(now == 0, is_kept, "{now}");
        before += now;
    }
    let (_, db, reads) = database_that_keeps(0);
    for _ in 0..3 {
        assert_eq!(read(&db).expect("it is whole"), 3 * ROWS);
    }
    assert!(reads.load(Ordering::Relaxed) >= 3 * before);
}

#[test]
fn what_is_written_over_pages_that_are_kept_is_read() {
    let (_, db, _) = database_that_keeps(2 * ROWS as usize);
    for round in 1..4 {
        assert_eq!(read(&db).expect("it is whole"), 3 * ROWS);
        write(&db, 0..ROWS * round / 4);
    }
    let txn = db.begin_write().expect("memory");
    txn.open_table(IDS)
        .expect("a table")
        .retain(|id, _| id.ends_with('7'))
        .expect("memory");
    txn.commit().expect("memory");
    assert_eq!(read(&db).expect("it is whole"), 2 * ROWS + ROWS / 10);
}

#[test]
fn a_page_that_is_not_what_it_is_to_be_is_not_kept() {
    let (proven, db, _) = database_that_keeps(2 * ROWS as usize);
    let widths = Widths {
        key: Some(16),
        value: None,
    };
    let at = leaves(&proven, SEGMENTS.name(), widths)[1];
    turn(&proven, at + 2, 3);
    let mut page = [0; PAGE];
    for _ in 0..2 {
        proven.read(at, &mut page).expect_err("it is refused");
    }
    turn(&proven, at + 2, 3);
    proven.read(at, &mut page).expect("it is right again");
    assert_eq!(read(&db).expect("it is whole"), 3 * ROWS);
}

#[test]
fn nothing_is_kept_before_it_is_known_what_pages_are_to_be() {
    let file = Counted::default();
    let reads = Arc::clone(&file.reads);
    let proven = proven_that_keeps(file, 8 * PAGE);
    proven.set_len(2 * PAGE as u64).expect("memory");
    proven.write(0, &[1; 2 * PAGE]).expect("memory");
    for _ in 0..2 {
        proven.read(0, &mut [0; PAGE]).expect("memory");
    }
    assert_eq!(reads.load(Ordering::Relaxed), 2);
}
