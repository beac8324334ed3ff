//! A group that was never committed, whole in a page of the journal that nothing leads to: whoever opened the log next
//! gave its position and its seqs to others.

use coven_core::Title;

use super::*;
use crate::raw::pages;

/// Bytes of what a group has that has its page to itself.
const LONG: usize = 255_000;

fn copy(home: &Home) -> Home {
    let copy = Home::new();
    for file in [Path::to_path_buf, journal_path] {
        fs::copy(file(&home.path()), file(&copy.path())).expect("a copy");
    }
    copy
}

/// A log that was killed as it committed the deletion of `precious`: its pages are written, and the one that leads to
/// them is not.
async fn killed() -> Home {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "precious").await;
    let said = vec![output(0, "kept")];
    append(&store, "precious", said).await.expect("it goes on");
    store.close().await;
    let store = home.open();
    let kept = copy(&home);
    // It is so long that its page is used by no other for a while.
    let said = output(4, text(LONG));
    let never = vec![said, output_closed(), exited(0), Event::Deleted];
    append(&store, "precious", never).await.expect("it is gone");
    let mut journal = fs::read(home.journal()).expect("a file");
    store.close().await;
    let first_page = fs::read(kept.journal()).expect("a file");
    journal[..PAGE].copy_from_slice(&first_page[..PAGE]);
    fs::write(kept.journal(), journal).expect("a write");
    kept
}

fn title(title: &str) -> Event {
    Event::Titled {
        title: Title::parse(title).expect("a title"),
    }
}

/// Text of which nothing is found twice.
fn text(len: usize) -> String {
    let letters = noise(3, len).into_iter();
    letters.map(|byte| char::from(b'a' + byte % 26)).collect()
}

/// The log as who opens it next leaves it, killed after so many events, and what it has.
async fn gone_on(killed: &Home, events: usize) -> (Home, Vec<Envelope>) {
    let store = killed.open();
    store.fold();
    for number in 0..events {
        let renamed = vec![title(&format!("acknowledged {number} {}", "y".repeat(100)))];
        append(&store, "a", renamed).await.expect("it goes on");
    }
    let left = copy(killed);
    let had = store.read_all(Seq::ZERO, ALL).expect("a read");
    store.close().await;
    (left, had)
}

#[tokio::test]
async fn a_group_that_was_let_go_of_takes_the_place_of_none_that_was_acknowledged_and_is_lost() {
    for events in [1, 2] {
        let (left, had) = gone_on(&killed().await, events).await;
        let ghost = text(LONG).into_bytes();
        let journal = fs::read(left.journal()).expect("a file");
        let mut windows = journal.windows(64);
        assert!(windows.any(|bytes| *bytes == ghost[5_000..5_064]));
        lose_the_first_leaf(&left);
        let what = format!("{events}");
        let lost = nothing_comes_back_that_never_was(&left, &had, &what).await;
        assert!(lost > 0, "{what}");
    }
}

#[tokio::test]
async fn no_group_of_an_opening_before_takes_the_place_of_one_that_is_lost_whoever_wrote_it() {
    for events in [1, 2, 60] {
        let (left, had) = gone_on(&killed().await, events).await;
        let seq = had[had.len() - events].seq;
        let wrote = opened(&left.journal());
        lose_the_first_leaf(&left);
        let began = [wrote.began, wrote.began - 1, 1];
        for other in began.map(Opened::at) {
            let left = copy(&left);
            let never = Envelope {
                seq,
                session: id("precious"),
                event: Event::Deleted,
                ..had[0].clone()
            };
            let row = encode(&EventRow::from(&never));
            let ghost = group((wrote.began, other), 2, &never.session, &[(seq.get(), row)]);
            add_page(&left.journal(), &page_of_a_part(wrote.began, 0, &ghost));
            let what = format!("{events}, {other:?} and {wrote:?}");
            let lost = nothing_comes_back_that_never_was(&left, &had, &what).await;
            assert!(lost > 0, "{what}");
        }
    }
}

/// Zeros the leaf of the journal that has its oldest groups.
fn lose_the_first_leaf(log: &Home) {
    let mut leaves = pages(&log.journal(), "journal").into_iter();
    let leaf = leaves.find(|page| !page.keys.is_empty());
    let place = leaf.expect("it has groups").place;
    overwrite(&log.journal(), place.start as u64, &vec![0; place.len()]);
}

/// Salvages a log that had these events, and says how many are lost, which is told. `precious` lost none.
async fn nothing_comes_back_that_never_was(log: &Home, had: &[Envelope], what: &str) -> u64 {
    let (found, told) = salvaged(&log.path()).await;
    let of = |events: &[Envelope], session| -> Vec<Envelope> {
        let events = events.iter();
        let of = events.filter(|it| it.session == id(session));
        of.cloned().collect()
    };
    assert_eq!(of(&found, "precious"), of(had, "precious"), "{what}");
    assert!(found.iter().all(|event| had.contains(event)), "{what}");
    let lost = (had.len() - found.len()) as u64;
    assert!(
        told.newest_is_lost || told.untied.events == lost,
        "{what}: {lost} lost, {told:?}"
    );
    lost
}

#[tokio::test]
async fn what_lies_behind_the_end_of_a_damaged_journal_is_brought_back_and_the_newest_told_to_be_lost()
 {
    let (left, had) = gone_on(&killed().await, 60).await;
    let wrote = opened(&left.journal());
    let journal = Snapshot::at_last(RawFile::open(&OsDisk, &left.journal()).expect("a file"));
    let last = inspect::groups(&journal).last().expect("it has groups");
    let seq = had.last().expect("some").seq;
    lose_the_first_leaf(&left);
    let earlier = Opened::at(wrote.began - 1);
    for (count, by, is_found) in [
        (1, wrote, true),
        (2, wrote, true),
        (1, earlier, false),
        (2, earlier, false),
    ] {
        let left = copy(&left);
        let later = (1..=count).map(|number| Envelope {
            seq: Seq::new(seq.get() + number),
            session: id("precious"),
            event: title("acknowledged"),
            ..had[0].clone()
        });
        let later: Vec<Envelope> = later.collect();
        for (position, event) in (last.position + 1..).zip(&later) {
            let row = (event.seq.get(), encode(&EventRow::from(event)));
            let group = group((position, by), 2, &event.session, &[row]);
            add_page(&left.journal(), &page_of_a_part(position, 0, &group));
        }
        let looked = inspect(&left.path(), &mut |_| {}).expect("it can be looked at");
        let (found, told) = salvaged(&left.path()).await;
        let what = format!("{count} by {by:?}: {told:?}");
        assert_eq!(looked.newest_is_lost, is_found, "{what}");
        assert_eq!(told.newest_is_lost, is_found, "{what}");
        assert!(
            later.iter().all(|it| found.contains(it) == is_found),
            "{what}"
        );
    }
}
