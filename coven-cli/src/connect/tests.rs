//! Starting a daemon that does not stay.

use super::*;

#[tokio::test]
async fn a_daemon_that_dies_as_soon_as_it_is_ready_is_started_once_and_its_last_word_told() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let mut spawned = 0;
    let failure = start(&home, &client(&home).unwrap(), |home| {
        spawned += 1;
        std::fs::write(home.daemon_log(), "first\nout of memory\n").unwrap();
        drop(std::os::unix::net::UnixListener::bind(home.socket()).unwrap());
        Ok(Spawned::Ready)
    })
    .await
    .unwrap_err();
    assert_eq!(spawned, 1);
    assert!(
        failure.to_string().ends_with(": out of memory"),
        "{failure}"
    );
    assert_eq!(failure.exit(), Exit::Unreachable);
}

#[tokio::test]
async fn a_daemon_that_somebody_stops_as_soon_as_it_is_ready_is_followed_by_another() {
    let dir = tempfile::tempdir().unwrap();
    let home = Home::at(dir.path().join("home"));
    let mut spawned = 0;
    let failure = start(&home, &client(&home).unwrap(), |_| {
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
    let failure = start(&home, &client(&home).unwrap(), |_| {
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
