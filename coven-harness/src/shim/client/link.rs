//! A connection to a shim, and the task that reads and writes it. It never waits for whoever takes
//! the records: the shim sends no more of them than there is credit for.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use coven_core::limits;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{OwnedSemaphorePermit, Semaphore, mpsc, oneshot};

use super::outgoing::Outgoing;
use super::{InputRefusal, Lost, Recorded, Taken, ToShim};
use crate::shim::frame::{Decoder, Frame, OVERHEAD_BYTES};
use crate::shim::protocol::{FromShim, PartHead, Record, Request};

/// How much is read at once.
const READ_BYTES: usize = 128 * 1024;

/// Questions that may have no answer yet: more of them wait to be asked.
const MAX_OPEN: usize = 256;

/// Our end of a connection. Dropped, with what it began, it is closed.
#[derive(Debug)]
pub(super) struct Link {
    outgoing: Arc<Outgoing>,
    asked: Asked,
    /// Questions that may be asked yet.
    may_ask: Arc<Semaphore>,
}

/// What comes.
#[derive(Debug)]
pub(super) struct Incoming {
    said: mpsc::UnboundedReceiver<Said>,
    lost: Option<Lost>,
}

/// The answer to a question.
#[derive(Debug)]
pub(super) enum Answer {
    Input(Result<Taken, InputRefusal>),
    Secret(bool),
    StillNeeded,
}

#[derive(Debug)]
enum Said {
    Record(Recorded, u64),
    Answer(FromShim),
    Nonsense,
}

/// Questions by their numbers. `None` once there will be no more answers.
type Asked = Arc<Mutex<Option<Questions>>>;

#[derive(Debug, Default)]
struct Questions {
    last: Request,
    open: HashMap<Request, Open>,
}

/// A question that has no answer yet. It is one of [`MAX_OPEN`] until it has, though whoever asked it
/// may have left: it waits to be sent, or for its answer, all the same.
#[derive(Debug)]
struct Open {
    reply: oneshot::Sender<Answer>,
    _one_of_them: OwnedSemaphorePermit,
}

impl Link {
    /// Begins a conversation, in the tokio runtime of the caller.
    pub(super) fn begin(stream: UnixStream) -> (Self, Incoming) {
        let outgoing = Arc::new(Outgoing::default());
        let may_ask = Arc::new(Semaphore::new(MAX_OPEN));
        let (saying, said) = mpsc::unbounded_channel();
        let asked: Asked = Arc::new(Mutex::new(Some(Questions::default())));
        let talk = Talk {
            stream,
            decoder: Decoder::default(),
            next: 0,
            saying,
            asked: Arc::clone(&asked),
            may_ask: Arc::clone(&may_ask),
        };
        tokio::spawn(talk.run(Arc::clone(&outgoing)));
        let link = Self {
            outgoing,
            asked,
            may_ask,
        };
        (link, Incoming { said, lost: None })
    }

    /// Says something. Where nobody hears it any more, that shows elsewhere.
    pub(super) fn say(&self, told: &ToShim) {
        self.outgoing.push(told);
    }

    /// Asks something, and waits for the answer: behind others, where as many as may have none.
    pub(super) async fn ask(
        &self,
        question: impl FnOnce(Request) -> ToShim,
    ) -> Result<Answer, Lost> {
        let may_ask = Arc::clone(&self.may_ask).acquire_owned().await;
        let one_of_them = may_ask.map_err(|_| Lost::Gone)?;
        let answer = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let questions = asked.as_mut().ok_or(Lost::Gone)?;
            questions.last = questions.last.wrapping_add(1);
            let (reply, answer) = oneshot::channel();
            let open = Open {
                reply,
                _one_of_them: one_of_them,
            };
            questions.open.insert(questions.last, open);
            // Within the lock, so that questions go out in the order of their numbers.
            self.say(&question(questions.last));
            answer
        };
        answer.await.map_err(|_| Lost::Gone)
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        self.outgoing.close();
    }
}

impl Incoming {
    /// The next record.
    pub(super) async fn record(&mut self) -> Result<(Recorded, u64), Lost> {
        match self.next().await? {
            Said::Record(recorded, len_bytes) => Ok((recorded, len_bytes)),
            Said::Answer(_) | Said::Nonsense => Err(self.nonsense()),
        }
    }

    /// The next answer that is to no numbered question. Records come only after the last of them.
    pub(super) async fn answer(&mut self) -> Result<FromShim, Lost> {
        match self.next().await? {
            Said::Answer(answer) => Ok(answer),
            Said::Record(..) | Said::Nonsense => Err(self.nonsense()),
        }
    }

    async fn next(&mut self) -> Result<Said, Lost> {
        match self.lost {
            Some(lost) => Err(lost),
            None => self.said.recv().await.ok_or(Lost::Gone),
        }
    }

    fn nonsense(&mut self) -> Lost {
        *self.lost.insert(Lost::Nonsense)
    }
}

/// The task.
struct Talk {
    stream: UnixStream,
    decoder: Decoder,
    /// The number of the next record.
    next: u64,
    saying: mpsc::UnboundedSender<Said>,
    asked: Asked,
    may_ask: Arc<Semaphore>,
}

