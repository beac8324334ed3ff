//! One engine's connection: frames in, answers and records out. Nothing here waits.

use std::io;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::{Errno, read};
use rustix::net::{SendFlags, send};

use crate::shim::frame::{Decoder, Frame};
use crate::shim::protocol::FromShim;
use crate::shim::spool::{Position, Spool, left_after, sendable};

/// How much of the spool is sent by one call.
const SEND_BYTES: usize = 64 * 1024;

/// How much may be sent over the credit there is, beside the rest of a frame.
const OVER_CREDIT_BYTES: usize = 16 * 1024;

/// Answers that wait to be sent. Over it the peer is not read: it says much and listens little.
const MAX_WAITING_ANSWER_BYTES: usize = 16 * 1024;

/// How long what a process writes without a break is gathered, so that its engine wakes up less
/// often.
const GATHER: Duration = Duration::from_millis(1);

/// A connection, from its first byte.
pub(super) struct Connection {
    pub(super) socket: OwnedFd,
    decoder: Decoder,
    /// Answers that are to be sent, and how much of them is.
    answers: Vec<u8>,
    answers_sent: usize,
    stream: Option<Stream>,
}

/// The records that an engine has asked for.
struct Stream {
    position: Position,
    /// The part that `position` is in, once it was opened.
    part: Option<OwnedFd>,
    /// What is left of the frame that `position` is within.
    left_bytes: usize,
    credit_bytes: u64,
    /// More is about to come, and what there is goes with it: until then, at the latest.
    gathers_until: Option<Duration>,
}

/// The peer is gone, or makes no sense.
#[derive(Debug)]
pub(super) struct Over;

