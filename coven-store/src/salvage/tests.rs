//! What is found beside the trees of a damaged file and never was of the log does not come back.

mod ghosts;
mod moments;
mod names;
mod refused;
mod turned;

use std::fs::{self, OpenOptions};
use std::os::unix::fs::FileExt;
use std::path::Path;

use coven_core::{Envelope, Event, Seq, SessionId};
use redb::ReadableTableMetadata;

use crate::cold::pack::Packer;
use crate::cold::segment::{self, SegmentRow};
use crate::file::{OsDisk, journal_path};
use crate::layout::ERASING;
use crate::raw::{PAGE, RawFile, Snapshot, can_begin};
use crate::stored::{EventRow, Opened, encode, put, sealed};
use crate::test_support::*;
use crate::{Import, NewEvent, Options, Salvaged, Store, inspect, journal, salvage};

/// All events of a log that was salvaged, and what was told.
async fn salvaged(path: &Path) -> (Vec<Envelope>, Salvaged) {
    let new = Home::new();
    let salvaged = salvage(path, &new.path(), &mut |_| {}).expect("it is salvaged");
    let store = new.open();
    let events = store.read_all(Seq::ZERO, ALL).expect("a read");
    store.close().await;
    (events, salvaged)
}

fn overwrite(path: &Path, at: u64, bytes: &[u8]) {
    let file = OpenOptions::new().write(true).open(path);
    file.expect("a file")
        .write_all_at(bytes, at)
        .expect("a write");
}

/// Has a file looked through beside its trees, which can be followed still.
fn damage_the_beginning(path: &Path) {
    overwrite(path, 0, b"x");
}

/// Takes all that is known of a file's trees away.
fn take_the_header(path: &Path) {
    overwrite(path, 0, &[0; PAGE]);
}

/// A page with one row.
fn leaf(key: &[u8], value: &[u8]) -> Vec<u8> {
    let end = 8 + key.len() + value.len();
    let mut page = vec![1, 0, 1, 0];
    page.extend(u32::try_from(end).expect("it is small").to_le_bytes());
    page.extend([key, value].concat());
    // Nothing that could be made shorter.
    page.extend(noise(77, PAGE.saturating_sub(end)));
    page
}

/// An event of a session that never was.
fn made_up(seq: u64) -> Vec<u8> {
    let envelope = Envelope {
        seq: Seq::new(seq),
        session: id("made-up"),
        at: at(1),
        actor: None,
        event: created(),
    };
    encode(&EventRow::from(&envelope))
}

fn page_of_a_segment() -> Vec<u8> {
    let (slot, seq) = (2_u64, 40_u64);
    let bytes = made_up(seq);
    let row = SegmentRow {
        seq: Seq::new(seq),
        bytes: &bytes,
        output: None,
    };
    let value = segment::encode(&mut Packer::new(), slot, &[row]);
    leaf(&[slot.to_le_bytes(), seq.to_le_bytes()].concat(), &value)
}

/// A group at a position, of one batch of one slot, as an opening of the log puts it into the journal.
fn group(
    (position, opened): (u64, Opened),
    slot: u64,
    session: &SessionId,
    rows: &[(u64, Vec<u8>)],
) -> Vec<u8> {
    let last = rows.last().expect("some").0;
    let mut bytes = vec![2];
    bytes.extend(last.to_le_bytes());
    bytes.extend(slot.to_le_bytes());
    bytes.extend(opened.began.to_le_bytes());
    bytes.extend(opened.by);
    let lens: Vec<u32> = rows.iter().map(|(_, row)| row.len() as u32).collect();
    put(&mut bytes, &(slot, rows[0].0, session.as_str(), lens));
    rows.iter().for_each(|(_, row)| bytes.extend(row));
    sealed::close(&mut bytes, &position.to_be_bytes());
    bytes
}

/// Who wrote the last group of a journal.
fn opened(journal: &Path) -> Opened {
    let journal = Snapshot::at_last(RawFile::open(&OsDisk, journal).expect("it can be read"));
    let last = inspect::groups(&journal).last().expect("it has groups");
    journal::opened(&last.bytes).expect("it says so")
}

fn page_of_a_part(position: u64, part: u32, bytes: &[u8]) -> Vec<u8> {
    let key = [&position.to_le_bytes()[..], &part.to_le_bytes()].concat();
    leaf(&key, bytes)
}

/// Where a page is in a file, if it begins where pages do.
fn page_at(path: &Path, page: &[u8]) -> Result<u64, u64> {
    let content = fs::read(path).expect("a file");
    let found: Vec<usize> = content
        .windows(64)
        .enumerate()
        .filter(|(_, window)| *window == &page[..64])
        .map(|(at, _)| at)
        .collect();
    let mut at = found.iter().map(|at| *at as u64);
    match at.clone().find(|at| can_begin(*at, PAGE)) {
        Some(at) => Ok(at),
        None => Err(at.next_back().expect("it was written")),
    }
}

