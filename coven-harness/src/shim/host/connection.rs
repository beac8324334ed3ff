//! One engine's connection: frames in, answers and records out. Nothing here waits.

use std::io;
use std::os::fd::OwnedFd;

use rustix::io::{Errno, read};
use rustix::net::{SendFlags, send};

use crate::shim::frame::{Decoder, Frame};
use crate::shim::protocol::FromShim;
use crate::shim::spool::{Position, Spool, left_after, sendable};

/// How much of the spool is sent by one call.
const SEND_BYTES: usize = 16 * 1024;

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

    /// Whether it says so much and listens so little that it is not read for now.
    pub(super) fn is_behind(&self) -> bool {
        self.answers.len() > SEND_BYTES
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
        });
        Ok(())
    }

    /// Lets more bytes of records be sent.
    pub(super) fn credit(&mut self, more_bytes: u64) {
        if let Some(stream) = &mut self.stream {
            stream.credit_bytes = stream.credit_bytes.saturating_add(more_bytes);
        }
    }

    /// Where it reads the spool.
    pub(super) fn position(&self) -> Option<Position> {
        self.stream.as_ref().map(|stream| stream.position)
    }

    /// Whether there is something to send.
    pub(super) fn has_something(&self, spool: &Spool) -> bool {
        !self.answers.is_empty()
            || self.stream.as_ref().is_some_and(|stream| {
                stream.position != spool.end() && (stream.left_bytes > 0 || stream.credit_bytes > 0)
            })
    }

    /// Sends as much as the peer takes now: answers between records, and records as long as there
    /// is credit for the next.
    pub(super) fn send(&mut self, spool: &Spool) -> Result<(), Over> {
        while self.send_some(spool)? {}
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
        let mut buffer = [0; SEND_BYTES];
        let read = spool.read_at(&mut stream.position, &mut stream.part, &mut buffer);
        let read = read.map_err(|_: io::Error| Over)?;
        let bytes = &buffer[..sendable(&buffer[..read], stream.left_bytes)];
        if bytes.is_empty() {
            return Ok(false);
        }
        let sent = offer(&self.socket, bytes)?;
        stream.advance(bytes, sent);
        Ok(sent > 0)
    }

    /// Sends a record that was written just now, if it is next and goes through at once: it need
    /// not be read again.
    pub(super) fn send_newest(&mut self, frame: &[u8], spool: &Spool) -> Result<(), Over> {
        let end = spool.end();
        let Some(stream) = &mut self.stream else {
            return Ok(());
        };
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
