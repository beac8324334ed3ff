//! A shim that tests make up: it holds no process, and has the records that it is given. It need not be of
//! this program's version.

use std::fs::File;
use std::io::{Read, Write};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};

use coven_core::SessionId;
use coven_harness::shim::SOCKET;
use coven_harness::shim::frame::Decoder;
use coven_harness::shim::protocol::{Begin, FromShim, ToShim, Welcome};
use rustix::fs::{FlockOperation, flock};
use tempfile::TempDir;
use tokio::sync::mpsc;

/// It is there as long as this is, for one engine.
pub(super) struct MadeUpShim {
    folder: PathBuf,
    acked: mpsc::UnboundedReceiver<u64>,
    _lock: File,
    _dir: TempDir,
}

/// What it has, and has been told.
struct Shim {
    session: SessionId,
    /// The number of the first of its records.
    first: u64,
    records: Vec<Vec<u8>>,
    acked: mpsc::UnboundedSender<u64>,
}

impl MadeUpShim {
    /// That of `session`, with the frames of its records, of which the first has this number.
    pub(super) fn of(session: &SessionId, first: u64, records: Vec<Vec<u8>>) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let folder = dir.path().join("session");
        std::fs::create_dir(&folder).unwrap();
        let lock = File::create(folder.join("lock")).unwrap();
        flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        let listener = UnixListener::bind(folder.join(SOCKET)).unwrap();
        let (telling, acked) = mpsc::unbounded_channel();
        let shim = Shim {
            session: session.clone(),
            first,
            records,
            acked: telling,
        };
        std::thread::spawn(move || shim.serve(&listener.accept().unwrap().0));
        Self {
            folder,
            acked,
            _lock: lock,
            _dir: dir,
        }
    }

    pub(super) fn folder(&self) -> &Path {
        &self.folder
    }

    /// Up to which record it is told next that all are on record; `None` once it is closed.
    pub(super) async fn acked(&mut self) -> Option<u64> {
        self.acked.recv().await
    }
}

impl Shim {
    /// Serves until it is closed, or hung up on.
    fn serve(self, mut engine: &UnixStream) {
        let mut decoder = Decoder::default();
        let mut last_acked = self.first - 1;
        let next = self.first + self.records.len() as u64;
        loop {
            while let Some(frame) = decoder.next_frame().unwrap() {
                let mut said = Vec::new();
                match ToShim::decode(&frame).unwrap() {
                    Some(ToShim::Hello(_)) => FromShim::Welcome(Welcome {
                        version: 1,
                        features: 0,
                        session: self.session.to_string(),
                        shim_pid: std::process::id(),
                        first: self.first,
                        next,
                    })
                    .encode(&mut said),
                    Some(ToShim::From(record)) => {
                        FromShim::Begin(Begin { record }).encode(&mut said);
                        said.extend(self.records.concat());
                    }
                    Some(ToShim::Ack(upto)) => {
                        last_acked = upto;
                        // Who made it up may not ask.
                        let _ = self.acked.send(upto);
                    }
                    Some(ToShim::Close(request)) => {
                        if last_acked + 1 == next {
                            return;
                        }
                        FromShim::StillNeeded(request).encode(&mut said);
                    }
                    _ => {}
                }
                engine.write_all(&said).unwrap();
            }
            let mut buffer = [0; 4096];
            match engine.read(&mut buffer) {
                Ok(0) | Err(_) => return,
                Ok(read) => decoder.buffer().extend_from_slice(&buffer[..read]),
            }
        }
    }
}
