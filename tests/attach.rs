//! What a viewer is shown first, and from where it goes on.

mod world;

use coven::terminal::Listener;
use coven::{AttachView, Code, Event, SessionId, TermSize, Title};
use world::{World, me, within, written};

/// A view that shows at least what is on record now: the session's task, which gives it, hears of
/// a commit when everybody does. What it answers next it has decided after that.
async fn view(world: &World, id: &SessionId) -> AttachView {
    within(
        world
            .engine
            .edit(id, Some(Title::parse("seen").unwrap()), None, me()),
    )
    .await
    .unwrap();
    within(world.engine.attach_view(id)).await.unwrap()
}

/// What a viewer writes to its terminal: the view, then what follows from its place.
async fn viewed(world: &World, id: &SessionId, mut view: AttachView) -> Vec<u8> {
    let mut shown = [&view.restore[..], &view.tail[..]].concat();
    let mut follow = world.engine.follow(id, view.seq);
    while let Some(page) = within(follow.next()).await.unwrap() {
        for envelope in page {
            if let Event::Output { data, .. } = envelope.event {
                shown.extend_from_slice(&view.filter.pass(data));
            }
        }
    }
    shown
}

/// The modes a terminal is in after being shown this.
fn modes(shown: &[u8]) -> Vec<u8> {
    let mut listener = Listener::new();
    listener.hear(shown);
    listener.modes().restore()
}

#[tokio::test]
async fn a_view_of_little_output_is_all_of_it() {
    let world = World::new().await;
    let id = world
        .launch_id("stty -echo; printf 'one\\ntwo'; read go; echo three")
        .await;
    world.until(&id, "two").await;
    let view = view(&world, &id).await;
    assert!(view.live && view.restore.is_empty());
    assert_eq!(view.size, TermSize::DEFAULT);
    assert_eq!(&view.tail[..], b"one\r\ntwo");
    world.input(&id, "\n").await.unwrap();
    let shown = viewed(&world, &id, view).await;
    assert_eq!(shown, b"one\r\ntwothree\r\n");
}

#[tokio::test]
async fn a_view_of_much_output_is_its_tail_in_the_modes_that_were_in_force() {
    let world = World::new().await;
    let script = "stty raw -echo; printf '\\033[?1049h\\033[?2004h\\033[>7u'
        i=0; while [ $i -lt 6000 ]; do printf '\\033[31mline %s of it\\033[0m\\r\\n' $i; i=$((i+1)); done
        printf '\\033[?2004lready'; read go; printf '\\033[?1003hend'";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    let view = view(&world, &id).await;
    assert!(view.tail.len() <= 33 * 1024, "{} bytes", view.tail.len());
    assert!(view.tail.ends_with(b"ready") && !view.restore.is_empty());
    world.input(&id, "\n").await.unwrap();
    let tail = view.tail.clone();
    let shown = viewed(&world, &id, view).await;
    let all = written(&world.to_the_end(&id).await);
    assert_eq!(
        modes(&shown),
        modes(&all),
        "the viewer's terminal is as the agent's"
    );
    let all = String::from_utf8(all).unwrap();
    let tail = std::str::from_utf8(&tail).unwrap();
    let before = all[..all.find(tail).unwrap()].chars().next_back();
    let cut_at_line = before == Some('\r') || before == Some('\n');
    assert!(
        cut_at_line || tail.starts_with('\x1b'),
        "it begins with a whole sequence: {tail:?}"
    );
}

#[tokio::test]
async fn a_view_of_much_text_without_a_line_s_end_begins_with_a_whole_character() {
    let world = World::new().await;
    let script = "stty raw -echo; printf a; yes \u{e9} | tr -d '\\n' | head -c 100000
        printf ready; read go";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    let live = view(&world, &id).await;
    world.input(&id, "\n").await.unwrap();
    world.to_the_end(&id).await;
    let ended = within(world.engine.attach_view(&id)).await.unwrap();
    for view in [live, ended] {
        let tail = std::str::from_utf8(&view.tail).expect("whole characters");
        // The cut is in the middle of one.
        assert_eq!(tail.len(), 32 * 1024 - 1);
        assert!(tail.starts_with('\u{e9}') && tail.ends_with("ready"));
    }
}

#[tokio::test]
async fn a_viewer_is_shown_no_query() {
    let world = World::new().await;
    // The query is cut in two, and the viewer comes in between.
    let script = "stty raw -echo; printf 'a\\033[6nb\\033['; read go; printf '6nc'; read go";
    let id = world.launch_id(script).await;
    world.until(&id, "b\u{1b}[").await;
    let view = view(&world, &id).await;
    assert_eq!(&view.tail[..], b"ab");
    let (mut filter, seq) = (view.filter, view.seq);
    world.input(&id, "\n").await.unwrap();
    world.until(&id, "6nc").await;
    let mut shown = Vec::new();
    let mut follow = world.engine.follow(&id, seq);
    while !shown.ends_with(b"c") {
        for envelope in within(follow.next()).await.unwrap().unwrap() {
            if let Event::Output { data, .. } = envelope.event {
                shown.extend_from_slice(&filter.pass(data));
            }
        }
    }
    assert_eq!(shown, b"c");
    world.engine.kill(&id, me()).await.unwrap();
    world.to_the_end(&id).await;
}

#[tokio::test]
async fn an_ended_session_can_be_viewed_and_leaves_the_terminal_as_it_was() {
    let world = World::new().await;
    let (record, _) = world.run("printf '\\033[?1049hleft'").await;
    let id = &record.session.id;
    let mut view = within(world.engine.attach_view(id)).await.unwrap();
    // Its task may be about to leave.
    while view.live {
        tokio::task::yield_now().await;
        view = within(world.engine.attach_view(id)).await.unwrap();
    }
    assert_eq!(&view.tail[..], b"\x1b[?1049hleft");
    let shown = [&view.tail[..], &view.reset[..]].concat();
    assert!(modes(&shown).is_empty());
    let unknown = SessionId::parse("unknown").unwrap();
    let refused = within(world.engine.attach_view(&unknown))
        .await
        .unwrap_err();
    assert_eq!(refused.code(), Code::SessionNotFound);
}

#[tokio::test]
async fn a_program_whose_output_was_just_seen_draws_anew() {
    const SAYS_ITS_SIZE: &str = "trap 'stty size' WINCH; read go; printf up; \
                                 while :; do sleep 0.02; done";
    let world = World::new().await;
    for _ in 0..8 {
        let id = world.launch_id(SAYS_ITS_SIZE).await;
        world.input(&id, "\n").await.unwrap();
        world.until(&id, "up").await;
        // Its task may not have been told yet of the commit that was just seen.
        world.engine.redraw(&id).await;
        world.until(&id, "24 80").await;
        within(world.engine.kill(&id, me())).await.unwrap();
    }
}
