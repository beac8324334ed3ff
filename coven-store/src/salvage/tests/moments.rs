//! Two files of two moments, of which neither says so.

use super::*;

/// Another log with the same bytes.
fn copy(home: &Home) -> Home {
    let copy = Home::new();
    for file in [Path::to_path_buf, journal_path] {
        fs::copy(file(&home.path()), file(&copy.path())).expect("a copy");
    }
    copy
}

/// A log in which two sessions took turns in so many rounds, and all is folded, with the journal of a copy that went its
/// own way from there, before any of it was folded: in some rounds the sessions took turns the other way around. With
/// it what the cold file has.
async fn of_two_moments(rounds: u64, is_turned: impl Fn(u64) -> bool) -> (Home, Vec<Envelope>) {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "b").await;
    store.close().await;
    let other = copy(&home);
    let [(_, events), (journal, _)] = [
        go_on(&home, rounds, |_| false).await,
        go_on(&other, rounds, is_turned).await,
    ];
    fs::copy(journal.journal(), home.journal()).expect("a copy");
    (home, events)
}

/// Goes on with a log in which two sessions run, and folds it as it is closed. What it was before that, and its events.
async fn go_on(home: &Home, rounds: u64, is_turned: impl Fn(u64) -> bool) -> (Home, Vec<Envelope>) {
    let store = home.open();
    for round in 0..rounds {
        let order = match is_turned(round) {
            false => ["a", "b"],
            true => ["b", "a"],
        };
        for session in order {
            let said = vec![output(4 * round, "said")];
            append(&store, session, said).await.expect("it goes on");
        }
    }
    let left = (copy(home), store.read_all(Seq::ZERO, ALL).expect("a read"));
    store.close().await;
    left
}

/// How many events of which sessions were left out.
fn left_out(told: &Salvaged) -> Vec<(&str, u64)> {
    let changed = told.changed.iter();
    changed
        .map(|it| (it.session.as_str(), it.left_out))
        .collect()
}

#[tokio::test]
async fn of_two_files_that_tell_the_same_places_of_two_sessions_the_cold_one_is_believed() {
    let (home, events) = of_two_moments(1, |_| true).await;
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(found, events);
    assert_eq!(left_out(&told), [("a", 1), ("b", 1)]);
}

#[tokio::test]
async fn where_two_files_differ_in_many_places_each_is_left_out_that_the_cold_one_has_for_another()
{
    let (home, events) = of_two_moments(60, |round| round % 3 > 0).await;
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(found, events);
    assert_eq!(left_out(&told), [("a", 40), ("b", 40)]);
}
