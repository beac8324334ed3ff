//! A session from launch to exit, with real processes in real terminals.

mod world;

use std::fs;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use coven::clock::ManualClock;
use coven::harness::IdentitySource;
use coven::{
    Code, ConversationId, Event, EventKind, Exit, Labels, Origin, OutputEnd, Seq, Status, TermSize,
    Title,
};
use world::{Shell, World, is_alive, kinds, me, noise, within, written};

#[tokio::test]
async fn a_session_is_on_record_from_its_launch_to_its_exit() {
    let world = World::new().await;
    let record = world.launch("printf 'hello\\n'").await;
    let events = world.to_the_end(&record.session.id).await;
    let mut kinds = kinds(&events);
    kinds.dedup();
    use EventKind::{Created, Exited, Output, OutputClosed, Started};
    assert_eq!(kinds, [Created, Started, Output, OutputClosed, Exited]);
    assert_eq!(written(&events), b"hello\r\n");
    let record = within(world.engine.get(&record.session.id)).await.unwrap();
    assert_eq!(record.session.status(), Status::Completed);
    assert!(record.ended_at.is_some());
}

#[tokio::test]
async fn the_prompt_is_on_record_once_and_its_length_in_the_argv() {
    let world = World::new().await;
    let script = "true # the prompt";
    let id = world.launch_id(script).await;
    let launch = world.engine.launch_of(&id).await.unwrap().unwrap();
    assert_eq!(launch.prompt.unwrap().as_str(), script);
    let events = world.to_the_end(&id).await;
    let argv = events.iter().find_map(|envelope| match &envelope.event {
        Event::Started { argv, .. } => Some(argv.clone()),
        _ => None,
    });
    assert_eq!(argv.unwrap(), ["/bin/sh", "-c", "<prompt: 17 bytes>"]);
}

#[tokio::test]
async fn an_exit_status_and_a_signal_are_told_apart() {
    let world = World::new().await;
    let exit = |events: Vec<coven::Envelope>| match events.last().unwrap().event {
        Event::Exited { exit, output } => (exit.unwrap(), output),
        ref other => panic!("{other:?}"),
    };
    let complete = OutputEnd::Complete;
    let id = world.launch_id("exit 3").await;
    let ended = exit(world.to_the_end(&id).await);
    assert_eq!(ended, (Exit::Code { code: 3 }, complete));
    let id = world.launch_id("kill -USR1 $$").await;
    let ended = exit(world.to_the_end(&id).await);
    assert_eq!(ended, (Exit::Signal { signal: 10 }, complete));
    let record = world.engine.get(&id).await.unwrap();
    assert_eq!(record.session.status(), Status::Failed);
}

#[tokio::test]
async fn everything_an_agent_writes_is_on_record_byte_for_byte() {
    let world = World::new().await;
    let noise = noise(7, 6 << 20);
    fs::write(world.path("noise"), &noise).unwrap();
    let (_, raw) = world.run("stty raw -echo; cat noise").await;
    assert!(raw == noise, "raw output is not what was written");
    // A cooked terminal writes CR LF for LF, and nothing else where it does not echo.
    let (_, cooked) = world.run("stty -echo; cat noise").await;
    let mut expected = Vec::with_capacity(noise.len());
    for byte in noise {
        if byte == b'\n' {
            expected.push(b'\r');
        }
        expected.push(byte);
    }
    assert!(cooked == expected, "cooked output is not what was written");
}

#[tokio::test]
async fn an_agent_that_lets_go_of_its_terminal_and_opens_it_anew_is_recorded_to_its_end() {
    let world = World::new().await;
    let lets_go = "echo early; exec 0<&- 1>&- 2>&-; sleep 1";
    let numbers: String = (1..=30_000).map(|n| format!("{n}\r\n")).collect();
    for (then, said) in [("echo late", "late\r\n"), ("seq 1 30000", &numbers)] {
        let id = world
            .launch_id(&format!("{lets_go}; {then} >/dev/tty"))
            .await;
        let events = world.to_the_end(&id).await;
        let written = written(&events);
        assert!(
            written == format!("early\r\n{said}").as_bytes(),
            "{} bytes",
            written.len()
        );
        let (exit, output) = (Some(Exit::Code { code: 0 }), OutputEnd::Complete);
        assert_eq!(events.last().unwrap().event, Event::Exited { exit, output });
    }
}

