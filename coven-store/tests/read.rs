//! Reading: pages of one session and of all, output by offset, finding sessions.

mod support;

use coven_core::{Channel, Event, HarnessId, Seq};
use coven_store::{Archived, Page, ReadLimit, Store};
use support::*;

fn page(events: usize) -> ReadLimit {
    ReadLimit {
        events,
        bytes: usize::MAX,
    }
}

async fn write_outputs(store: &Store, session: &str, sizes: &[usize]) -> Vec<u8> {
    running(store, session).await;
    let mut written = Vec::new();
    for (seed, &size) in sizes.iter().enumerate() {
        let data = noise(seed as u64, size);
        let event = output(written.len() as u64, data.clone());
        append(store, session, vec![event])
            .await
            .expect("it follows");
        written.extend(data);
    }
    written
}

#[tokio::test]
async fn pages_of_a_session_join_without_a_gap_or_a_repeat() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "b").await;
    for offset in 0..20 {
        for session in ["a", "b"] {
            let appended = append(&store, session, vec![output(offset, "x")]).await;
            appended.expect("it follows");
        }
    }
    let whole = events_of(&store, "a");
    assert_eq!(whole.len(), 22);
    let mut joined = Vec::new();
    let mut after = Seq::ZERO;
    loop {
        let next = store.read(&id("a"), after, page(3)).expect("a read");
        let Some(last) = next.last() else { break };
        assert!(next.len() <= 3);
        after = last.seq;
        joined.extend(next);
    }
    assert_eq!(joined, whole);
}

#[tokio::test]
async fn pages_of_all_sessions_join_in_the_order_of_their_seqs() {
    let home = Home::new();
    let store = home.open();
    for session in ["a", "b", "c"] {
        running(&store, session).await;
        let events = (0..5).map(|offset| output(offset, "x")).collect();
        append(&store, session, events).await.expect("it follows");
    }
    let whole = store.read_all(Seq::ZERO, ALL).expect("a read");
    let seqs: Vec<u64> = whole.iter().map(|envelope| envelope.seq.get()).collect();
    assert_eq!(seqs, (1..=21).collect::<Vec<_>>());
    for size in 1..=8 {
        let mut joined = Vec::new();
        let mut after = Seq::ZERO;
        loop {
            let next = store.read_all(after, page(size)).expect("a read");
            let Some(last) = next.last() else { break };
            after = last.seq;
            joined.extend(next);
        }
        assert_eq!(joined, whole, "in pages of {size}");
    }
}

#[tokio::test]
async fn who_wants_nothing_is_given_one_so_that_an_empty_page_is_the_end() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    running(&store, "b").await;
    let nothing = ReadLimit {
        events: 0,
        bytes: 0,
    };
    let page = Page {
        before: None,
        limit: 0,
        archived: Archived::Included,
    };
    for _ in ["in the tail", "in the cold file"] {
        let read = store.read(&id("a"), Seq::ZERO, nothing);
        assert_eq!(read.expect("a read").len(), 1);
        let all = store.read_all(Seq::ZERO, nothing);
        assert_eq!(all.expect("a read").len(), 1);
        let listing = store.list(&page).expect("a read");
        assert_eq!(listing.records.len(), 1);
        assert!(listing.next.is_some());
        store.verify().expect("with that it is folded");
    }
}

#[tokio::test]
async fn a_page_ends_before_the_event_that_is_too_many_bytes_and_never_is_empty() {
    let home = Home::new();
    let store = home.open();
    write_outputs(&store, "a", &[1000, 1000, 1000]).await;
    let limit = |bytes| ReadLimit { events: 100, bytes };
    let after = Seq::new(2);
    let read = |bytes| store.read(&id("a"), after, limit(bytes)).expect("a read");
    assert_eq!(read(0).len(), 1);
    assert_eq!(read(2500).len(), 2);
    assert_eq!(read(4000).len(), 3);
    let all = store.read_all(after, limit(2500)).expect("a read");
    assert_eq!(all.len(), 2);
}

#[tokio::test]
async fn reading_what_is_not_there_finds_nothing() {
    let home = Home::new();
    let store = home.open();
    assert_eq!(store.last_seq(), Seq::ZERO);
    assert_eq!(store.record(&id("a")), Ok(None));
    assert_eq!(store.launch(&id("a")), Ok(None));
    assert_eq!(store.read(&id("a"), Seq::ZERO, ALL), Ok(Vec::new()));
    assert_eq!(store.read_all(Seq::ZERO, ALL), Ok(Vec::new()));
    assert_eq!(store.output(&id("a"), 0, 100), Ok(Vec::new()));
    running(&store, "a").await;
    assert_eq!(store.read(&id("a"), Seq::new(2), ALL), Ok(Vec::new()));
    assert_eq!(
        store.read(&id("a"), Seq::new(u64::MAX), ALL),
        Ok(Vec::new())
    );
    assert_eq!(store.read_all(Seq::new(u64::MAX), ALL), Ok(Vec::new()));
    assert_eq!(store.output(&id("a"), 0, 100), Ok(Vec::new()));
}