/// Why the task ends.
enum Over {
    Gone,
    Nonsense,
}

impl Talk {
    async fn run(mut self, to_send: Arc<Outgoing>) {
        if let Err(Over::Nonsense) = self.talk(&to_send).await {
            // Who would hear it may have left.
            let _ = self.saying.send(Said::Nonsense);
        }
        to_send.discard();
        // Whoever asked hears that there is no answer.
        self.may_ask.close();
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = None;
    }

    async fn talk(&mut self, to_send: &Outgoing) -> Result<(), Over> {
        let (mut sending, mut sent) = (Vec::new(), 0);
        loop {
            let interest = if sending.is_empty() {
                Interest::READABLE
            } else {
                Interest::READABLE | Interest::WRITABLE
            };
            tokio::select! {
                ready = self.stream.ready(interest) => {
                    let ready = ready.map_err(|_| Over::Gone)?;
                    if ready.is_readable() || ready.is_read_closed() {
                        self.read()?;
                    }
                }
                more = to_send.next(), if sending.is_empty() => match more {
                    Some(more) => (sending, sent) = (more, 0),
                    // All who could say something have left.
                    None => return Ok(()),
                },
            }
            if !sending.is_empty() {
                match self.stream.try_write(&sending[sent..]) {
                    Ok(more) => sent += more,
                    Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
                    // What it said before it left is still to be read.
                    Err(_) => sent = sending.len(),
                }
                if sent == sending.len() {
                    sending = Vec::new();
                }
            }
        }
    }

    fn read(&mut self) -> Result<(), Over> {
        self.decoder.buffer().reserve(READ_BYTES);
        match self.stream.try_read_buf(self.decoder.buffer()) {
            Ok(0) => return Err(Over::Gone),
            Ok(_) => {}
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            Err(_) => return Err(Over::Gone),
        }
        while let Some(frame) = self.decoder.next_frame().map_err(|_| Over::Nonsense)? {
            self.hear(&frame)?;
        }
        Ok(())
    }

    fn hear(&mut self, frame: &Frame) -> Result<(), Over> {
        if let Some(head) = PartHead::decode(frame).map_err(|_| Over::Nonsense)? {
            // The first that is sent may be of records that were not asked for.
            return if head.first <= self.next {
                Ok(())
            } else {
                Err(Over::Nonsense)
            };
        }
        if let Some((at, record)) = Record::decode(frame).map_err(|_| Over::Nonsense)? {
            let number = self.next;
            self.next += 1;
            let len_bytes = (frame.payload.len() + OVERHEAD_BYTES) as u64;
            let recorded = Recorded { number, at, record };
            let _ = self.saying.send(Said::Record(recorded, len_bytes));
            return Ok(());
        }
        match FromShim::decode(frame).map_err(|_| Over::Nonsense)? {
            Some(FromShim::InputAnswer(answer)) => {
                self.answer(answer.request, Answer::Input(answer.outcome));
            }
            Some(FromShim::SecretAnswer(answer)) => {
                self.answer(answer.request, Answer::Secret(answer.secret));
            }
            Some(FromShim::StillNeeded(request)) => self.answer(request, Answer::StillNeeded),
            Some(answer) => {
                if let FromShim::Begin(begin) = &answer {
                    self.next = begin.record;
                }
                let _ = self.saying.send(Said::Answer(answer));
            }
            // Something of a newer shim.
            None => {}
        }
        Ok(())
    }

    fn answer(&self, request: Request, answer: Answer) {
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        let open = asked
            .as_mut()
            .and_then(|questions| questions.open.remove(&request));
        if let Some(open) = open {
            // Who asked may have left.
            let _ = open.reply.send(answer);
        }
    }
}

/// An input's frame is within the limit of frames, also as a text in a line of JSON, where a byte may become
/// six.
const _: () = assert!(6 * limits::MAX_INPUT_BYTES + 1024 < crate::shim::frame::MAX_PAYLOAD_BYTES);

#[cfg(test)]
mod tests {
    use std::pin::pin;
    use std::task::{Context, Poll, Waker};

    use super::*;

    #[tokio::test]
    async fn questions_to_a_shim_that_stands_still_are_bounded_though_who_asked_left() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let (link, _incoming) = Link::begin(ours);
        let mut context = Context::from_waker(Waker::noop());
        for _ in 0..4 * MAX_OPEN {
            let asking = pin!(link.ask(ToShim::SecretEntry));
            assert!(matches!(asking.poll(&mut context), Poll::Pending));
            // So much is done at a time, and it takes a part of that.
            tokio::task::yield_now().await;
        }
        let open = || {
            link.asked
                .lock()
                .unwrap()
                .as_ref()
                .map(|all| all.open.len())
        };
        assert_eq!(open(), Some(MAX_OPEN));
        let waiting = pin!(link.ask(ToShim::SecretEntry));
        drop(theirs);
        assert!(matches!(waiting.await, Err(Lost::Gone)));
        assert_eq!(open(), None);
    }
}