/// A session that writes a page so many bytes into its output.
async fn write_a_page(store: &Store, page: &[u8], after: u64) {
    let mut data = noise(5, usize::try_from(9_000 + after).expect("it is small"));
    data.extend(page);
    data.extend(noise(6, 9_000));
    append(store, "a", vec![created(), started(), output(0, data)])
        .await
        .expect("a new session");
}

/// The same so that the page begins where one of the file does that `which` names; the files as they
/// are then, and what the log had.
async fn with_a_page(
    page: &[u8],
    is_closed: bool,
    which: impl Fn(&Path) -> std::path::PathBuf,
) -> (Home, Vec<Envelope>) {
    let mut after = 0;
    loop {
        let (home, copy) = (Home::new(), Home::new());
        let store = home.open();
        write_a_page(&store, page, after).await;
        let events = events_of(&store, "a");
        let take = || {
            for file in [Path::to_path_buf, journal_path] {
                fs::copy(file(&home.path()), file(&copy.path())).expect("a copy");
            }
        };
        if is_closed {
            store.close().await;
            take();
        } else {
            take();
            store.close().await;
        }
        match page_at(&which(&copy.path()), page) {
            Ok(_) => return (copy, events),
            Err(at) => {
                assert_eq!(after, 0, "it is where it was, but for that");
                after = PAGE as u64 - at % PAGE as u64;
            }
        }
    }
}

#[tokio::test]
async fn a_page_of_segments_in_what_a_session_wrote_is_not_taken_for_one() {
    let (home, events) = with_a_page(&page_of_a_segment(), true, Path::to_path_buf).await;
    take_the_header(&home.path());
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(found, events);
    assert_eq!(told.sessions, 1);
}

#[tokio::test]
async fn a_page_of_a_journal_in_what_a_session_wrote_is_not_taken_for_one() {
    let part = group((9, Opened::at(9)), 2, &id("made-up"), &[(40, made_up(40))]);
    let page = page_of_a_part(9, 0, &part);
    let (home, events) = with_a_page(&page, false, journal_path).await;
    take_the_header(&journal_path(&home.path()));
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(found, events);
    assert_eq!(told.sessions, 1);
}

fn has(content: &[u8], bytes: &[u8]) -> bool {
    content.windows(bytes.len()).any(|window| window == bytes)
}

/// A closed log in whose file there is room, since a session was deleted.
async fn home_with_room() -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "long").await;
    for n in 0..100 {
        let said = vec![output(n * 40_000, noise(1_000 + n, 40_000))];
        append(&store, "long", said).await.expect("it goes on");
    }
    store.fold();
    ended(&store, "before").await;
    store.fold();
    let end = vec![output_closed(), exited(0), Event::Deleted];
    append(&store, "long", end).await.expect("it is deleted");
    store.fold();
    while store.run(|txn| Ok(txn.open_table(ERASING)?.len()?)) != Ok(0) {
        store.fold();
    }
    store.close().await;
    home
}

#[tokio::test]
async fn what_an_import_that_was_given_up_left_in_the_file_does_not_come_back() {
    let home = home_with_room().await;
    let options = Options {
        cache_bytes: 1 << 20,
        ..Options::default()
    };
    let mut import = Import::begin(&home.path(), options, id("given-up")).expect("it begins");
    let outputs = (0..300).map(|n| output(n * 40_000, noise(n, 40_000)));
    for event in [created(), started()].into_iter().chain(outputs) {
        let (at, actor) = (at(1), None);
        import
            .push(&NewEvent { at, actor, event })
            .expect("it follows");
    }
    drop(import);
    let store = home.open();
    running(&store, "after").await;
    running(&store, "other").await;
    for n in 0..10 {
        let said = vec![output(n * 100, noise(n, 100))];
        append(&store, "other", said).await.expect("it goes on");
    }
    let events = store.read_all(Seq::ZERO, ALL).expect("a read");
    store.close().await;
    // Beside what has the same places now: some that are another session's, and some that nobody has.
    let content = fs::read(home.path()).expect("a file");
    for number in [9, 16] {
        assert!(has(&content, &noise(number, 40_000)[..64]), "{number}");
    }
    damage_the_beginning(&home.path());
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(found, events);
    assert_eq!((told.sessions, told.changed), (3, Vec::new()));
}

