//! Starting a daemon that does not stay.

use super::*;
use crate::connect::client;

/// Writes this to the home's log, and leaves its socket, as a daemon that is killed does.
fn die_with(home: &Home, log: &str) {
    std::fs::write(home.daemon_log(), log).unwrap();
    let _ = std::fs::remove_file(home.socket());
    drop(std::os::unix::net::UnixListener::bind(home.socket()).unwrap());
}

#[tokio::test]
async fn a_daemon_that_is_killed_before_or_after_it_is_ready_is_followed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let mut spawned = 0;
    let setbacks = Setbacks::default();
    let failure = start(&home, &client(&home).unwrap(), setbacks, |home| {
        spawned += 1;
        die_with(home, "killed\n");
        match spawned {
            1 | 3 => Ok(Spawned::Ready),
            2 | 4 => Ok(Spawned::IsGone {
                reason: "without a word".to_owned(),
            }),
            _ => Err(Failure::failed("the lock is held")),
        }
    })
    .await
    .unwrap_err();
    assert_eq!(
        (spawned, failure.to_string().as_str()),
        (5, "the lock is held"),
        "one that says why is the last"
    );
}

#[tokio::test]
async fn daemons_that_die_time_and_again_are_given_up_and_the_last_word_of_the_last_is_told() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let mut spawned = 0;
    let setbacks = Setbacks::of(18);
    let failure = start(&home, &client(&home).unwrap(), setbacks, |home| {
        spawned += 1;
        die_with(home, &format!("first\nout of memory {spawned}\n"));
        Ok(Spawned::Ready)
    })
    .await
    .unwrap_err();
    assert_eq!(spawned, 2);
    let said = failure.to_string();
    assert!(said.starts_with("of 20 daemons in "), "{said}");
    assert!(said.ends_with(": out of memory 2"), "{said}");
    assert_eq!(failure.exit(), Exit::Unreachable);
}

#[tokio::test]
async fn a_daemon_that_somebody_stops_as_soon_as_it_is_ready_is_followed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let mut spawned = 0;
    let failure = start(&home, &client(&home).unwrap(), Setbacks::default(), |_| {
        spawned += 1;
        match spawned {
            // It has put its socket away by the time that it is looked for.
            1..=3 => Ok(Spawned::Ready),
            _ => Err(Failure::failed("the next")),
        }
    })
    .await
    .unwrap_err();
    assert_eq!((spawned, failure.to_string().as_str()), (4, "the next"));
}

#[tokio::test]
async fn a_home_that_is_taken_is_tried_again_when_it_is_free() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    home.make().unwrap();
    let engine = coven::Engine::open(coven::Options::at(home.dir()))
        .await
        .unwrap();
    let mut holding = Some(engine);
    let mut spawned = 0;
    let failure = start(&home, &client(&home).unwrap(), Setbacks::default(), |_| {
        spawned += 1;
        match holding.take() {
            Some(engine) => {
                // It ends once it is waited for.
                tokio::spawn(async move { engine.shutdown().await });
                let reason = "somebody has it".to_owned();
                Ok(Spawned::HomeIsTaken { reason })
            }
            None => Err(Failure::failed("free")),
        }
    })
    .await
    .unwrap_err();
    assert_eq!((spawned, failure.to_string().as_str()), (2, "free"));
}
