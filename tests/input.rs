//! What is typed into a session, and what its terminal answers and feels, in each mode.

mod world;

use std::fs;

use bytes::Bytes;
use coven::limits::MAX_UNDELIVERED_INPUTS;
use coven::{
    Channel, Code, Envelope, Event, EventKind, InputData, InputId, LaunchRequest, Origin, TermSize,
    Unavailable,
};
use tokio::task::JoinSet;
use world::{World, kinds, me, within, written};

#[tokio::test]
async fn a_terminals_queries_are_answered_without_a_viewer() {
    let world = World::new().await;
    let script = "stty raw -echo; printf '\\033[6n'; head -c 6 | od -An -tx1";
    let (_, said) = world.run(script).await;
    let said = String::from_utf8(said).unwrap();
    assert!(said.contains("1b 5b 31 3b 31 52"), "{said:?}");
}

#[tokio::test]
async fn who_reads_no_input_is_answered_too_and_the_answer_is_not_in_the_output() {
    let world = World::new().await;
    let script =
        "exec 3< /dev/tty; stty raw -echo <&3; printf '\\033[6n'; head -c 6 <&3 | od -An -tx1";
    let id = world.launch_in("nonInteractive", script).await;
    let events = world.to_the_end(&id).await;
    let said = String::from_utf8(written(&events)).unwrap();
    assert_eq!(said, "\x1b[6n 1b 5b 31 3b 31 52\n");
}

#[tokio::test]
async fn each_of_many_who_ask_at_once_for_one_input_is_answered() {
    let world = World::new().await;
    let script = "stty raw -echo; echo ready; exec tail -f /dev/null";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    let ask = || {
        let name = Some(InputId([7; 16]));
        world
            .engine
            .input(&id, Bytes::from_static(b"x"), name, me())
    };
    let answers = within(async { tokio::join!(ask(), ask(), ask(), ask()) }).await;
    assert!(
        matches!(answers, (Ok(()), Ok(()), Ok(()), Ok(()))),
        "{answers:?}"
    );
    world.engine.kill(&id, me()).await.unwrap();
    let inputs = kinds(&world.to_the_end(&id).await);
    let inputs = inputs.iter().filter(|kind| **kind == EventKind::Input);
    assert_eq!(inputs.count(), 1);
}

#[tokio::test]
async fn input_reaches_the_terminal_verbatim_and_in_order() {
    let world = World::new().await;
    let script = "stty raw -echo; echo ready; head -c 1000 | od -An -v -tu1 -w1 | tr -d ' \\n'";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    let inputs: Vec<String> = (0..200).map(|n| format!("{n:05}")).collect();
    let mut typing = Vec::new();
    for input in &inputs {
        typing.push(world.input(&id, input));
    }
    for typed in typing {
        typed.await.unwrap();
    }
    let events = world.to_the_end(&id).await;
    let recorded: Vec<String> = events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::Input {
                data: InputData::Plain { data },
                ..
            } => Some(String::from_utf8(data.to_vec()).unwrap()),
            _ => None,
        })
        .collect();
    assert_eq!(recorded, inputs);
    let typed: String = inputs
        .concat()
        .bytes()
        .map(|byte| byte.to_string())
        .collect();
    let said = String::from_utf8(written(&events)).unwrap();
    assert!(said.ends_with(&typed), "{said}");
}

#[tokio::test]
async fn a_password_is_not_recorded() {
    let world = World::new().await;
    let script =
        "stty -echo; echo ready; read secret; stty echo; echo; echo ${#secret} bytes; read x";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    world.input(&id, "hunter2\n").await.unwrap();
    world.until(&id, "7 bytes").await;
    world.input(&id, "open\n").await.unwrap();
    let events = world.to_the_end(&id).await;
    let inputs: Vec<_> = events
        .iter()
        .filter_map(|envelope| match &envelope.event {
            Event::Input { data, .. } => Some(data.clone()),
            _ => None,
        })
        .collect();
    let open = Bytes::from_static(b"open\n");
    let expected = [
        InputData::Redacted { len_bytes: 8 },
        InputData::Plain { data: open },
    ];
    assert_eq!(inputs, expected);
    assert!(!format!("{events:?}").contains("hunter2"));
}

