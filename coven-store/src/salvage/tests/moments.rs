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

#[tokio::test]
async fn of_two_files_that_tell_the_same_places_of_two_sessions_the_cold_one_is_believed() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "b").await;
    store.close().await;
    let other = copy(&home);
    let mut left = Vec::new();
    for (home, order) in [(&home, ["a", "b"]), (&other, ["b", "a"])] {
        let store = home.open();
        for session in order {
            let said = vec![output(0, "said")];
            append(&store, session, said).await.expect("it goes on");
        }
        left.push((copy(home), store.read_all(Seq::ZERO, ALL).expect("a read")));
        store.close().await;
    }
    // The one is folded, and what the other has of the same places was not yet.
    let journal = left[1].0.journal();
    fs::copy(journal, home.journal()).expect("a copy");
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(found, left[0].1);
    let left_out = told.changed.iter();
    let left_out: Vec<_> = left_out
        .map(|it| (it.session.as_str(), it.left_out))
        .collect();
    assert_eq!(left_out, [("a", 1), ("b", 1)]);
}

#[tokio::test]
async fn where_two_files_differ_in_many_places_each_is_left_out_that_the_cold_one_has_for_another()
{
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "b").await;
    store.close().await;
    let other = copy(&home);
    let mut left = Vec::new();
    for (home, turns) in [(&home, 1), (&other, 3)] {
        let store = home.open();
        for round in 0..60 {
            let order = match round % turns {
                0 => ["a", "b"],
                _ => ["b", "a"],
            };
            for session in order {
                let said = vec![output(4 * round, "said")];
                append(&store, session, said).await.expect("it goes on");
            }
        }
        left.push((copy(home), store.read_all(Seq::ZERO, ALL).expect("a read")));
        store.close().await;
    }
    let journal = left[1].0.journal();
    fs::copy(journal, home.journal()).expect("a copy");
    let (found, told) = salvaged(&home.path()).await;
    assert_eq!(found, left[0].1);
    // Two rounds of three went the other way around.
    let left_out = told.changed.iter();
    let left_out: Vec<_> = left_out
        .map(|it| (it.session.as_str(), it.kept_events, it.left_out))
        .collect();
    assert_eq!(left_out, [("a", 62, 40), ("b", 62, 40)]);
}
