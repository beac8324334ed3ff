//! The engine's side: starting a shim, adopting one, and what is had of it then.

mod launch;
mod link;
mod outgoing;
mod reach;

use std::io;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use coven_core::{ProcessFacts, SessionId, TermSize};
use tokio::net::UnixStream;

use super::protocol::{
    FromShim, Hello, Input, InputId, InputRefusal, Recorded, Refused, Taken, ToShim, VERSION,
    Welcome,
};
pub use launch::{Launch, LaunchError, LaunchStep, Program, launch, launch_with};
use link::{Answer, Incoming, Link};
use reach::reach;

/// Bytes of records that may be on their way or wait to be taken. The shim may send one frame and
/// 16 KiB more than that.
const CREDIT_BYTES: u64 = 512 << 10;

/// Credit is given back by no less than this.
const CREDIT_STEP_BYTES: u64 = CREDIT_BYTES / 4;

/// A session whose process a shim holds. It goes on when all of this is dropped, and so does it
/// when this program dies.
#[derive(Debug)]
pub struct Child {
    /// Which process; its [`shim_pid`](ProcessFacts::shim_pid) is the shim's. `None` of one that
    /// was adopted: its start is on record, or among the records.
    pub facts: Option<ProcessFacts>,
    /// What happens to it.
    pub records: Records,
    /// What can be done to it.
    pub control: Control,
    /// The number of the newest record that it had when it was reached: with that, all it had by then
    /// was read back. `None` where it had none, or was launched just now.
    pub newest: Option<u64>,
}

/// What happens to a session, in order, from where it was asked for.
#[derive(Debug)]
pub struct Records {
    link: Arc<Link>,
    incoming: Incoming,
    /// A record that was looked at already.
    peeked: Option<(Recorded, u64)>,
    /// Credit that is not given back yet.
    taken_bytes: u64,
}

/// What can be done to a session. Cheap to clone. Nothing here waits for a slow disk of ours; what
/// is asked waits for the shim.
#[derive(Clone, Debug)]
pub struct Control {
    link: Arc<Link>,
}

/// There is no conversation any more: look at the session's folder, and adopt it again or take
/// what is left of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Lost {
    /// The shim died, or closed the connection, as it does when another engine comes.
    #[error("the connection to the session's shim was lost")]
    Gone,
    /// What it said is no sense: it is of a version that breaks the rules, or damaged.
    #[error("the session's shim makes no sense")]
    Nonsense,
}

