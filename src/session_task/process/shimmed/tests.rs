//! A shim that is lost, and reached again.

use std::io::Write;
use std::task::Poll;
use std::time::Duration;

use super::peer::{Folder, SESSION, begin, output, say_and_hang_up, welcome};
use super::*;
use crate::out_of_reach::Encounters;
use crate::session_task::made_up::session;

async fn written(shimmed: &mut Shimmed) -> Vec<u8> {
    match shimmed.happens(true).await.what {
        What::Wrote(_, bytes) => bytes.to_vec(),
        other => panic!("{other:?}"),
    }
}

/// The spool is damaged behind the first of a thousand records, and mended by the time of the next connection.
#[tokio::test]
async fn damage_is_told_by_the_time_of_the_next_connection_until_that_comes_further_however_much_is_left()
 {
    let (folder, session, all) = (Folder::new(), session(SESSION), Encounters::default());
    let listener = folder.listen();
    let (known, id) = (all.clone(), session.id.clone());
    let shim = std::thread::spawn(move || {
        let first = [welcome(SESSION, 1000), begin(), output(0, "one")].concat();
        say_and_hang_up(&listener, &first);
        let (mut engine, _) = listener.accept().unwrap();
        let told = known.known(&id);
        let more = [first, output(3, "two")].concat();
        engine.write_all(&more).unwrap();
        (told, engine)
    });
    let encounter = all.of(session.id.clone());
    let mut shimmed = Shimmed::adopted(&session, folder.path().to_owned(), encounter);
    assert_eq!(written(&mut shimmed).await, b"one");
    assert_eq!(all.known(&session.id), Poll::Ready(None));
    assert_eq!(written(&mut shimmed).await, b"two");
    assert_eq!(all.known(&session.id), Poll::Ready(None));
    let (told, _engine) = shim.join().unwrap();
    let Poll::Ready(Some(told)) = told else {
        panic!("{told:?}");
    };
    assert_eq!(told.what, Amiss::SpoolDamaged);
}

/// The next connection has nothing new.
#[tokio::test]
async fn one_that_had_told_all_when_it_was_lost_serves_once_it_has_told_that_again() {
    let (folder, session, all) = (Folder::new(), session(SESSION), Encounters::default());
    let listener = folder.listen();
    let (known, id) = (all.clone(), session.id.clone());
    let shim = tokio::task::spawn_blocking(move || {
        let both = [
            welcome(SESSION, 2),
            begin(),
            output(0, "one"),
            output(3, "two"),
        ]
        .concat();
        say_and_hang_up(&listener, &both);
        let (mut engine, _) = listener.accept().unwrap();
        let told = known.known(&id);
        engine.write_all(&both).unwrap();
        (told, engine)
    });
    let encounter = all.of(session.id.clone());
    let mut shimmed = Shimmed::adopted(&session, folder.path().to_owned(), encounter);
    let hears = async {
        loop {
            shimmed.happens(true).await;
        }
    };
    let serves = async {
        let (told, engine) = shim.await.unwrap();
        assert!(matches!(told, Poll::Ready(Some(_))), "{told:?}");
        while all.known(&session.id) != Poll::Ready(None) {
            tokio::task::yield_now().await;
        }
        drop(engine);
    };
    let in_time = tokio::time::timeout(Duration::from_secs(60), serves);
    tokio::select! {
        () = hears => {}
        served = in_time => served.unwrap(),
    }
}