#[tokio::test]
async fn the_output_is_read_by_offset_without_a_gap() {
    let world = World::new().await;
    let noise = noise(11, 300_000);
    fs::write(world.path("noise"), &noise).unwrap();
    let id = world.launch_id("stty raw -echo; cat noise").await;
    world.to_the_end(&id).await;
    let mut read = Vec::new();
    while read.len() < noise.len() {
        let chunks = world
            .engine
            .output(&id, read.len() as u64, 7_777)
            .await
            .unwrap();
        for chunk in chunks {
            assert_eq!(chunk.offset, read.len() as u64);
            read.extend_from_slice(&chunk.data);
        }
    }
    assert!(read == noise);
    assert!(
        world
            .engine
            .output(&id, noise.len() as u64, 10)
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn the_last_output_the_end_of_output_and_the_exit_are_one_commit() {
    // It stands still, so output after the first waits for the end.
    let clock = Arc::new(ManualClock::new());
    let world = World::with(|options| options.clock = clock).await;
    let script = "stty -echo; printf first; read go; printf last; exit 4";
    let id = world.launch_id(script).await;
    world.until(&id, "first").await;
    let after = world.engine.get(&id).await.unwrap().last_seq;
    let mut follow = world.engine.follow(&id, after);
    world.input(&id, "\n").await.unwrap();
    let mut pages = Vec::new();
    while let Some(page) = within(follow.next()).await.unwrap() {
        pages.push(kinds(&page));
    }
    use EventKind::{Exited, Output, OutputClosed};
    let last = pages.last().unwrap();
    assert!(last.ends_with(&[Output, OutputClosed, Exited]), "{pages:?}");
}

#[tokio::test]
async fn a_descendant_that_keeps_the_output_open_is_left_alone_and_the_output_cut() {
    let world = World::new().await;
    let id = world
        .launch_in("stream", "sleep 1000 & echo pid $!; exit 0")
        .await;
    let events = world.to_the_end(&id).await;
    let output = OutputEnd::Cut;
    let exit = Some(Exit::Code { code: 0 });
    assert_eq!(events.last().unwrap().event, Event::Exited { exit, output });
    end_leftover(&written(&events));
}

#[tokio::test]
async fn a_natural_exit_kills_nobody() {
    let world = World::new().await;
    // The kernel sends SIGHUP to the terminal's foreground group when the session's leader ends.
    let (_, said) = world.run("trap '' HUP; sleep 1000 & echo pid $!").await;
    end_leftover(&said);
}

/// Ends the process that a script started and told, which must be alive.
fn end_leftover(said: &[u8]) {
    let said = std::str::from_utf8(said).unwrap().trim();
    let pid: u32 = said.strip_prefix("pid ").unwrap().parse().unwrap();
    assert!(is_alive(pid));
    let pid = rustix::process::Pid::from_raw(pid.cast_signed()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::KILL).unwrap();
}

#[tokio::test]
async fn a_harness_says_which_conversation_it_runs() {
    let world = World::new().await;
    let uuid = "0199c0de-0000-7000-8000-000000000001";
    let script = format!("echo Shell agent; echo conversation: {uuid}; echo end");
    let (record, _) = world.run(&script).await;
    match &record.session.origin {
        Origin::Launched {
            identity: Some(id), ..
        } => assert_eq!(id.as_str(), uuid),
        other => panic!("{other:?}"),
    }
}

/// How often the open files of an agent were looked at.
static LOOKS: AtomicUsize = AtomicUsize::new(0);

fn kept_open(files: &[PathBuf]) -> Option<ConversationId> {
    LOOKS.fetch_add(1, Ordering::SeqCst);
    let mut names = files.iter().filter_map(|file| file.file_name()?.to_str());
    let id = names.find_map(|name| name.strip_suffix(".conversation"))?;
    ConversationId::parse("identity", id).ok()
}

#[tokio::test]
async fn a_conversation_is_known_though_its_agent_writes_nothing_more_once_it_can_be() {
    let clock = Arc::new(ManualClock::new());
    let world = World::with(|options| {
        options.clock = Arc::clone(&clock) as _;
        let identity = IdentitySource::OpenFile(kept_open);
        options.harnesses = vec![Shell::known_by(identity, "shell", "/bin/sh")];
    })
    .await;
    let script = "stty -echo; printf first; read go; exec 3>its.conversation; \
                  printf second; : >told; read go";
    let id = world.launch_id(script).await;
    world.until(&id, "first").await;
    while LOOKS.load(Ordering::SeqCst) == 0 {
        tokio::task::yield_now().await;
    }
    world.input(&id, "\n").await.unwrap();
    while !world.path("told").exists() {
        tokio::task::yield_now().await;
    }
    // Too soon for another look, and late enough for another commit.
    clock.advance(Duration::from_millis(50));
    world.until(&id, "second").await;
    clock.advance(Duration::from_millis(50));
    world
        .until_event(&id, |event| {
            matches!(event, Event::Identified { conversation } if conversation.as_str() == "its")
        })
        .await;
    world.engine.kill(&id, me()).await.unwrap();
}

#[tokio::test]
async fn a_session_is_named_archived_summoned_and_deleted() {
    let world = World::new().await;
    let id = world.launch_id("read go").await;
    let title = Title::parse("renamed").unwrap();
    let labels = Labels::parse(&["a".to_owned()]).unwrap();
    let edited = world
        .engine
        .edit(&id, Some(title.clone()), Some(labels), me());
    assert_eq!(within(edited).await.unwrap().session.title, title);
    let refused = world.engine.archive(&id, me()).await.unwrap_err();
    assert_eq!(refused.code(), Code::SessionLive);
    let refused = world.engine.delete(&id, me()).await.unwrap_err();
    assert_eq!(refused.code(), Code::SessionLive);
    world.input(&id, "\n").await.unwrap();
    world.to_the_end(&id).await;
    assert!(
        world
            .engine
            .archive(&id, me())
            .await
            .unwrap()
            .session
            .archived
    );
    assert!(
        !world
            .engine
            .summon(&id, me())
            .await
            .unwrap()
            .session
            .archived
    );
    world.engine.delete(&id, me()).await.unwrap();
    let gone = world.engine.get(&id).await.unwrap_err();
    assert_eq!(gone.code(), Code::SessionNotFound);
    let gone = world
        .engine
        .follow(&id, Seq::ZERO)
        .next()
        .await
        .unwrap_err();
    assert_eq!(gone.code(), Code::SessionNotFound);
}

#[tokio::test]
async fn an_ended_session_takes_nothing_for_its_process() {
    let world = World::new().await;
    let (record, _) = world.run("true").await;
    let id = &record.session.id;
    let size = TermSize::DEFAULT;
    for refused in [
        world.input(id, "x").await,
        world.engine.submit(id, "x".to_owned(), None, me()).await,
        world.engine.resize(id, size, me()).await,
        world.engine.kill(id, me()).await,
        world.engine.accepts_input(id).await,
    ] {
        assert_eq!(refused.unwrap_err().code(), Code::SessionNotLive);
    }
    let after = world.engine.get(id).await.unwrap();
    assert_eq!(after, record, "a refusal writes nothing");
}
