//! Learning the harness's own id of the conversation, from what it writes or keeps open.
//!
//! Looks are made when the process writes something, ever less often, and never by a timer; and
//! a last one before a kill, since a harness may be killed soon after its first turn.

use std::time::Duration;

use coven_core::{Command, ConversationId, ProcessFacts};
use coven_harness::identity::{OpenFileMark, find_open};
use coven_harness::{IdentityScan, IdentitySource};

use super::live::{Goes, Live, Slot};

/// The wait between the first two looks at open files; it doubles with each.
const FIRST_PAUSE: Duration = Duration::from_millis(100);

/// The longest wait between two looks.
const MAX_PAUSE: Duration = Duration::from_secs(10);

/// What a look at open files found.
pub(super) type Look = Option<ConversationId>;

/// What is left to do to learn the id.
pub(super) struct IdentityWatch {
    way: Way,
    pub(super) looking: Slot<Look>,
}

enum Way {
    Listen(Box<IdentityScan>),
    Look {
        mark: OpenFileMark,
        not_before: Duration,
        pause: Duration,
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
            },
        };
        Self { way, looking: None }
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
}

impl Live {
    /// The process wrote something: a time to look.
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
            Way::Look {
                mark,
                not_before,
                pause,
            } => {
                let now = self.shared.clock.elapsed();
                if now < *not_before || self.identity.looking.is_some() {
                    return;
                }
                let (process, mark) = (self.process.facts.clone(), *mark);
                *not_before = now + *pause;
                *pause = (*pause * 2).min(MAX_PAUSE);
                self.identity.looking = Some(Box::pin(look(process, mark)));
            }
        }
    }

    /// What a look before the process is signalled would find, if one is still of use.
    pub(super) fn last_look(&self) -> impl Future<Output = Look> + Send + use<> {
        let mark = match self.identity.way {
            Way::Look { mark, .. } => Some(mark),
            Way::Listen(_) | Way::Done => None,
        };
        let process = self.process.facts.clone();
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
