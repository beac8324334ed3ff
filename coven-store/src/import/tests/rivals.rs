//! What a salvage makes of a log that no longer says which import came to nothing: a place is one session's alone.

use super::damaged::{salvaged, sessions, with_one};
use super::*;
use crate::SetAside;

/// Takes all away that says which slots are set aside, and with it whatever leads to events.
fn take_what_leads(home: &Home) {
    let mut file = fs::read(home.path()).expect("a file");
    file[..4096].fill(0);
    fs::write(home.path(), file).expect("a write");
    fs::remove_file(home.journal()).expect("it was there");
}

fn told(home: &Home) -> Vec<SetAside> {
    let found = crate::inspect(&home.path(), &mut |_| {}).expect("a look");
    found.set_aside
}

#[tokio::test]
async fn an_import_that_came_to_nothing_takes_no_place_from_one_that_came_after_it() {
    for name in ["wrong", "right"] {
        let home = with_one().await;
        let home = died_importing(&home, &id(name), &talk(0, 90));
        import_right(&home);
        take_what_leads(&home);
        let expected = sessions(&[("before", 2), ("right", 42)]);
        assert_eq!(salvaged(&home).await, (expected, 0), "{name}");
        let told = told(&home);
        let slots: Vec<u64> = told.iter().map(|it| it.slot).collect();
        assert_eq!(slots, [2], "{name}");
        assert!(told[0].events > 0, "{told:?}");
    }
}

#[tokio::test]
async fn an_import_that_came_to_nothing_takes_no_place_from_what_sessions_said_after_it() {
    let home = with_one().await;
    let home = died_importing(&home, &id("wrong"), &talk(0, 90));
    let store = home.open();
    for number in 0..3 {
        let said = vec![output(number * 10, noise(number, 10))];
        append(&store, "before", said).await.expect("it goes on");
        running(&store, &format!("behind-{number}")).await;
        store.fold();
    }
    store.close().await;
    take_what_leads(&home);
    let expected = [
        ("before", 5),
        ("behind-0", 2),
        ("behind-1", 2),
        ("behind-2", 2),
    ];
    assert_eq!(salvaged(&home).await, (sessions(&expected), 0));
    assert_eq!(told(&home).len(), 1);
}