#[tokio::test]
async fn a_process_that_reads_nothing_fills_the_queue_and_nothing_more_is_recorded() {
    let world = World::new().await;
    let id = world
        .launch_id("stty raw -echo; echo ready; sleep 1000")
        .await;
    world.until(&id, "ready").await;
    let piece = "x".repeat(256 << 10);
    let mut accepted = 0;
    let refused = loop {
        match world.input(&id, &piece).await {
            Ok(()) => accepted += 1,
            Err(error) => break error,
        }
    };
    assert_eq!(refused.code(), Code::RuntimeUnavailable);
    assert!(is_queue_full(&refused), "{refused:?}");
    world.engine.kill(&id, me()).await.unwrap();
    let events = world.to_the_end(&id).await;
    let inputs = kinds(&events)
        .iter()
        .filter(|kind| **kind == EventKind::Input)
        .count();
    assert_eq!(inputs, accepted);
    // It was given a part of the first, and is told to have been.
    let undelivered = undelivered(&events);
    assert_eq!(undelivered.len(), accepted);
    let written: Vec<Option<u64>> = undelivered.iter().map(|(_, written)| *written).collect();
    assert!(
        matches!(written[..], [Some(1..), Some(0), ..]),
        "{written:?}"
    );
    assert!(written[1..].iter().all(|written| *written == Some(0)));
}

/// The inputs that are told to be undelivered, and how much of each was written. Asserts that they are
/// the last of all, in their order, and that the end comes after them.
fn undelivered(events: &[Envelope]) -> Vec<(InputId, Option<u64>)> {
    let (mut inputs, mut told, mut has_ended) = (Vec::new(), Vec::new(), false);
    for envelope in events {
        match envelope.event {
            Event::Input { id, .. } => inputs.push(id.expect("it has a name")),
            Event::Undelivered {
                id, written_bytes, ..
            } => {
                assert!(!has_ended);
                told.push((id, written_bytes));
            }
            Event::Exited { .. } => has_ended = true,
            _ => {}
        }
    }
    let last = &inputs[inputs.len() - told.len()..];
    assert!(told.iter().map(|(id, _)| id).eq(last));
    told
}

#[tokio::test]
async fn what_an_agent_read_before_it_ended_is_not_told_to_be_undelivered() {
    let world = World::new().await;
    let script = "stty raw -echo; echo ready; head -c 200 >/dev/null";
    for _ in 0..20 {
        let id = world.launch_id(script).await;
        world.until(&id, "ready").await;
        for _ in 0..100 {
            world.input(&id, "xy").await.unwrap();
        }
        assert_eq!(undelivered(&world.to_the_end(&id).await), []);
    }
}

#[tokio::test]
async fn an_input_that_is_undelivered_is_refused_where_it_is_asked_for_again() {
    let world = World::new().await;
    let script = "stty raw -echo; echo ready; exec tail -f /dev/null";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    let large = Bytes::from(vec![b'x'; 512 << 10]);
    let ask = |name: u8, data: Bytes| {
        let name = Some(InputId([name; 16]));
        within(world.engine.input(&id, data, name, me()))
    };
    ask(1, large.clone()).await.unwrap();
    let prompt = Some(InputId([2; 16]));
    let submit = || world.engine.submit(&id, "go on".to_owned(), prompt, me());
    submit().await.unwrap();
    ask(1, large.clone()).await.unwrap();
    world.engine.kill(&id, me()).await.unwrap();
    world.to_the_end(&id).await;
    for refused in [ask(1, large).await, submit().await] {
        let code = refused.map_err(|error| error.code());
        assert_eq!(code, Err(Code::InputUndelivered));
    }
    assert_eq!(
        ask(3, Bytes::from_static(b"z")).await.unwrap_err().code(),
        Code::SessionNotLive
    );
}

/// More bytes than a terminal takes for a process that reads nothing.
const TERMINAL_BYTES: usize = 80_000;

#[tokio::test]
async fn inputs_of_one_byte_fill_the_queue_by_their_number_until_they_are_read() {
    let world = World::new().await;
    let script = "stty raw -echo; echo ready; until [ -e go ]; do sleep 0.05; done; cat >/dev/null";
    let id = world.launch_id(script).await;
    world.until(&id, "ready").await;
    let mut accepted = 0;
    let mut refused = None;
    while refused.is_none() {
        let mut burst = JoinSet::new();
        for _ in 0..200 {
            let (engine, id) = (world.engine.clone(), id.clone());
            burst.spawn(async move {
                engine
                    .input(&id, Bytes::from_static(b"x"), None, me())
                    .await
            });
        }
        for answer in within(burst.join_all()).await {
            match answer {
                Ok(()) => accepted += 1,
                Err(error) => refused = Some(error),
            }
        }
        assert!(accepted <= MAX_UNDELIVERED_INPUTS + TERMINAL_BYTES);
    }
    let refused = refused.unwrap();
    assert!(is_queue_full(&refused), "{refused:?}");
    assert!(accepted >= MAX_UNDELIVERED_INPUTS, "{accepted}");
    fs::write(world.path("go"), "").unwrap();
    within(async {
        while let Err(error) = world.input(&id, "x").await {
            assert!(is_queue_full(&error), "{error:?}");
        }
    })
    .await;
    world.engine.kill(&id, me()).await.unwrap();
    // It read on until it was killed.
    undelivered(&world.to_the_end(&id).await);
}

