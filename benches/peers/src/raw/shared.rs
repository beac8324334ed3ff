//! The raw file under many who append at once and wait: one thread takes what is queued, appends it,
//! syncs, and answers each.

use std::path::Path;
use std::sync::mpsc::{self, Receiver, Sender};
use std::thread::{self, JoinHandle};

use bytes::Bytes;
use tokio::sync::oneshot;

use super::Raw;
use crate::log::SharedLog;

/// Events that share a sync, at most: as many as in Coven's log.
const GROUP: usize = 1024;

pub(crate) struct SharedRaw {
    queue: Sender<Job>,
    writer: JoinHandle<()>,
}

struct Job {
    session: usize,
    event: Bytes,
    reply: oneshot::Sender<()>,
}

impl SharedRaw {
    pub(crate) fn open(path: &Path) -> Self {
        let (queue, jobs) = mpsc::channel();
        let raw = Raw::open(path);
        let writer = thread::spawn(move || write(raw, &jobs));
        Self { queue, writer }
    }

    pub(crate) fn close(self) {
        drop(self.queue);
        self.writer.join().expect("it wrote all");
    }
}

impl SharedLog for SharedRaw {
    async fn append_one(&self, session: usize, event: Bytes) {
        let (reply, answer) = oneshot::channel();
        let job = Job {
            session,
            event,
            reply,
        };
        self.queue.send(job).expect("it writes");
        answer.await.expect("appended");
    }
}

fn write(mut raw: Raw, jobs: &Receiver<Job>) {
    while let Ok(first) = jobs.recv() {
        let more = jobs.try_iter().take(GROUP - 1);
        let group: Vec<Job> = std::iter::once(first).chain(more).collect();
        raw.append_group(group.iter().map(|job| (job.session, &job.event)));
        for job in group {
            // Whoever is not waiting any more has seen enough.
            let _ = job.reply.send(());
        }
    }
}