impl Connection {
    /// A connection whose socket does not block.
    pub(super) fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            decoder: Decoder::default(),
            answers: Vec::new(),
            answers_sent: 0,
            stream: None,
        }
    }

    /// A connection on which somebody has spoken already, and `decoder` has heard it.
    pub(super) fn after(socket: OwnedFd, decoder: Decoder) -> Self {
        Self {
            decoder,
            ..Self::new(socket)
        }
    }

    /// Reads what has come.
    pub(super) fn receive(&mut self) -> Result<(), Over> {
        let mut buffer = [0; 4096];
        match read(&self.socket, &mut buffer[..]) {
            Ok(0) => Err(Over),
            Ok(len_bytes) => {
                self.decoder
                    .buffer()
                    .extend_from_slice(&buffer[..len_bytes]);
                Ok(())
            }
            Err(Errno::AGAIN | Errno::INTR) => Ok(()),
            Err(_) => Err(Over),
        }
    }

    /// The next whole frame of what was read.
    pub(super) fn next_frame(&mut self) -> Result<Option<Frame>, Over> {
        self.decoder.next_frame().map_err(|_| Over)
    }

    /// Bytes that wait for the rest of their frame.
    pub(super) fn unheard_bytes(&self) -> usize {
        self.decoder.left_bytes()
    }

    /// Whether it says so much and listens so little that it is not read for now.
    pub(super) fn is_behind(&self) -> bool {
        self.answers.len() > MAX_WAITING_ANSWER_BYTES
    }

    /// Queues an answer.
    pub(super) fn answer(&mut self, answer: &FromShim) {
        answer.encode(&mut self.answers);
    }

    /// Sends records from here on.
    pub(super) fn begin(&mut self, position: Position) -> Result<(), Over> {
        // In the midst of a frame there is no going elsewhere.
        if self.stream.is_some() {
            return Err(Over);
        }
        self.stream = Some(Stream {
            position,
            part: None,
            left_bytes: 0,
            credit_bytes: 0,
            gathers_until: None,
        });
        Ok(())
    }

    /// Lets more bytes of records be sent.
    pub(super) fn credit(&mut self, more_bytes: u64) {
        if let Some(stream) = &mut self.stream {
            stream.credit_bytes = stream.credit_bytes.saturating_add(more_bytes);
        }
    }

    /// Where it reads the spool, in the part that it needs.
    pub(super) fn position(&mut self, spool: &Spool) -> Option<Position> {
        let stream = self.stream.as_mut()?;
        spool.settle(&mut stream.position, &mut stream.part);
        Some(stream.position)
    }

    /// Whether there is something to send now.
    pub(super) fn has_something(&self, spool: &Spool, now: Duration) -> bool {
        !self.answers.is_empty()
            || self.stream.as_ref().is_some_and(|stream| {
                stream.position != spool.end()
                    && (stream.left_bytes > 0 || stream.credit_bytes > 0)
                    && !stream.gathers(spool, now)
            })
    }

    /// More records will come in a moment: those that there are may wait for them.
    pub(super) fn gather(&mut self, now: Duration) {
        if let Some(stream) = &mut self.stream {
            stream.gathers_until.get_or_insert(now + GATHER);
        }
    }

    /// No more will come.
    pub(super) fn gathered(&mut self) {
        if let Some(stream) = &mut self.stream {
            stream.gathers_until = None;
        }
    }

    /// When what was gathered is sent.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let until = self.stream.as_ref()?.gathers_until;
        until.filter(|until| now < *until)
    }

    /// Sends as much as the peer takes now: answers between records, and records as long as there
    /// is credit for the next.
    pub(super) fn send(&mut self, spool: &Spool, now: Duration) -> Result<(), Over> {
        while self.has_something(spool, now) && self.send_some(spool)? {}
        Ok(())
    }

    /// False when there is nothing more, or no room.
    fn send_some(&mut self, spool: &Spool) -> Result<bool, Over> {
        let is_between = self
            .stream
            .as_ref()
            .is_none_or(|stream| stream.left_bytes == 0);
        if is_between && !self.answers.is_empty() {
            let sent = offer(&self.socket, &self.answers[self.answers_sent..])?;
            self.answers_sent += sent;
            if self.answers_sent == self.answers.len() {
                (self.answers, self.answers_sent) = (Vec::new(), 0);
            }
            return Ok(sent > 0);
        }
        let Some(stream) = &mut self.stream else {
            return Ok(false);
        };
        if is_between && stream.credit_bytes == 0 {
            return Ok(false);
        }
        stream.gathers_until = None;
        let most = stream.most_bytes();
        let read = spool.read_at(&mut stream.position, &mut stream.part, most);
        let read = read.map_err(|_: io::Error| Over)?;
        let bytes = &read[..sendable(&read, stream.left_bytes)];
        if bytes.is_empty() {
            // What is there is no frame of ours: somebody cut or overwrote it.
            return if read.is_empty() {
                Ok(false)
            } else {
                Err(Over)
            };
        }
        let sent = offer(&self.socket, bytes)?;
        stream.advance(bytes, sent);
        Ok(sent > 0)
    }

    /// Sends a record that was written just now, if it is next and goes through at once: it need
    /// not be read again.
    pub(super) fn send_newest(
        &mut self,
        frame: &[u8],
        spool: &Spool,
        now: Duration,
    ) -> Result<(), Over> {
        let end = spool.end();
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
        if stream.gathers(spool, now) {
            return Ok(());
        }
        let is_next = stream.position.part == end.part
            && stream.position.offset + frame.len() as u64 == end.offset;
        if is_next && stream.left_bytes == 0 && stream.credit_bytes > 0 && self.answers.is_empty() {
            let sent = offer(&self.socket, frame)?;
            stream.advance(frame, sent);
        }
        Ok(())
    }
}

impl Stream {
    /// How much may be sent by one call: without credit, no more than the rest of a frame.
    fn most_bytes(&self) -> usize {
        let credit_bytes = usize::try_from(self.credit_bytes).unwrap_or(SEND_BYTES);
        let most = self.left_bytes.saturating_add(credit_bytes);
        if credit_bytes == 0 {
            most.min(SEND_BYTES)
        } else {
            most.clamp(OVER_CREDIT_BYTES, SEND_BYTES)
        }
    }

    /// Whether what there is may wait for more.
    fn gathers(&self, spool: &Spool, now: Duration) -> bool {
        let end = spool.end();
        let is_little =
            self.position.part == end.part && end.offset - self.position.offset < SEND_BYTES as u64;
        is_little && self.left_bytes == 0 && self.gathers_until.is_some_and(|until| now < until)
    }

    fn advance(&mut self, bytes: &[u8], sent: usize) {
        self.left_bytes = left_after(bytes, self.left_bytes, sent);
        self.position.offset += sent as u64;
        self.credit_bytes = self.credit_bytes.saturating_sub(sent as u64);
    }
}

/// How many of `bytes` the peer takes now.
fn offer(socket: &OwnedFd, bytes: &[u8]) -> Result<usize, Over> {
    match send(socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL) {
        Ok(sent) => Ok(sent),
        Err(Errno::AGAIN | Errno::INTR) => Ok(0),
        Err(_) => Err(Over),
    }
}
