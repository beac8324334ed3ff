//! A connection to a shim, and the task that reads and writes it. It never waits for whoever takes
//! the records: the shim sends no more of them than there is credit for.

use std::collections::HashMap;
use std::io;
use std::sync::{Arc, Mutex, PoisonError};

use coven_core::limits;
use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::{mpsc, oneshot};

use super::{InputRefusal, Lost, Recorded, Taken, ToShim};
use crate::shim::frame::{Decoder, Frame, OVERHEAD_BYTES};
use crate::shim::protocol::{FromShim, PartHead, Record, Request};

/// How much is read at once.
const READ_BYTES: usize = 128 * 1024;

/// Our end of a connection. Dropped, with what it began, it is closed.
#[derive(Debug)]
pub(super) struct Link {
    /// Bounded all the same: by what may be undelivered, and by the credit.
    outgoing: mpsc::UnboundedSender<Vec<u8>>,
    asked: Asked,
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
    open: HashMap<Request, oneshot::Sender<Answer>>,
}

impl Link {
    /// Begins a conversation, in the tokio runtime of the caller.
    pub(super) fn begin(stream: UnixStream) -> (Self, Incoming) {
        let (outgoing, to_send) = mpsc::unbounded_channel();
        let (saying, said) = mpsc::unbounded_channel();
        let asked: Asked = Arc::new(Mutex::new(Some(Questions::default())));
        let talk = Talk {
            stream,
            decoder: Decoder::default(),
            next: 0,
            saying,
            asked: Arc::clone(&asked),
        };
        tokio::spawn(talk.run(to_send));
        (Self { outgoing, asked }, Incoming { said, lost: None })
    }

    /// Says something. Where nobody hears it any more, that shows elsewhere.
    pub(super) fn say(&self, told: &ToShim) {
        let mut bytes = Vec::new();
        told.encode(&mut bytes);
        let _ = self.outgoing.send(bytes);
    }

    /// Asks something, and waits for the answer.
    pub(super) async fn ask(
        &self,
        question: impl FnOnce(Request) -> ToShim,
    ) -> Result<Answer, Lost> {
        let answer = {
            let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
            let questions = asked.as_mut().ok_or(Lost::Gone)?;
            questions.last = questions.last.wrapping_add(1);
            let (reply, answer) = oneshot::channel();
            questions.open.insert(questions.last, reply);
            // Within the lock, so that questions go out in the order of their numbers.
            self.say(&question(questions.last));
            answer
        };
        answer.await.map_err(|_| Lost::Gone)
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
}

/// Why the task ends.
enum Over {
    Gone,
    Nonsense,
}

impl Talk {
    async fn run(mut self, mut to_send: mpsc::UnboundedReceiver<Vec<u8>>) {
        if let Err(Over::Nonsense) = self.talk(&mut to_send).await {
            // Who would hear it may have left.
            let _ = self.saying.send(Said::Nonsense);
        }
        // Whoever asked hears that there is no answer.
        let mut asked = self.asked.lock().unwrap_or_else(PoisonError::into_inner);
        *asked = None;
    }

    async fn talk(&mut self, to_send: &mut mpsc::UnboundedReceiver<Vec<u8>>) -> Result<(), Over> {
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
                more = to_send.recv(), if sending.is_empty() => match more {
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
        if let Some(reply) = open {
            // Who asked may have left.
            let _ = reply.send(answer);
        }
    }
}

/// An input's frame is within the limit of frames.
const _: () = assert!(limits::MAX_INPUT_BYTES + 1024 < crate::shim::frame::MAX_PAYLOAD_BYTES);