/// A log whose journal has all of it, in groups, one of which is of several parts: as a crash
/// leaves it.
async fn journal() -> (Home, Vec<Envelope>) {
    let (home, copy) = (Home::new(), Home::new());
    let store = home.open();
    running(&store, "a").await;
    let outputs = (0..8).map(|n| output(n * 50_000, noise(n, 50_000)));
    append(&store, "a", outputs.collect())
        .await
        .expect("it goes on");
    append(&store, "a", vec![output_closed(), exited(0)])
        .await
        .expect("it ends");
    let events = events_of(&store, "a");
    for file in [Path::to_path_buf, journal_path] {
        fs::copy(file(&home.path()), file(&copy.path())).expect("a copy");
    }
    store.close().await;
    (copy, events)
}

/// Puts a page behind all others of a file.
fn add_page(path: &Path, page: &[u8]) {
    let len = fs::metadata(path).expect("a file").len();
    assert!(can_begin(len, page.len()), "{len}");
    overwrite(path, len, page);
}

/// Moves the page that has a row with such a key behind all others of a file; where it was.
fn move_page(path: &Path, key: &[u8]) -> u64 {
    let content = fs::read(path).expect("a file");
    let rows = |at: usize| usize::from(u16::from_le_bytes([content[at + 2], content[at + 3]]));
    // The ends of the values, and then the keys.
    let keys = |at: usize| at + 4 + 4 * rows(at)..at + 4 + (4 + key.len()) * rows(at);
    let is_it = |at: &usize| {
        let keys = content.get(keys(*at)).unwrap_or_default();
        content[*at] == 1 && keys.chunks(key.len()).any(|found| found == key)
    };
    let mut pages = (0..content.len()).step_by(PAGE);
    let at = pages.find(is_it).expect("it is there");
    let end = keys(at).start;
    let end = u32::from_le_bytes(content[end - 4..end].try_into().expect("four"));
    let page = &content[at..at + (end as usize).next_multiple_of(PAGE)];
    let mut behind = content.len() as u64;
    while !can_begin(behind, page.len()) {
        behind += PAGE as u64;
    }
    overwrite(path, behind, page);
    at as u64
}

#[tokio::test]
async fn another_group_at_the_position_of_one_that_is_there_is_not_taken() {
    let (home, events) = journal().await;
    let journal = journal_path(&home.path());
    // The third is the end of the session, after its eight outputs.
    let envelope = Envelope {
        event: Event::OutputClosed {
            end: coven_core::OutputEnd::Cut,
        },
        ..events[10].clone()
    };
    let row = encode(&EventRow::from(&envelope));
    let failed = group((3, opened(&journal)), 1, &id("a"), &[(11, row)]);
    add_page(&journal, &page_of_a_part(3, 0, &failed));
    // The one before it is lost, so that it is searched for.
    for at in places_of(&noise(0, 50_000)[..64], &journal) {
        overwrite(&journal, at, &[0; 64]);
    }
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(told.untied.events, 8);
    assert_eq!(found[found.len() - 2..], events[10..]);
}

#[tokio::test]
async fn a_group_is_put_together_out_of_the_parts_that_belong_together() {
    let (home, events) = journal().await;
    let journal = journal_path(&home.path());
    let part = page_of_a_part(2, 1, &noise(9, 500));
    // One that is tried before the right one, and one that is tried after it.
    let at = move_page(&journal, &part[8..20]);
    overwrite(&journal, at, &part);
    let len = fs::metadata(&journal).expect("a file").len();
    let other = page_of_a_part(2, 1, &noise(10, 500));
    overwrite(&journal, len.next_multiple_of(PAGE as u64), &other);
    take_the_header(&journal);
    let (found, _) = salvaged(&home.path()).await;
    assert_eq!(found, events);
}

#[tokio::test]
async fn an_offset_that_nothing_can_come_before_costs_neither_memory_nor_the_rest() {
    let (home, copy) = (Home::new(), Home::new());
    let store = home.open();
    running(&store, "a").await;
    append(&store, "a", vec![output(0, "said")])
        .await
        .expect("it goes on");
    let events = events_of(&store, "a");
    for file in [Path::to_path_buf, journal_path] {
        fs::copy(file(&home.path()), file(&copy.path())).expect("a copy");
    }
    store.close().await;
    let journal = journal_path(&copy.path());
    let envelope = Envelope {
        seq: Seq::new(4),
        event: output(u64::MAX - 10, "far away"),
        ..events[2].clone()
    };
    let row = encode(&EventRow::from(&envelope));
    let claims = group((3, opened(&journal)), 1, &id("a"), &[(4, row)]);
    add_page(&journal, &page_of_a_part(3, 0, &claims));
    take_the_header(&journal);
    let (found, told) = salvaged(&copy.path()).await;
    assert_eq!(found, events);
    let left_out: Vec<u64> = told.changed.iter().map(|it| it.left_out).collect();
    assert_eq!(left_out, [1]);
}
