//! Learning the harness's own id of the conversation, from what it writes or keeps open.
//!
//! Looks at open files are made when the process writes something, ever less often, and one more a
//! pause after the last of it, since what it keeps open may come after what it writes. One that
//! writes nothing is not looked at, but for when it is taken over, and before a kill.

use std::time::Duration;

use coven_core::{Command, ConversationId, ProcessFacts};
use coven_harness::identity::{OpenFileMark, find_open};
use coven_harness::{IdentityScan, IdentitySource, Scanned};

use super::live::{Goes, Live, Slot};

/// The wait between the first two looks at open files; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest wait between two looks, and so about how long a conversation may not be known that
/// could be. A look is a millisecond's work.
const MAX_PAUSE: Duration = Duration::from_secs(2);

/// What a look at open files found.
pub(super) type Look = Option<ConversationId>;

/// What is left to do to learn the id.
pub(super) struct IdentityWatch {
    way: Way,
    /// The output is to tell it.
    listens: bool,
    pub(super) looking: Slot<Look>,
}

/// When the look after one is made, where that finds nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Again {
    /// The process may be about to open what it just wrote of.
    APauseLater,
    /// It has been quiet for a pause.
    OnceItWrites,
}

enum Way {
    Listen(Box<IdentityScan>),
    Look {
        mark: OpenFileMark,
        not_before: Duration,
        pause: Duration,
        /// When the look after what was written last is made, though nothing more is written.
        due: Option<Duration>,
    },
    /// It is known, or never will be.
    Done,
}

impl IdentityWatch {
    pub(super) fn new(source: IdentitySource) -> Self {
        let way = match source {
            IdentitySource::CommandLine | IdentitySource::Never => Way::Done,
            IdentitySource::Output(mark) => Way::Listen(Box::new(IdentityScan::new(mark))),
            IdentitySource::OpenFile(mark) => Way::Look {
                mark,
                not_before: Duration::ZERO,
                pause: FIRST_PAUSE,
                due: None,
            },
        };
        Self {
            listens: matches!(source, IdentitySource::Output(_)),
            way,
            looking: None,
        }
    }

    /// That of a session of whose output so much was listened to.
    pub(super) fn resumed(source: IdentitySource, so_far: Option<Scanned>) -> Self {
        let mut watch = Self::new(source);
        if let (IdentitySource::Output(mark), Some(so_far)) = (source, so_far) {
            let scan = IdentityScan::resume(mark, so_far);
            watch.way = if scan.is_over() {
                Way::Done
            } else {
                Way::Listen(Box::new(scan))
            };
        }
        watch
    }

    /// How much of the output was listened to, where that is to tell it.
    pub(super) fn so_far(&self) -> Option<Scanned> {
        match &self.way {
            Way::Listen(scan) => Some(scan.so_far().clone()),
            Way::Look { .. } | Way::Done => self.listens.then_some(Scanned::OVER),
        }
    }
}

impl IdentityWatch {
    /// Hears output that is on record, for an id in it.
    pub(super) fn hear_again(&mut self, bytes: &[u8]) -> Option<ConversationId> {
        match &mut self.way {
            Way::Listen(scan) => scan.feed(bytes),
            Way::Look { .. } | Way::Done => None,
        }
    }

    /// When it is time to look, whether or not the process writes something.
    pub(super) fn due(&self) -> Option<Duration> {
        match self.way {
            Way::Look { due, .. } if self.looking.is_none() => due,
            Way::Look { .. } | Way::Listen(_) | Way::Done => None,
        }
    }
}

impl Live {
    /// The process wrote something: a time to look, at once or as soon as the pause is over.
    pub(super) fn identity_heard(&mut self, bytes: &[u8]) {
        match &mut self.identity.way {
            Way::Done => {}
            Way::Listen(scan) => {
                let found = scan.feed(bytes);
                if found.is_some() || scan.is_over() {
                    self.identity.way = Way::Done;
                }
                self.identified(found);
            }
            Way::Look { .. } => self.look_for_identity(Again::APauseLater),
        }
    }

    /// The process may have what tells the id open by now.
    pub(super) fn look_for_identity(&mut self, again: Again) {
        let Way::Look {
            mark,
            not_before,
            pause,
            due,
        } = &mut self.identity.way
        else {
            return;
        };
        let now = self.shared.clock.elapsed();
        *due = match again {
            Again::APauseLater => Some(*not_before),
            Again::OnceItWrites => None,
        };
        if now < *not_before || self.identity.looking.is_some() {
            return;
        }
        *not_before = now + *pause;
        *due = due.map(|_| *not_before);
        *pause = (*pause * 2).min(MAX_PAUSE);
        let (process, mark) = (self.process.facts().clone(), *mark);
        self.identity.looking = Some(Box::pin(look(process, mark)));
    }

    /// What a look before the process is signalled would find, if one is still of use.
    pub(super) fn last_look(&self) -> impl Future<Output = Look> + Send + use<> {
        let mark = match self.identity.way {
            Way::Look { mark, .. } => Some(mark),
            Way::Listen(_) | Way::Done => None,
        };
        let process = self.process.facts().clone();
        async move {
            match mark {
                Some(mark) => look(process, mark).await,
                None => None,
            }
        }
    }

    /// A look is through.
    pub(super) fn looked(&mut self, look: Look) -> Goes {
        self.identity.looking = None;
        if look.is_some() {
            self.identity.way = Way::Done;
        }
        self.identified(look);
        Goes::On
    }

    pub(super) fn identified(&mut self, found: Option<ConversationId>) {
        if let Some(conversation) = found {
            let now = self.shared.clock.now();
            let identified = Command::RecordIdentity { conversation };
            self.observations.note(identified, now, None);
        }
    }
}

async fn look(process: ProcessFacts, mark: OpenFileMark) -> Look {
    let look = tokio::task::spawn_blocking(move || find_open(&process, mark));
    // A look that panicked found nothing.
    look.await.ok().flatten()
}