#[tokio::test]
async fn as_many_inputs_as_may_wait_are_told_to_be_undelivered_though_no_commit_takes_them_all() {
    let world = World::new().await;
    let id = world
        .launch_id("stty raw -echo; echo ready; exec tail -f /dev/null")
        .await;
    world.until(&id, "ready").await;
    world.input(&id, &"x".repeat(200_000)).await.unwrap();
    let mut more = JoinSet::new();
    for _ in 1..MAX_UNDELIVERED_INPUTS {
        let (engine, id) = (world.engine.clone(), id.clone());
        more.spawn(async move {
            while let Err(error) = engine
                .input(&id, Bytes::from_static(b"x"), None, me())
                .await
            {
                let is_busy = matches!(error, coven::Error::Unavailable { .. });
                assert!(is_busy && !is_queue_full(&error), "{error:?}");
            }
        });
    }
    within(more.join_all()).await;
    world.engine.kill(&id, me()).await.unwrap();
    let undelivered = undelivered(&world.to_the_end(&id).await);
    assert_eq!(undelivered.len(), MAX_UNDELIVERED_INPUTS);
}

fn is_queue_full(error: &coven::Error) -> bool {
    matches!(
        error,
        coven::Error::Unavailable {
            reason: Unavailable::InputQueueFull
        }
    )
}

#[tokio::test]
async fn a_prompt_is_submitted_as_the_harness_takes_it() {
    let world = World::new().await;
    let id = world
        .launch_id("echo ready; read line; echo got $line")
        .await;
    world.until(&id, "ready").await;
    within(world.engine.submit(&id, "more work".to_owned(), None, me()))
        .await
        .unwrap();
    assert!(
        world
            .until(&id, "got more work")
            .await
            .contains("got more work")
    );
}

#[tokio::test]
async fn a_stream_session_speaks_json_lines_over_pipes() {
    let world = World::new().await;
    let script = "read a; echo \"$a\"; read b; echo \"$b\"; echo oops >&2";
    let id = world.launch_in("stream", script).await;
    world.until(&id, "first").await;
    world.input(&id, "line one\nline two").await.unwrap();
    let events = world.to_the_end(&id).await;
    let said = |wanted: Channel| -> String {
        let pieces = events.iter().filter_map(|envelope| match &envelope.event {
            Event::Output { channel, data, .. } if *channel == wanted => {
                Some(String::from_utf8(data.to_vec()).unwrap())
            }
            _ => None,
        });
        pieces.collect()
    };
    let line = |text: &str| {
        format!(
            "{{\"type\":\"user\",\"message\":{{\"role\":\"user\",\
             \"content\":[{{\"type\":\"text\",\"text\":\"{text}\"}}]}}}}\n"
        )
    };
    let expected = line("first") + &line("line one\\nline two");
    // `read` without -r takes the backslash away.
    assert_eq!(said(Channel::Stdout), expected.replace('\\', ""));
    assert_eq!(said(Channel::Stderr), "oops\n");
}

#[tokio::test]
async fn a_noninteractive_session_reads_nothing_and_takes_no_input() {
    let world = World::new().await;
    let id = world
        .launch_in("nonInteractive", "cat; echo done; exec sleep 1000")
        .await;
    world.until(&id, "done").await;
    assert_eq!(
        world.input(&id, "x").await.unwrap_err().code(),
        Code::SessionNotLive
    );
    world.engine.kill(&id, me()).await.unwrap();
    world.to_the_end(&id).await;
}

#[tokio::test]
async fn a_resize_is_recorded_and_felt() {
    let world = World::new().await;
    let script = "trap 'stty size; exit' WINCH; stty size; while :; do sleep 0.05; done";
    let request = LaunchRequest {
        cols: Some(100),
        rows: Some(30),
        ..world.request(script)
    };
    let id = world
        .engine
        .launch(request, me())
        .await
        .unwrap()
        .session
        .id
        .clone();
    world.until(&id, "30 100").await;
    let size = TermSize::parse(120, 40).unwrap();
    world.engine.resize(&id, size, me()).await.unwrap();
    world.until(&id, "40 120").await;
    let record = world.engine.get(&id).await.unwrap();
    assert!(matches!(record.session.origin, Origin::Launched { size: now, .. } if now == size));
    world.to_the_end(&id).await;
}
