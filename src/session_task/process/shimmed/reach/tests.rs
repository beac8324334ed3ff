//! What an attempt to reach a shim meets, and the word for it.

use std::fs::File;
use std::io::Write;
use std::os::unix::net::UnixListener;
use std::thread::JoinHandle;

use coven_harness::shim::protocol::{FromShim, Refused, Welcome};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

use super::*;

const SESSION: &str = "0199a213-81c0-7800-8aa1-bbab2a035a00";

/// The folder of a shim that lives: somebody has its lock.
struct Folder {
    dir: TempDir,
    _lock: File,
}

impl Folder {
    fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lock = File::create(dir.path().join("lock")).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        Self { dir, _lock: lock }
    }

    fn listen(&self) -> UnixListener {
        UnixListener::bind(self.dir.path().join(SOCKET)).unwrap()
    }

    /// One who answers the first that comes with `said`, whatever that says, and hangs up.
    fn saying(&self, said: Vec<u8>) -> JoinHandle<()> {
        let listener = self.listen();
        std::thread::spawn(move || {
            let (mut engine, _) = listener.accept().unwrap();
            engine.write_all(&said).unwrap();
        })
    }

    /// The word for what an attempt meets, and what is said of it.
    async fn met(&self) -> (&'static str, String) {
        let session = SessionId::parse(SESSION).unwrap();
        match try_to_reach(self.dir.path(), &session).await {
            Err(met) => (met.what.as_str(), met.why),
            Ok(_) => panic!("it was reached"),
        }
    }
}

fn bytes(said: &FromShim) -> Vec<u8> {
    let mut bytes = Vec::new();
    said.encode(&mut bytes);
    bytes
}

fn welcome(session: &str) -> Vec<u8> {
    bytes(&FromShim::Welcome(Welcome {
        version: 1,
        features: 0,
        session: session.to_owned(),
        shim_pid: 1,
        first: 1,
        next: 2,
    }))
}

#[tokio::test]
async fn a_socket_at_which_nobody_listens_any_more_is_told_by_its_word() {
    let folder = Folder::new();
    drop(folder.listen());
    let (word, why) = folder.met().await;
    assert_eq!(word, "socket_refused");
    let socket = folder.dir.path().join(SOCKET);
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
    let other = welcome("0199a213-81c0-7800-8aa1-bbab2a035a01");
    for (said, word, told) in [
        (version, "shim_version", "versions 7 to 9"),
        (Vec::new(), "shim_unreachable", "was lost"),
        (vec![0; 64], "shim_unreachable", "makes no sense"),
        (
            [welcome(SESSION), gone].concat(),
            "shim_unreachable",
            "records 3 up to but not 4",
        ),
        (other, "socket_replaced", "another session's shim"),
        (welcome(SESSION), "spool_damaged", "cannot read back"),
    ] {
        let folder = Folder::new();
        let shim = folder.saying(said);
        let met = folder.met().await;
        assert_eq!(met.0, word, "{}", met.1);
        assert!(met.1.contains(told), "{}", met.1);
        assert!(met.1.contains("`coven kill` ends the session"), "{}", met.1);
        shim.join().unwrap();
    }
}
