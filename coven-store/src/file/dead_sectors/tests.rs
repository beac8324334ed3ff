use std::sync::atomic::AtomicUsize;

use redb::backends::InMemoryBackend;

use super::*;
use crate::database::guarded_read;

const BYTES: u64 = 4096;

/// A file in which the disk does not give some pages, by number, or as many reads from now on.
#[derive(Clone, Debug, Default)]
struct Failing(Arc<Faults>);

#[derive(Debug, Default)]
struct Faults {
    file: InMemoryBackend,
    dead: Mutex<Vec<u64>>,
    fails: AtomicUsize,
    reads: AtomicUsize,
}

impl Failing {
    fn with(dead: impl IntoIterator<Item = u64>) -> Self {
        let failing = Self::default();
        failing.0.file.set_len(1024 * BYTES).expect("memory");
        failing.is_dead(dead);
        failing
    }

    fn is_dead(&self, dead: impl IntoIterator<Item = u64>) {
        *self.0.dead.lock().expect("no panic") = dead.into_iter().collect();
    }

    fn reads(&self) -> usize {
        self.0.reads.load(Ordering::Relaxed)
    }

    /// As the log has it open.
    fn watched(&self) -> (DeadSectors, Watched) {
        let dead = DeadSectors::default();
        let file = Watched {
            file: Box::new(self.clone()),
            dead: dead.clone(),
        };
        (dead, file)
    }
}

impl StorageBackend for Failing {
    fn len(&self) -> io::Result<u64> {
        self.0.file.len()
    }

    fn read(&self, offset: u64, out: &mut [u8]) -> io::Result<()> {
        self.0.reads.fetch_add(1, Ordering::Relaxed);
        let fails = &self.0.fails;
        let one_less = |left: usize| left.checked_sub(1);
        let fails = fails.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_less);
        let dead = self.0.dead.lock().expect("no panic");
        let mut pages = offset / BYTES..(offset + out.len() as u64).div_ceil(BYTES);
        if fails.is_ok() || pages.any(|page| dead.contains(&page)) {
            return Err(Errno::IO.into());
        }
        self.0.file.read(offset, out)
    }

    fn set_len(&self, len: u64) -> io::Result<()> {
        self.0.file.set_len(len)
    }

    fn sync_data(&self) -> io::Result<()> {
        Ok(())
    }

    fn write(&self, offset: u64, data: &[u8]) -> io::Result<()> {
        self.0.file.write(offset, data)
    }
}

fn page(file: &dyn StorageBackend, number: u64) -> io::Result<()> {
    file.read(number * BYTES, &mut [0; BYTES as usize])
}

/// What who reads is told.
fn read(file: &dyn StorageBackend, number: u64) -> Result<(), Fault> {
    guarded_read(|| Ok(page(file, number).map_err(redb::StorageError::from)?))
}

fn io_fault() -> Fault {
    redb::StorageError::Io(Errno::IO.into()).into()
}

#[test]
fn who_reads_is_told_of_damage_and_who_writes_of_an_error_and_where_it_was() {
    let (dead, file) = Failing::with([7]).watched();
    let told = damage("the disk does not give all of 4096 bytes at byte 28672");
    assert_eq!(read(&file, 7), Err(told.clone()));
    assert_eq!(dead.take_refused(), None);
    assert!(is_not_given(&page(&file, 7).expect_err("it is dead")));
    assert_eq!(dead.take_refused(), Some(told));
    assert_eq!(dead.take_refused(), None);
    assert_eq!(read(&file, 8), Ok(()));
}

#[test]
fn of_a_long_place_that_the_disk_does_not_give_what_is_before_and_behind_the_dead_part_is_read() {
    let failing = Failing::with([5, 6]);
    let (_, file) = failing.watched();
    let long = |file: &Watched| file.read(4 * BYTES, &mut [0; 4 * BYTES as usize]);
    assert!(long(&file).is_err());
    assert_eq!(
        [4, 5, 6, 7].map(|it| read(&file, it).is_ok()),
        [true, false, false, true]
    );
    // That these two were read says nothing of what is between them.
    let before = failing.reads();
    assert!(long(&file).is_err());
    assert_eq!(
        failing.reads(),
        before,
        "the disk is not asked again so soon"
    );
}

#[test]
fn what_is_given_when_it_is_asked_for_again_is_read() {
    let failing = Failing::with([]);
    let (_, file) = failing.watched();
    failing.0.fails.store(1, Ordering::Relaxed);
    page(&file, 7).expect("the second time");
    assert_eq!(failing.reads(), 2);
}

#[test]
fn a_disk_that_gives_no_other_place_and_a_first_page_are_errors_and_nothing_is_damaged() {
    let failing = Failing::with(0..1024);
    let (dead, file) = failing.watched();
    assert_eq!(read(&file, 7), Err(io_fault()));
    failing.is_dead([0]);
    assert_eq!(read(&file, 0), Err(io_fault()));
    assert_eq!(dead.take_refused(), None);
    assert_eq!(read(&file, 7), Ok(()));
}

#[test]
fn a_disk_that_does_not_give_too_many_places_fails() {
    let most = MAX_DEAD_PLACES as u64;
    let failing = Failing::with(1..=most + 1);
    let (_, file) = failing.watched();
    for number in 1..=most {
        assert!(matches!(read(&file, number), Err(Fault::Damage(_))));
    }
    let mut one_more = read(&file, most + 1);
    // However slow this machine is, those before it are asked for again.
    while matches!(one_more, Err(Fault::Damage(_))) {
        (1..=most).for_each(|number| drop(read(&file, number)));
        one_more = read(&file, most + 1);
    }
    assert_eq!(one_more, Err(io_fault()));
}

#[test]
fn a_dead_place_is_asked_for_again_after_a_while_and_at_once_when_it_was_written() {
    let failing = Failing::with([7]);
    let (_, file) = failing.watched();
    assert!(read(&file, 7).is_err());
    failing.is_dead([]);
    file.write(7 * BYTES, &[1; BYTES as usize]).expect("memory");
    assert_eq!(read(&file, 7), Ok(()));
    failing.is_dead([7]);
    assert!(read(&file, 7).is_err());
    failing.is_dead([]);
    while read(&file, 7).is_err() {
        std::thread::yield_now();
    }
}
