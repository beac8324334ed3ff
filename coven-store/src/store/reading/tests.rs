use crate::read::{Archived, Page};
use crate::test_support::{Home, append, resized, running};

#[tokio::test]
async fn what_was_looked_at_without_the_index_is_let_go_of_by_who_reads_the_list_by_it_in_another_commit()
 {
    let home = Home::new();
    let store = home.open();
    running(&store, "one").await;
    store.fold();
    let page = Page {
        before: None,
        limit: 10,
        archived: Archived::Included,
    };
    let looked = &store.0.looked;
    let listing = store
        .list_without_index(looked, &page)
        .expect("it is whole");
    assert_eq!(listing.expect("a list").records.len(), 1);
    store.list(&page).expect("a list");
    assert!(looked.is_any());
    append(&store, "one", vec![resized()])
        .await
        .expect("it runs");
    store.fold();
    store.list(&page).expect("a list");
    assert!(!looked.is_any());
    store.close().await;
}
