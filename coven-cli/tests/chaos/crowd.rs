//! Very many sessions at once.

use std::thread;
use std::time::{Duration, Instant};

use coven_http::client::{Client, Error};
use coven_http::wire::{LaunchBody, SessionRecord};
use futures_util::{StreamExt, TryStreamExt, stream};

use crate::agent::{Manner, Told};
use crate::home::{Home, PATIENCE, eventually};
use crate::left::{Base, open_files};
use crate::lot::Lot;
use crate::sessions::{One, declare};
use crate::typing::{Refused, type_one};
use crate::{number, seed};

/// Requests at once.
const AT_ONCE: usize = 16;

/// What each agent writes.
const LEN_BYTES: u64 = 20_000;

/// Lines that each is typed while daemons die.
const LINES: u64 = 3;

const KILLS: u64 = 4;

pub(crate) fn under_five_hundred_sessions_that_write_daemons_die_and_cost_no_byte_and_no_input()
-> String {
    let sessions = number("COVEN_CHAOS_SESSIONS").unwrap_or(500);
    let home = Home::new();
    declare(&home);
    let base = Base::of(&home);
    let idle = open_files(&home);
    let runtime = tokio::runtime::Runtime::new().expect("a runtime");
    let client = Client::at_home(&home.dir());
    let launched = stream::iter(0..sessions)
        .map(|number| launch(&client, &home, number))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<One>>();
    let all = runtime.block_on(launched).expect("all are launched");
    let met = thread::scope(|scope| {
        let killing = scope.spawn(|| kill_daemons(&home));
        let typed = stream::iter(&all)
            .map(|one| type_lines(&client, one))
            .buffer_unordered(AT_ONCE)
            .collect::<Vec<usize>>();
        let met = runtime.block_on(typed).into_iter().sum::<usize>();
        killing.join().expect("it ends");
        met
    });
    // The last has all of them: a connection to each shim.
    home.kill_daemon();
    let begun = Instant::now();
    home.text(["daemon", "start"]);
    eventually("all taken over", || {
        (open_files(&home) >= idle + all.len()).then_some(())
    });
    let took = begun.elapsed().as_millis();
    let ended = stream::iter(&all)
        .map(|one| end(&client, one))
        .buffer_unordered(AT_ONCE)
        .try_collect::<Vec<_>>();
    for (one, record, output) in runtime.block_on(ended).expect("all are served") {
        assert_eq!(record.exit_code, Some(0), "{record:?}");
        assert!(one.wrote() == output, "session {}", one.told.number);
        one.agent_was_typed(LINES);
    }
    base.nothing_is_left(&home, all.iter().map(|one| one.id.as_str()));
    format!(
        "{sessions} sessions, {KILLS} kills that met {met} lines, and one more, taken over after \
         {took} ms"
    )
}

/// Launches an agent, and waits until its terminal is set.
async fn launch(client: &Client, home: &Home, number: u64) -> Result<One, Error> {
    let told = Told {
        number,
        seed: seed(),
        manner: Manner::PausesWhenTold,
        len_bytes: LEN_BYTES,
        dir: home.project(),
    };
    let body = LaunchBody {
        project_root: Some(home.project().display().to_string()),
        harness: Some("agent".to_owned()),
        prompt: Some(told.prompt()),
        ..LaunchBody::default()
    };
    let id = client.launch(&body).await?.id;
    let begun = Instant::now();
    while !told.typed().exists() {
        let what = format_args!("the terminal of agent {number} set");
        pause_within(begun, what).await;
    }
    Ok(One { id, told })
}

/// Waits a moment, and no more once it has been waited for long.
async fn pause_within(begun: Instant, what: impl std::fmt::Display) {
    assert!(begun.elapsed() < PATIENCE, "{what} did not come to be");
    tokio::time::sleep(Duration::from_millis(2)).await;
}

fn kill_daemons(home: &Home) {
    let mut lot = Lot::of(seed());
    for _ in 0..KILLS {
        thread::sleep(Duration::from_millis(lot.below(1500)));
        home.kill_daemon();
        home.text(["daemon", "start"]);
    }
}

/// How many daemons died that had been sent one of the lines.
async fn type_lines(client: &Client, one: &One) -> usize {
    let mut met = type_in(client, one, "go\n", "go").await;
    for line in 0..LINES {
        met += type_in(client, one, &format!("line {line}\n"), &format!("k{line}")).await;
    }
    met
}

async fn type_in(client: &Client, one: &One, line: &str, key: &str) -> usize {
    match type_one(client, &one.id, line, key).await {
        Ok(deaths) => deaths.len(),
        Err(Refused(why)) => panic!("{line:?} was refused by session {}: {why:?}", one.id),
    }
}

/// Has an agent end, and waits for that: how it was, and all that is on record.
async fn end<'a>(
    client: &Client,
    one: &'a One,
) -> Result<(&'a One, SessionRecord, Vec<u8>), Error> {
    type_in(client, one, "end\n", "the-end").await;
    let begun = Instant::now();
    let mut record = client.session(&one.id).await?;
    while record.ended_at.is_none() {
        pause_within(begun, format_args!("the end of {}", one.id)).await;
        record = client.session(&one.id).await?;
    }
    let (mut output, mut all) = (client.output(&one.id, 0).await?, Vec::new());
    let mut next = async || {
        let next = tokio::time::timeout(PATIENCE, output.next()).await;
        next.unwrap_or_else(|_| panic!("nothing came of the output of {}", one.id))
    };
    while let Some(bytes) = next().await? {
        all.extend_from_slice(&bytes);
    }
    Ok((one, record, all))
}
