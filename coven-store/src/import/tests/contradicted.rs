//! What says which slots are set aside is damaged, or says it of a session's.

use super::damaged::{overwrite, salvaged, sessions, with_one};
use super::*;

/// Has a file say something else of which slots are set aside.
fn change_aside(path: &Path, bytes: &[u8]) {
    let file = redb::Database::open(path).expect("it is closed");
    let txn = file.begin_write().expect("a transaction");
    let mut meta = txn.open_table(META).expect("a table");
    meta.insert(meta::ASIDE, bytes).expect("a row");
    drop(meta);
    txn.commit().expect("a commit");
}

fn problems(home: &Home) -> Vec<String> {
    let found = crate::inspect(&home.path(), &mut |_| {}).expect("a look");
    assert_eq!(found.unreadable, BTreeMap::new());
    let problems = found.problems.iter();
    problems.map(ToString::to_string).collect()
}

#[tokio::test]
async fn it_is_told_that_what_says_which_slots_are_set_aside_is_damaged() {
    let whole = with_one().await;
    for file in [Home::path, Home::journal] {
        let home = copy(&whole);
        let mut bytes = Aside(BTreeSet::from([9])).seal();
        bytes[1] ^= 1;
        change_aside(&file(&home), &bytes);
        let problems = problems(&home);
        assert_eq!(problems.len(), 1, "{problems:?}");
        assert!(problems[0].contains(r#"meta "aside": "#), "{problems:?}");
    }
}

#[tokio::test]
async fn a_slot_that_a_session_has_is_told_if_it_is_set_aside_and_the_session_is_salvaged() {
    let whole = with_one().await;
    import_right(&whole);
    for file in [Home::path, Home::journal] {
        let home = copy(&whole);
        change_aside(&file(&home), &Aside(BTreeSet::from([2])).seal());
        let problems = problems(&home);
        assert_eq!(problems.len(), 1, "{problems:?}");
        let told = "meta slot 2, session right: it sets a slot aside";
        assert!(problems[0].contains(told), "{problems:?}");
        let expected = sessions(&[("before", 2), ("right", 42)]);
        assert_eq!(salvaged(&home).await, (expected.clone(), 0));
        // Though one alone leads to it.
        for table in ["slots", "ids"] {
            let torn = copy(&home);
            overwrite(&torn, &[table]);
            let salvaged = salvaged(&torn).await;
            assert_eq!(salvaged, (expected.clone(), 0), "without {table}");
        }
        overwrite(&home, &["slots", "ids"]);
        let (_, untraced) = salvaged(&home).await;
        assert_eq!(untraced, 0, "a list leads to it");
    }
}
