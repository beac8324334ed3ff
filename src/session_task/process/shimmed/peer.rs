//! A shim for tests, which says what they have it say.

use std::fs::File;
use std::io::{self, Write};
use std::net::Shutdown;
use std::os::unix::net::UnixListener;
use std::path::Path;

use bytes::Bytes;
use coven_core::{Channel, Timestamp};
use coven_harness::shim::protocol::{Begin, FromShim, Welcome};
use coven_harness::shim::{Record, SOCKET};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;

pub(super) const SESSION: &str = "0199a213-81c0-7800-8aa1-bbab2a035a00";

/// The folder of a shim that lives: somebody has its lock.
pub(super) struct Folder {
    dir: TempDir,
    _lock: File,
}

impl Folder {
    pub(super) fn new() -> Self {
        let dir = tempfile::tempdir().unwrap();
        let lock = File::create(dir.path().join("lock")).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        Self { dir, _lock: lock }
    }

    pub(super) fn path(&self) -> &Path {
        self.dir.path()
    }

    pub(super) fn listen(&self) -> UnixListener {
        UnixListener::bind(self.path().join(SOCKET)).unwrap()
    }
}

/// Says this to the next that comes, whatever that says, and is silent until that leaves.
pub(super) fn say_and_hang_up(listener: &UnixListener, said: &[u8]) {
    let (mut engine, _) = listener.accept().unwrap();
    engine.write_all(said).unwrap();
    engine.shutdown(Shutdown::Write).unwrap();
    // It may leave without a word.
    let _ = io::copy(&mut engine, &mut io::sink());
}

pub(super) fn bytes(said: &FromShim) -> Vec<u8> {
    let mut bytes = Vec::new();
    said.encode(&mut bytes);
    bytes
}

/// Of a session's shim, which has so many records.
pub(super) fn welcome(session: &str, records: u64) -> Vec<u8> {
    bytes(&FromShim::Welcome(Welcome {
        version: 1,
        features: 0,
        session: session.to_owned(),
        shim_pid: 1,
        first: 1,
        next: 1 + records,
    }))
}

pub(super) fn begin() -> Vec<u8> {
    bytes(&FromShim::Begin(Begin { record: 1 }))
}

pub(super) fn output(offset: u64, text: &'static str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let record = Record::Output {
        offset,
        channel: Channel::Tty,
        bytes: Bytes::from_static(text.as_bytes()),
    };
    record.encode(Timestamp::from_nanos(1), &mut bytes);
    bytes
}
