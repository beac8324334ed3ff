mod contradicted;
mod damaged;
mod rivals;

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::ops::Range;

use coven_core::Event;

use super::*;
use crate::raw::pages;
use crate::read::{Archived, Page};
use crate::test_support::*;
use crate::writer::journal_mark;

/// Opens the log, and says how far it is, and how far its journal is.
fn marks(home: &Home) -> (Mark, Mark) {
    let disk: Arc<dyn Disk> = Arc::new(OsDisk);
    let files = opening::open(&disk, &home.path(), Options::default()).expect("it opens");
    let journal = &files.journal.database;
    let journal = journal
        .read_once(|txn| journal_mark(txn, &[]))
        .expect("a mark");
    (files.tail.last(), journal)
}

#[tokio::test]
async fn a_journal_counts_on_from_an_import_even_if_a_crash_kept_it_from_being_told() {
    let home = Home::new();
    let store = home.open();
    ended(&store, "before").await;
    store.close().await;
    let journal = home.dir().join("coven.redb.journal");
    let before = fs::read(&journal).expect("the journal");
    let mut import = Import::begin(&home.path(), Options::default(), id("a")).expect("it begins");
    for event in [created(), started(), output_closed(), exited(0)] {
        let (at, actor) = (at(1), None);
        import
            .push(&NewEvent { at, actor, event })
            .expect("it follows");
    }
    let last = import.commit().expect("it is imported").last_seq;
    let told = fs::read(&journal).expect("the journal");
    assert!(told != before, "it was told");
    for content in [told, before] {
        fs::write(&journal, content).expect("the journal");
        let (log, journal) = marks(&home);
        assert_eq!((log.seq(), journal), (last, log));
    }
}

fn push_all(import: &mut Import, events: &[Event]) {
    for event in events {
        let (at, actor, event) = (at(1), None, event.clone());
        import
            .push(&NewEvent { at, actor, event })
            .expect("it follows");
    }
}

/// A session that says much.
fn talk(seed: u64, outputs: u64) -> Vec<Event> {
    let said = (0..outputs).map(|number| output(number * 40_000, noise(seed + number, 40_000)));
    [created(), started()].into_iter().chain(said).collect()
}

/// Begins to import the session `right`, and has all its events.
fn begin_right(home: &Home) -> Import {
    let begun = Import::begin(&home.path(), Options::default(), id("right"));
    let mut import = begun.expect("it begins");
    push_all(&mut import, &talk(1000, 40));
    import
}

fn import_right(home: &Home) {
    begin_right(home).commit().expect("it is imported");
}

/// A log that an import of `id` died in, as it had written all of its events.
fn died_importing(home: &Home, id: &SessionId, events: &[Event]) -> Home {
    let begun = Import::begin(&home.path(), Options::default(), id.clone());
    let mut import = begun.expect("it begins");
    push_all(&mut import, events);
    copy(home)
}

/// Another log with the same bytes.
fn copy(home: &Home) -> Home {
    let copy = Home::new();
    fs::copy(home.path(), copy.path()).expect("a copy");
    fs::copy(home.journal(), copy.journal()).expect("a copy");
    copy
}

fn slots_of_segments(home: &Home) -> BTreeSet<u64> {
    let pages = pages(&home.path(), "segments").into_iter();
    pages
        .flat_map(|page| page.keys)
        .map(|(slot, _)| slot)
        .collect()
}

#[tokio::test]
async fn no_session_has_the_slot_that_an_import_which_came_to_nothing_began_with() {
    let home = Home::new();
    let store = home.open();
    running(&store, "before").await;
    store.close().await;
    let home = died_importing(&home, &id("wrong"), &talk(0, 90));
    drop(Import::begin(&home.path(), Options::default(), id("dropped")).expect("it begins"));
    import_right(&home);
    let store = home.open();
    running(&store, "behind").await;
    store.fold();
    store.close().await;
    assert_eq!(slots_of_segments(&home), BTreeSet::from([1, 4, 5]));
    let found = crate::inspect(&home.path(), &mut |_| {}).expect("a look");
    assert_eq!(found.problems, []);
    let new = Home::new();
    let salvaged = crate::salvage(&home.path(), &new.path(), &mut |_| {}).expect("it is salvaged");
    assert_eq!(salvaged.untraced, 0);
    let again = Home::new();
    let salvaged = crate::salvage(&new.path(), &again.path(), &mut |_| {}).expect("it is salvaged");
    assert_eq!(salvaged.untraced, 0);
}

#[tokio::test]
async fn a_salvage_takes_nothing_that_an_import_which_came_to_nothing_wrote() {
    let home = Home::new();
    let store = home.open();
    running(&store, "before").await;
    store.close().await;
    let home = died_importing(&home, &id("wrong"), &talk(0, 90));
    let written = fs::metadata(home.path()).expect("a file").len();
    assert!(written > 1 << 20, "it wrote {written} bytes");
    import_right(&home);
    let whole = fs::read(home.path()).expect("a file");
    let said = |event: &Event| match event {
        Event::Output { data, .. } => Some(data.clone()),
        _ => None,
    };
    let wrong: Vec<_> = talk(0, 90).iter().filter_map(said).collect();
    // With the order the log knows less of whose events are in which place.
    let of = |table| pages(&home.path(), table).remove(0).place;
    let of_others: [Vec<Range<usize>>; 3] =
        [vec![], vec![of("order")], vec![of("order"), of("slots")]];
    let leaves = pages(&home.path(), "segments").into_iter();
    let damages = leaves.flat_map(|leaf| {
        of_others
            .clone()
            .map(|of| [of, vec![leaf.place.clone()]].concat())
    });
    for damaged in damages.collect::<Vec<_>>() {
        let mut file = whole.clone();
        for page in damaged {
            file[page].fill(0x77);
        }
        fs::write(home.path(), file).expect("a write");
        let new = Home::new();
        crate::salvage(&home.path(), &new.path(), &mut |_| {}).expect("it is salvaged");
        let store = new.open();
        let page = Page {
            before: None,
            limit: 100,
            archived: Archived::Included,
        };
        let sessions = store.list(&page).expect("a list").records.into_iter();
        for session in sessions.map(|record| record.session.profile.id.clone()) {
            let events = events_of(&store, session.as_str());
            let mut said = events.iter().filter_map(|it| said(&it.event));
            assert!(!said.any(|data| wrong.contains(&data)), "{session}");
        }
        store.close().await;
    }
}

#[tokio::test]
async fn a_session_that_was_deleted_is_not_brought_in() {
    let home = Home::new();
    home.open().close().await;
    let mut import = begin_right(&home);
    push_all(&mut import, &[output_closed(), exited(0)]);
    let deleted = NewEvent {
        at: at(1),
        actor: None,
        event: Event::Deleted,
    };
    let pushed = import.push(&deleted);
    assert!(matches!(pushed, Err(ImportError::Deleted)), "{pushed:?}");
    drop(import);
    let store = home.open();
    assert_eq!(store.record(&id("right")).expect("a read"), None);
    store.close().await;
    import_right(&home);
}
