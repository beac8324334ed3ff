//! What an attempt to reach a shim meets, and the word for it.

use coven_harness::shim::protocol::{FromShim, Refused};

use super::super::peer::{Folder, SESSION, bytes, say_and_hang_up, welcome};
use super::*;
use crate::out_of_reach::Encounters;

/// The word for what an attempt meets, and what is said of it.
async fn met(folder: &Folder) -> (&'static str, String) {
    let session = SessionId::parse(SESSION).unwrap();
    let encounter = Encounters::default().of(session.clone());
    match try_to_reach(folder.path(), &session, &encounter).await {
        Err(met) => (met.what.as_str(), met.why),
        Ok(_) => panic!("it was reached"),
    }
}

#[tokio::test]
async fn a_socket_at_which_nobody_listens_any_more_is_told_by_its_word() {
    let folder = Folder::new();
    drop(folder.listen());
    let (word, why) = met(&folder).await;
    assert_eq!(word, "socket_refused");
    let socket = folder.path().join(SOCKET);
    let told = format!("nobody listens at {}: ", socket.display());
    assert!(why.starts_with(&told), "{why}");
}

#[tokio::test]
async fn what_a_shim_says_that_is_of_no_use_is_told_by_its_word() {
    let version = bytes(&FromShim::Refused(Refused::Version { min: 7, max: 9 }));
    let gone = bytes(&FromShim::Refused(Refused::NoSuchRecord {
        first: 3,
        next: 4,
    }));
    let own = || welcome(SESSION, 1);
    let other = welcome("0199a213-81c0-7800-8aa1-bbab2a035a01", 1);
    for (said, word, told) in [
        (version, "shim_version", "versions 7 to 9"),
        (Vec::new(), "shim_unreachable", "was lost"),
        (vec![0; 64], "shim_unreachable", "makes no sense"),
        (
            [own(), gone].concat(),
            "shim_unreachable",
            "records 3 up to but not 4",
        ),
        (other, "socket_replaced", "another session's shim"),
        (own(), "spool_damaged", "cannot read back"),
    ] {
        let folder = Folder::new();
        let listener = folder.listen();
        let shim = tokio::task::spawn_blocking(move || say_and_hang_up(&listener, &said));
        let met = met(&folder).await;
        assert_eq!(met.0, word, "{}", met.1);
        assert!(met.1.contains(told), "{}", met.1);
        assert!(met.1.contains("`coven kill` ends the session"), "{}", met.1);
        shim.await.unwrap();
    }
}

#[tokio::test]
async fn a_socket_at_which_somebody_listens_and_says_nothing_is_told_by_its_word() {
    let folder = Folder::new();
    let _silent = folder.listen();
    let (word, why) = met(&folder).await;
    assert_eq!(word, "socket_silent");
    let socket = folder.path().join(SOCKET);
    let told = format!("whoever listens at {} says nothing: ", socket.display());
    assert!(why.starts_with(&told), "{why}");
}
