use std::cell::Cell;
use std::io;
use std::sync::mpsc::{self, Sender};
use std::thread;
use std::time::Duration;

use redb::backends::InMemoryBackend;
use redb::{StorageBackend, TableDefinition};

use super::*;

fn empty() -> redb::Database {
    let backend = InMemoryBackend::new();
    let db = redb::Database::builder().create_with_backend(backend);
    db.expect("it is created")
}

/// Puts another database in place at the first of the reads.
struct Replaced {
    database: Database,
    reads: Cell<u32>,
}

impl Replaced {
    fn at_the_first_read() -> Self {
        Self {
            database: Database::new(empty(), None),
            reads: Cell::new(0),
        }
    }

    fn read(&self) -> u32 {
        self.reads.set(self.reads.get() + 1);
        if self.reads.get() == 1 {
            self.database.take_away();
            self.database.put(empty(), None);
        }
        self.reads.get()
    }
}

#[test]
fn what_is_found_in_a_file_that_is_opened_again_meanwhile_is_read_again() {
    let replaced = Replaced::at_the_first_read();
    let found = replaced.database.read(|_| Ok(replaced.read()), |_| {});
    assert_eq!(found, Ok(2));
}

#[test]
fn what_seems_damaged_in_a_file_that_is_opened_again_meanwhile_is_not_told_as_damage() {
    let replaced = Replaced::at_the_first_read();
    let read = |_: &ReadTransaction| match replaced.read() {
        1 => panic!("a page of the database is no page, as redb says"),
        read => Ok(read),
    };
    assert_eq!(replaced.database.read(read, |_| {}), Ok(2));
}

#[test]
fn who_reads_once_is_told_that_the_file_was_opened_again_meanwhile() {
    let replaced = Replaced::at_the_first_read();
    let found = replaced.database.read_once(|_| Ok(replaced.read()));
    assert_eq!(found, Err(Fault::Stale));
}

/// Says when it is read, and does it once it may.
#[derive(Debug)]
struct Hanging {
    file: InMemoryBackend,
    may_read: Arc<RwLock<()>>,
    is_read: Mutex<Sender<()>>,
}

impl StorageBackend for Hanging {
    fn len(&self) -> io::Result<u64> {
        self.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        let is_read = self.is_read.lock().expect("nobody panicked");
        let _ = is_read.send(());
        drop(is_read);
        let _may_read = self.may_read.read();
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
}

#[test]
fn while_a_read_hangs_as_it_begins_nobody_else_waits_to_be_told_which_opening_it_is() {
    let may_read = Arc::new(RwLock::new(()));
    let (is_read, reads) = mpsc::channel();
    let file = Hanging {
        file: InMemoryBackend::new(),
        may_read: Arc::clone(&may_read),
        is_read: Mutex::new(is_read),
    };
    let mut builder = redb::Database::builder();
    let db = builder.set_cache_size(0).create_with_backend(file);
    let db = db.expect("it is created");
    let txn = db.begin_write().expect("a transaction");
    let table = TableDefinition::<u64, u64>::new("some");
    drop(txn.open_table(table).expect("a table"));
    txn.commit().expect("a commit");
    let database = Database::new(db, None);
    let hang = may_read.write().expect("nobody panicked");
    while reads.try_recv().is_ok() {}
    let (answer, told) = mpsc::channel();
    let (read, told) = thread::scope(|scope| {
        let reader = scope.spawn(|| database.read(|_| Ok(()), |_| {}));
        reads.recv().expect("the reader reads");
        let _asks = scope.spawn(|| answer.send((database.opening(), database.is_open(0))));
        let told = told.recv_timeout(Duration::from_secs(10));
        drop(hang);
        (reader.join().expect("no panic"), told)
    });
    assert_eq!((read, told), (Ok(()), Ok((Some(0), true))));
}
