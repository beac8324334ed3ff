//! What an engine asks of a session, and what it is answered.

use std::time::Duration;

use coven_core::TermSize;

use super::Session;
use crate::process::terminal;
use crate::pty;
use crate::shim::host::connection::{Connection, Over};
use crate::shim::host::{greet, wall_clock};
use crate::shim::protocol::{
    Begin, FromShim, Hello, Input, InputAnswer, InputRefusal, Record, Refused, Request,
    SecretAnswer, Taken,
};

impl Session {
    /// Has an input typed, unless it was before.
    pub(in crate::shim::host) fn input(&mut self, input: Input) {
        let request = input.request;
        let outcome = self.take(input);
        self.say(&FromShim::InputAnswer(InputAnswer { request, outcome }));
        if self.typist.writes_to(self.now()).is_some() {
            self.type_on();
        }
    }

    fn take(&mut self, input: Input) -> Result<Taken, InputRefusal> {
        if self.typist.knows(input.id) {
            return Ok(Taken::Before);
        }
        if !self.typist.is_read() {
            return Err(InputRefusal::NobodyReads);
        }
        if !self.typist.has_room(input.bytes.len(), self.spool.acked()) {
            return Err(InputRefusal::TooMuchWaiting);
        }
        if !self.spool.has_room_for_input() {
            return Err(InputRefusal::SpoolFull);
        }
        let (number, mut frame) = (self.spool.next(), Vec::new());
        let record = Record::InputTaken {
            id: input.id,
            len_bytes: input.bytes.len() as u64,
        };
        record.encode(wall_clock(), &mut frame);
        if self.spool.try_append(&frame).is_err() {
            return Err(InputRefusal::SpoolFull);
        }
        self.forward(&frame);
        let pause_after = Duration::from_millis(input.pause_after_ms.into());
        self.typist.take(input.id, number, input.bytes, pause_after);
        Ok(Taken::Now)
    }

    pub(in crate::shim::host) fn resize(&mut self, cols: u16, rows: u16) {
        if let (Some(terminal), Ok(size)) =
            (&self.terminal, TermSize::parse(cols.into(), rows.into()))
            && pty::resize(terminal, size).is_ok()
        {
            self.resized = Some(size);
            self.note_size();
        }
    }

    /// Puts the terminal's size on record once there is room, and so before any output that comes
    /// after it. Of several that waited, it is the last.
    pub(super) fn note_size(&mut self) {
        if self.resized.is_some()
            && self.spool.has_room_for_input()
            && let Some(size) = self.resized.take()
        {
            self.record(&Record::Resized { size });
        }
    }

    pub(in crate::shim::host) fn secret_entry(&mut self, request: Request) {
        let terminal = self.terminal.as_ref();
        let secret =
            terminal.is_some_and(|terminal| terminal::secret_entry(terminal).unwrap_or(false));
        self.say(&FromShim::SecretAnswer(SecretAnswer { request, secret }));
    }

    pub(in crate::shim::host) fn hold(&mut self) {
        self.ending.hold();
    }

    pub(in crate::shim::host) fn release(&mut self) {
        self.ending.release(self.now());
    }

    pub(in crate::shim::host) fn ack(&mut self, upto: u64) {
        self.spool.ack(upto);
        self.note_retry();
    }

    /// Sends records from `number` on, if it has them.
    pub(in crate::shim::host) fn send_from(&mut self, number: u64) {
        let Some(engine) = &mut self.engine else {
            return;
        };
        let begun = match self.spool.position(number) {
            Ok(Some(position)) => {
                engine.answer(&FromShim::Begin(Begin { record: number }));
                engine.begin(position)
            }
            Ok(None) => {
                let (first, next) = (self.spool.first(), self.spool.next());
                engine.answer(&FromShim::Refused(Refused::NoSuchRecord { first, next }));
                Ok(())
            }
            Err(_) => Err(Over),
        };
        if begun.is_err() {
            self.engine_left();
        }
    }

    pub(in crate::shim::host) fn say(&mut self, answer: &FromShim) {
        if let Some(engine) = &mut self.engine {
            engine.answer(answer);
        }
    }

    /// The answer to a hello.
    pub(in crate::shim::host) fn greeting(&self, hello: &Hello) -> FromShim {
        greet(hello, &self.id, self.spool.first(), self.spool.next())
    }

    /// An engine is here, in the place of the one before, which is dead or frozen.
    pub(in crate::shim::host) fn engine_came(&mut self, engine: Connection) {
        self.engine_left();
        self.engine = Some(engine);
    }

    pub(in crate::shim::host) fn engine_left(&mut self) {
        self.engine = None;
        self.is_homeless |= self.spool.has_no_folder();
        self.release();
    }
}