/// Why a session is not adopted. Nothing of it has changed.
#[derive(Debug, thiserror::Error)]
pub enum AdoptError {
    /// Nobody listens there: the shim is dead, or about to listen or to end.
    #[error("the session's shim cannot be reached: {source}")]
    Unreachable {
        /// What the system says.
        #[source]
        source: io::Error,
    },
    /// Something that is no socket is in the place of its own, as a link, which is not followed.
    #[error("what is in the place of the socket of the session's shim is no socket")]
    NoSocket,
    /// Whoever listens there says nothing, or takes nobody in: the shim is held up, or somebody else
    /// listens in its place.
    #[error("whoever listens in the place of the session's shim does not greet")]
    Silent,
    /// It holds another session.
    #[error("there is another session's shim in its place")]
    OtherSession,
    /// It speaks other versions of the protocol than we do.
    #[error("the session's shim speaks versions {min} to {max}, and not {VERSION}")]
    Version {
        /// The lowest.
        min: u16,
        /// The highest.
        max: u16,
    },
    /// It does not have these records.
    #[error("the session's shim has records {first} up to but not {next}")]
    NoSuchRecord {
        /// The oldest that it has.
        first: u64,
        /// The next that it will have.
        next: u64,
    },
    /// It hangs up when it is asked for its records: it cannot read them back. Somebody emptied or
    /// changed its spool, or made it unreadable, or it died just now: look at its folder, and adopt it
    /// again.
    #[error("the session's shim cannot read back what it has written down")]
    Unread,
    /// The connection was lost before it was any use.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// Why an input is not typed, or may not be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InputError {
    /// It is not.
    #[error(transparent)]
    Refused(#[from] InputRefusal),
    /// It may be or not: ask again with the same id, once the session is adopted again.
    #[error(transparent)]
    Lost(#[from] Lost),
}

/// The shim stays: its session is not over, or not all its records were acknowledged.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the session's shim is still needed")]
pub struct CloseError;

/// Takes over the session whose shim has its folder here, with all the records that the shim still has: who
/// has some of them on record passes over those. Whoever had it before has lost it.
///
/// Whoever listens there has 3 s to greet, but for the shim itself where it is stopped and the session's id is
/// the last of its [`Program`]'s arguments: it does not answer, and this waits for it. Dropped meanwhile it has
/// done nothing.
///
/// # Errors
/// [`AdoptError`] says what to do. In no case was anything done to the session.
pub async fn adopt_all(folder: &Path, session: &SessionId) -> Result<Child, AdoptError> {
    let (mut child, welcome) = reach(folder, session).await?;
    child.ask_from(welcome.first).await?;
    Ok(child)
}

impl Child {
    /// Says hello, and `more` with it.
    fn over(stream: UnixStream, more: &[ToShim]) -> Self {
        let (link, incoming) = Link::begin(stream);
        let hello = Hello {
            min: VERSION,
            max: VERSION,
            features: 0,
        };
        link.say(&ToShim::Hello(hello));
        for told in more {
            link.say(told);
        }
        let link = Arc::new(link);
        Self {
            facts: None,
            records: Records {
                link: Arc::clone(&link),
                incoming,
                peeked: None,
                taken_bytes: 0,
            },
            control: Control { link },
            newest: None,
        }
    }

    async fn welcome(&mut self) -> Result<Welcome, AdoptError> {
        match self.records.incoming.answer().await? {
            FromShim::Welcome(welcome) => Ok(welcome),
            FromShim::Refused(refused) => Err(adopt_error(&refused)),
            _ => Err(Lost::Nonsense.into()),
        }
    }

    async fn ask_from(&mut self, from: u64) -> Result<(), AdoptError> {
        self.control.link.say(&ToShim::From(from));
        self.control.link.say(&ToShim::Credit(CREDIT_BYTES));
        match self.records.incoming.answer().await {
            Ok(FromShim::Begin(begin)) if begin.record == from => Ok(()),
            Ok(FromShim::Refused(refused)) => Err(adopt_error(&refused)),
            Ok(_) => Err(Lost::Nonsense.into()),
            Err(Lost::Gone) => Err(AdoptError::Unread),
            Err(lost @ Lost::Nonsense) => Err(lost.into()),
        }
    }
}

fn adopt_error(refused: &Refused) -> AdoptError {
    match *refused {
        Refused::Version { min, max } => AdoptError::Version { min, max },
        Refused::NoSuchRecord { first, next } => AdoptError::NoSuchRecord { first, next },
        Refused::Folder { errno, .. } => AdoptError::Unreachable {
            source: io::Error::from_raw_os_error(errno),
        },
    }
}

impl Records {
    /// The next record, as soon as there is one. After the end of the session there is none, and it
    /// waits until the connection ends. Cancelled, it has lost nothing.
    ///
    /// # Errors
    /// [`Lost`], and from then on again.
    pub async fn next(&mut self) -> Result<Recorded, Lost> {
        let (recorded, len_bytes) = match self.peeked.take() {
            Some(peeked) => peeked,
            None => self.incoming.record().await?,
        };
        self.taken_bytes += len_bytes;
        if self.taken_bytes >= CREDIT_STEP_BYTES {
            self.link.say(&ToShim::Credit(self.taken_bytes));
            self.taken_bytes = 0;
        }
        Ok(recorded)
    }

    /// The next record, which [`Records::next`] gives again.
    async fn peek(&mut self) -> Result<&Recorded, Lost> {
        let next = match self.peeked.take() {
            Some(peeked) => peeked,
            None => self.incoming.record().await?,
        };
        Ok(&self.peeked.insert(next).0)
    }
}

impl Control {
    /// All records up to number `upto` are on record: the shim may forget them.
    pub fn ack(&self, upto: u64) {
        self.link.say(&ToShim::Ack(upto));
    }

    /// Has `bytes` typed once, however often it is asked with this id, and nothing else for
    /// `pause_after` (to the millisecond) after them. Told as soon as that is sure: that it was
    /// typed is a record. At most [`MAX_INPUT_BYTES`](coven_core::limits::MAX_INPUT_BYTES), or those as a text
    /// in a line of JSON.
    ///
    /// Two inputs are typed in the order in which this was first polled.
    ///
    /// # Errors
    /// [`InputError`] says what to do.
    pub async fn input(
        &self,
        id: InputId,
        bytes: Bytes,
        pause_after: Duration,
    ) -> Result<Taken, InputError> {
        let pause_after_ms = u32::try_from(pause_after.as_millis()).unwrap_or(u32::MAX);
        let answer = self.link.ask(|request| {
            ToShim::Input(Input {
                request,
                id,
                pause_after_ms,
                bytes,
            })
        });
        match answer.await? {
            Answer::Input(outcome) => Ok(outcome?),
            Answer::Secret(_) | Answer::StillNeeded => Err(Lost::Nonsense.into()),
        }
    }

    /// Sets the terminal's size, which is then a record.
    pub fn resize(&self, size: TermSize) {
        self.link.say(&ToShim::Resize((size.cols(), size.rows())));
    }

    /// Whether a password is being typed. False where there is no terminal.
    ///
    /// # Errors
    /// [`Lost`].
    pub async fn secret_entry(&self) -> Result<bool, Lost> {
        match self.link.ask(ToShim::SecretEntry).await? {
            Answer::Secret(secret) => Ok(secret),
            Answer::Input(_) | Answer::StillNeeded => Err(Lost::Nonsense),
        }
    }

    /// How many bytes the spool may take from now on. Over that the process is not read, and waits.
    /// Less than 256 KiB is taken for that much.
    pub fn set_limit(&self, limit_bytes: u64) {
        self.link.say(&ToShim::SetLimit(limit_bytes));
    }

    /// Whatever keeps the output open after the process's end, it is not cut, as long as this
    /// connection lives: it is being killed.
    pub fn hold_output(&self) {
        self.link.say(&ToShim::Hold(()));
    }

    /// Takes [`Control::hold_output`] back: from now on counts how long the output may go on.
    pub fn release_output(&self) {
        self.link.say(&ToShim::Release(()));
    }

    /// All of the session is on record, and all records acknowledged: the shim removes its folder
    /// and ends. Told when it has. One that is killed meanwhile leaves the folder to
    /// [`look`](super::look).
    ///
    /// # Errors
    /// [`CloseError`]: nothing has changed.
    pub async fn close(&self) -> Result<(), CloseError> {
        match self.link.ask(ToShim::Close).await {
            Ok(_) => Err(CloseError),
            Err(Lost::Gone | Lost::Nonsense) => Ok(()),
        }
    }
}
