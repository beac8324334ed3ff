//! Opening a [`Store`]: its files, the threads that write to them, and what those share.

use std::path::Path;
use std::sync::{Arc, mpsc};
use std::thread;

use super::read_again::ReadAgain;
use super::{Inner, Opened, Store};
use crate::compact::Compaction;
use crate::database::Database;
use crate::error::OpenError;
use crate::file::{self, Bare, Disk, OsDisk, Places};
use crate::folder::{self, Folder, Mender, Rest};
use crate::health::Meter;
use crate::limits::{LOOK_PATIENCE, MAX_FOLD_BYTES};
use crate::opening;
use crate::options::Options;
use crate::read::{Cache, Looked};
use crate::tail::SharedTail;
use crate::wake::Wakes;
use crate::writer::{self, Queue, Rooms, Writer};

impl Store {
    /// Opens the log at `path`, or makes an empty one where nothing is. One `Store` at a time can
    /// have it open. Blocks for the disk: after a crash until what was not folded yet is read
    /// again, which is bounded whatever the history.
    ///
    /// Two more files stand beside it: `path` with `.journal` at its end is part of the log and
    /// goes where it goes; the one with `.reserve` keeps room for a full disk.
    ///
    /// # Errors
    /// [`OpenError`], each with what to do about it. What is at `path` is then as it was.
    pub fn open(path: &Path, options: Options) -> Result<Self, OpenError> {
        let disk: Arc<dyn Disk> = Arc::new(OsDisk);
        Self::open_on(&disk, path, options)
    }

    /// Opens the log at `path` for reading alone, and writes nothing: not to its files, nor beside
    /// them. A log that was not closed is put in order in memory, so one on a file system that
    /// takes no writes is read as well. While it is open nobody may write to it; who can open its
    /// files for writing has that seen to by a lock on them, others must see to it themselves.
    /// Blocks as [`Store::open`] does.
    ///
    /// What would write is refused with [`AppendError::Closed`](crate::AppendError::Closed), and who
    /// waits for more is told at once that there will be none.
    ///
    /// # Errors
    /// [`OpenError`]; [`OpenError::Io`] of the kind `NotFound` where there is no log.
    pub fn open_to_read(path: &Path, options: Options) -> Result<Self, OpenError> {
        let opening::ReadFiles {
            log,
            cold,
            cold_file,
            tail,
        } = opening::open_to_read(&OsDisk, path, options)?;
        let meter = Arc::new(Meter::default());
        meter.opened();
        let wakes = Wakes::new(tail.last().seq());
        wakes.close();
        let folded = tail.folded();
        Ok(Self(Arc::new(Inner {
            log,
            queue: Queue {
                // Nobody hears what is sent there.
                sender: mpsc::channel().0,
                rooms: Rooms::new(options.queue_bytes),
                meter,
                pool: Arc::default(),
            },
            folder: mpsc::channel().0,
            cold: Arc::new(Database::new(cold, Some(Bare::of(cold_file)))),
            cache: Arc::new(Cache::new(options.segment_cache_bytes)),
            tail: Arc::new(SharedTail::new(tail)),
            looked: Looked::default(),
            wakes: Arc::new(wakes),
            opened: Opened::ToRead(ReadAgain::new(
                std::path::absolute(path).unwrap_or_else(|_| path.to_owned()),
                options.cache_bytes,
                (log, folded),
            )),
        })))
    }

    pub(crate) fn open_on(
        disk: &Arc<dyn Disk>,
        path: &Path,
        options: Options,
    ) -> Result<Self, OpenError> {
        let opening::Files {
            log,
            journal,
            cold,
            tail,
            ending,
            reserve,
            let_go,
        } = opening::open(disk, path, options)?;
        let meter = Arc::new(Meter::default());
        meter.opened();
        if let Some(told) = let_go {
            meter.let_go(told);
        }
        let mark = tail.last();
        let (folder_sender, folder_inbox) = mpsc::channel();
        if tail.bytes() > 0 {
            let _ = folder_sender.send(folder::Message::FoldAll { reply: None });
        }
        let tail = Arc::new(SharedTail::new(tail));
        let wakes = Arc::new(Wakes::new(mark.seq()));
        let rooms = Rooms::new(options.queue_bytes);
        for session in &ending {
            rooms.ends(session);
        }
        let (sender, inbox) = mpsc::channel();
        let fold_bytes = options.fold_bytes.min(MAX_FOLD_BYTES);
        let places = Places {
            cold: cold.place().clone(),
            journal: journal.place().clone(),
        };
        let database = Arc::clone(&cold.database);
        let cache = Arc::new(Cache::new(options.segment_cache_bytes));
        let folder = Folder {
            inbox: folder_inbox,
            writer: sender.clone(),
            cold,
            journal: Arc::clone(&journal.database),
            tail: Arc::clone(&tail),
            cache: Arc::clone(&cache),
            meter: Arc::clone(&meter),
            fold_bytes,
            compaction: Compaction::new(options.spare_bytes),
            reserve: reserve.clone(),
            rest: Rest::new(options.at_rest, tail.pool()),
            state: folder::State::default(),
        };
        let mender = Mender::new(folder_sender.clone());
        let writer = Writer {
            inbox,
            journal,
            cold: Arc::clone(&database),
            places: places.clone(),
            tail: Arc::clone(&tail),
            mender: mender.clone(),
            folder: folder_sender.clone(),
            fold_bytes,
            fold_after: options.fold_after,
            reserve,
            wakes: Arc::clone(&wakes),
            meter: Arc::clone(&meter),
            rooms: rooms.clone(),
            at_close: options.at_close,
            mark,
            state: writer::State::default(),
        };
        let io = |source| file::open_error(path, source);
        spawn("coven-log", move || writer.run()).map_err(io)?;
        let (looks_over, is_looked_over) = mpsc::channel();
        spawn("coven-fold", move || folder.run(looks_over)).map_err(io)?;
        // Nothing is sent: it ends when the folder lets go.
        let _ = is_looked_over.recv_timeout(LOOK_PATIENCE);
        Ok(Self(Arc::new(Inner {
            log,
            queue: Queue {
                sender,
                rooms,
                meter,
                pool: Arc::clone(tail.pool()),
            },
            folder: folder_sender,
            cold: database,
            cache,
            tail,
            looked: Looked::default(),
            wakes,
            opened: Opened::ToWrite { places, mender },
        })))
    }
}

fn spawn(name: &str, work: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
    thread::Builder::new().name(name.to_owned()).spawn(work)?;
    Ok(())
}