#[tokio::test]
async fn output_from_any_offset_is_the_bytes_from_there() {
    let home = Home::new();
    let store = home.open();
    let written = write_outputs(&store, "b", &[1, 4095, 7, 60_000, 1, 3]).await;
    write_outputs(&store, "c", &[10]).await;
    let len = written.len();
    for (offset, max) in [
        (0, len),
        (0, 1),
        (1, 4095),
        (4000, 200),
        (4100, 59_000),
        (len - 1, 100),
        (len, 100),
        (len + 5, 100),
        (10, 0),
    ] {
        let chunks = store.output(&id("b"), offset as u64, max).expect("a read");
        let joined: Vec<u8> = chunks.iter().flat_map(|it| it.data.to_vec()).collect();
        let expected = &written[offset.min(len)..(offset + max).min(len)];
        assert_eq!(joined, expected, "{max} bytes from {offset}");
        let mut next = offset as u64;
        for chunk in chunks {
            assert_eq!(chunk.offset, next);
            assert_eq!(chunk.channel, Channel::Tty);
            assert!(!chunk.data.is_empty());
            next += chunk.data.len() as u64;
        }
    }
}

#[tokio::test]
async fn output_in_one_batch_with_other_events_is_found_at_each_offset() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    let typed = Event::Input {
        data: coven_core::InputData::Redacted { len_bytes: 9 },
        id: None,
    };
    let events = vec![
        typed.clone(),
        output(0, "abc"),
        typed.clone(),
        output(3, ""),
        output(3, "def"),
        typed,
    ];
    append(&store, "a", events).await.expect("they follow");
    append(&store, "a", vec![output(6, "ghi")])
        .await
        .expect("it follows");
    for offset in 0..9 {
        let chunks = store.output(&id("a"), offset, 1).expect("a read");
        assert_eq!(chunks.len(), 1);
        let at = usize::try_from(offset).expect("small");
        assert_eq!(chunks[0].data, b"abcdefghi"[at..=at]);
    }
}

#[tokio::test]
async fn the_whole_prompt_is_in_the_launch_and_not_in_the_record() {
    let home = Home::new();
    let store = home.open();
    let prompt = "fix 🦀 ".repeat(20_000).trim().to_owned();
    let launch = launch_of(&prompt);
    let events = vec![Event::Created {
        launch: Box::new(launch.clone()),
        boot_id: None,
    }];
    append(&store, "a", events).await.expect("a new session");
    assert_eq!(store.launch(&id("a")), Ok(Some(launch)));
    append(&store, "ext", vec![registered("ext")])
        .await
        .expect("a new session");
    assert_eq!(store.launch(&id("ext")), Ok(None));
}

#[tokio::test]
async fn a_launch_without_a_prompt_is_read_back_as_one() {
    let home = Home::new();
    let store = home.open();
    let launch = coven_core::Launch {
        prompt: None,
        continues: Some(id("before")),
        ..launch_of("left out")
    };
    let events = vec![Event::Created {
        launch: Box::new(launch.clone()),
        boot_id: None,
    }];
    append(&store, "a", events).await.expect("a new session");
    let read = |store: &coven_store::Store| {
        assert_eq!(store.launch(&id("a")), Ok(Some(launch.clone())));
        let record = store.record(&id("a")).expect("a read").expect("a record");
        let coven_core::Origin::Launched { prompt_head, .. } = &record.session.origin else {
            panic!("it was launched");
        };
        assert_eq!(*prompt_head, None);
    };
    read(&store);
    store.close().await;
    read(&home.open());
}

#[tokio::test]
async fn live_sessions_are_those_that_were_launched_and_have_not_ended() {
    let home = Home::new();
    let store = home.open();
    running(&store, "runs").await;
    append(&store, "waits", vec![created()]).await.expect("new");
    ended(&store, "over").await;
    append(&store, "far", vec![registered("far")])
        .await
        .expect("new");
    let live = || -> Vec<String> {
        let records = store.live().expect("a read");
        records
            .iter()
            .map(|record| record.session.id.to_string())
            .collect()
    };
    assert_eq!(live(), ["runs", "waits"]);
    append(&store, "runs", vec![output_closed(), exited(1)])
        .await
        .expect("it follows");
    assert_eq!(live(), ["waits"]);
}

#[tokio::test]
async fn a_conversation_leads_to_the_newest_session_of_its_harness() {
    let home = Home::new();
    let store = home.open();
    let launch = |conversation| {
        vec![Event::Created {
            launch: Box::new(launch_in_conversation(conversation)),
            boot_id: None,
        }]
    };
    append(&store, "one", launch("talk")).await.expect("new");
    append(&store, "two", launch("talk")).await.expect("new");
    append(&store, "other", launch("talk-2"))
        .await
        .expect("new");
    running(&store, "none").await;
    let codex = HarnessId::parse("codex").expect("an id");
    let claude = HarnessId::parse("claude").expect("an id");
    assert_eq!(store.by_conversation(&codex, "talk"), Ok(Some(id("two"))));
    assert_eq!(store.by_conversation(&codex, "tal"), Ok(None));
    assert_eq!(store.by_conversation(&claude, "talk"), Ok(None));
}
