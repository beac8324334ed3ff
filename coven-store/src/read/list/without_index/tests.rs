use coven_core::Event;

use super::*;
use crate::Store;
use crate::test_support::{Home, append, ended, running};

const SESSIONS: usize = 30;

/// Pages of the list, by its index or without it, up to its end.
fn pages(archived: Archived, limit: usize, read: impl Fn(&Page) -> Listing) -> Vec<Listing> {
    let mut page = Page {
        before: None,
        limit,
        archived,
    };
    let mut pages = Vec::new();
    loop {
        let listing = read(&page);
        page.before.clone_from(&listing.next);
        pages.push(listing);
        if page.before.is_none() {
            return pages;
        }
    }
}

#[tokio::test]
async fn without_its_index_the_list_is_what_it_is_with_it_whatever_is_remembered_of_it() {
    let home = Home::new();
    let store = home.open();
    for number in 0..SESSIONS {
        let session = format!("one-{number}");
        ended(&store, &session).await;
        let left = match number % 4 {
            0 => Event::Archived,
            1 => Event::Deleted,
            _ => continue,
        };
        append(&store, &session, vec![left])
            .await
            .expect("it ended");
    }
    let looked = [1, 4, SESSIONS].map(|most| Looked {
        last: Mutex::default(),
        most,
    });
    assert_is_the_list(&store, &looked);
    store.fold();
    assert_is_the_list(&store, &looked);
    // The next commit has others.
    running(&store, "newest").await;
    append(&store, "one-4", vec![Event::Summoned])
        .await
        .expect("it is archived");
    assert_is_the_list(&store, &looked);
    store.fold();
    assert_is_the_list(&store, &looked);
}

fn assert_is_the_list(store: &Store, looked: &[Looked]) {
    for archived in [Archived::Hidden, Archived::Included] {
        for limit in [1, 3, 7, 2 * SESSIONS] {
            let truth = pages(archived, limit, |page| store.list(page).expect("a list"));
            for looked in looked {
                let found = pages(archived, limit, |page| {
                    let found = store.list_without_index(looked, page);
                    found.expect("it is whole").expect("a list")
                });
                assert_eq!(found, truth, "{archived:?}, {limit}, {}", looked.most);
            }
        }
    }
}
