//! What a shim knows of its session, and does for it.

mod asked;

use std::os::fd::OwnedFd;
use std::time::{Duration, Instant};

use coven_core::{Channel, OutputEnd, TermSize};
use rustix::process::Pid;

use super::child::{self, Child, Feed, READ_BYTES, Read, Source};
use super::connection::Connection;
use super::ending::EndWatch;
use super::typist::{Done, Newest, Typist};
use super::wall_clock;
use crate::process::terminal;
use crate::shim::protocol::{Record, encode_output};
use crate::shim::spool::{Kept, Position, Spool};
use crate::terminal::Listener;

/// How long a disk that took nothing, or had little left, is left alone.
const DISK_RETRY: Duration = Duration::from_secs(1);

/// A read of this much or more is one of many: one read of a terminal gives no more.
const PAGE_BYTES: usize = 4095;

/// Reads in a row, before anything else is looked at.
const MAX_READS: usize = 16;

/// A session.
pub(super) struct Session {
    id: String,
    begun: Instant,
    pub(super) spool: Spool,
    pub(super) sources: Vec<Source>,
    pub(super) typist: Typist,
    pub(super) feed: Option<Feed>,
    terminal: Option<OwnedFd>,
    hold: Option<OwnedFd>,
    leader: Option<Pid>,
    listener: Listener,
    ending: EndWatch,
    is_output_closed: bool,
    retry_at: Option<Duration>,
    /// A size of the terminal that is not on record, for want of room.
    resized: Option<TermSize>,
    is_homeless: bool,
    /// The part of the spool that says how far it has come with typing; 0 where none does.
    noted_in: u64,
    /// Whoever has it on record, while there is somebody.
    pub(super) engine: Option<Connection>,
    /// The last frame that was encoded, for the memory it takes.
    frame: Vec<u8>,
    /// What was read last, for the same.
    buffer: Vec<u8>,
}

impl Session {
    /// The session of `child`, or of one that never ran.
    pub(super) fn new(id: String, spool: Spool, child: Option<Child>) -> Self {
        let is_output_closed = child.is_none();
        let (facts, sources, sink, terminal, hold, feed) = match child {
            Some(child) => (
                Some(child.facts),
                child.sources,
                child.sink,
                child.terminal,
                child.hold,
                child.feed,
            ),
            None => (None, Vec::new(), None, None, None, None),
        };
        let pid = facts.and_then(|facts| i32::try_from(facts.pid).ok());
        Self {
            id,
            begun: Instant::now(),
            spool,
            sources,
            typist: Typist::new(sink),
            feed,
            terminal,
            hold,
            leader: pid.and_then(Pid::from_raw),
            listener: Listener::new(),
            ending: EndWatch::default(),
            is_output_closed,
            retry_at: None,
            resized: None,
            is_homeless: false,
            noted_in: 0,
            engine: None,
            frame: Vec::new(),
            buffer: Vec::new(),
        }
    }

    pub(super) fn now(&self) -> Duration {
        self.begun.elapsed()
    }

    /// Its process has ended, and no output will come.
    pub(super) const fn is_over(&self) -> bool {
        self.leader.is_none() && self.is_output_closed
    }

    /// Whether there is no room for what its process writes, which then is not read, and waits.
    pub(super) fn is_full(&mut self) -> bool {
        let is_full = !self.spool.has_room_for_output(READ_BYTES);
        self.ending
            .set_reading(!is_full && !self.sources.is_empty(), self.now());
        let waits = is_full && !self.sources.is_empty();
        if waits && self.spool.is_cut_short() && self.retry_at.is_none() {
            self.retry_at = Some(self.now() + DISK_RETRY);
        }
        waits
    }

    /// When something is due after `now`, if nothing happens before. What is due by then is not
    /// waited for: by the same `now` it is among what is done at once.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        let typing = self.typist.deadline(now);
        let cut = self.ending.deadline().filter(|_| !self.is_output_closed);
        let engine = self.engine.as_ref();
        let gathered = engine.and_then(|engine| engine.deadline(now));
        let due = [typing, cut, gathered, self.retry_at];
        due.into_iter().flatten().min()
    }

    /// Whether its folder was removed, and there is room for nothing: nobody can come for it.
    pub(super) const fn is_homeless(&self) -> bool {
        self.is_homeless
    }

    /// Does what is due.
    pub(super) fn tick(&mut self) {
        let now = self.now();
        if self.retry_at.is_some_and(|at| at <= now) {
            self.spool.retry();
            self.note_retry();
        }
        self.note_size();
        let has_more = || child::have_more(&self.sources);
        if !self.is_output_closed && self.ending.is_due(now, has_more) {
            self.close_output(OutputEnd::Cut);
        }
    }

    /// Removes what is acknowledged and read: to be called once the engine was heard and was sent
    /// something, or room that there is would not be known.
    pub(super) fn forget(&mut self) {
        self.spool.renew();
        let reader = self.reader();
        if self.spool.may_forget(reader) && !self.is_over() {
            self.note_typed();
        }
        let reader = self.reader();
        if self.spool.forget(reader) && !self.spool.is_written() {
            self.spool.retry();
            self.note_retry();
        }
    }

    /// Where the engine reads.
    fn reader(&mut self) -> Option<Position> {
        let spool = &self.spool;
        self.engine.as_mut()?.position(spool)
    }

    /// Says again in the newest part how far it has come with typing: that must be known of a shim that
    /// dies, whatever it forgot before.
    fn note_typed(&mut self) {
        let Newest { taken, done } = self.typist.newest();
        while taken.is_some() && self.noted_in != self.spool.newest_part() {
            self.noted_in = self.spool.newest_part();
            self.done(done.into_iter().collect());
            if let Some((id, len_bytes)) =
                taken.filter(|(id, _)| done.is_none_or(|done| done.id != *id))
            {
                self.record(&Record::InputTaken { id, len_bytes });
            }
        }
    }

    /// Puts a record into the spool, and from there on its way.
    pub(super) fn record(&mut self, record: &Record) {
        self.with_frame(0, |frame| record.encode(wall_clock(), frame));
    }

    fn with_frame(&mut self, output_bytes: usize, encode: impl FnOnce(&mut Vec<u8>)) {
        let mut frame = std::mem::take(&mut self.frame);
        frame.clear();
        encode(&mut frame);
        match self.spool.append(&frame, output_bytes) {
            Kept::Written => self.forward(&frame),
            Kept::Held => self.note_retry(),
        }
        self.frame = frame;
    }

    fn forward(&mut self, frame: &[u8]) {
        let now = self.begun.elapsed();
        if let Some(engine) = &mut self.engine
            && engine.send_newest(frame, &self.spool, now).is_err()
        {
            self.engine_left();
        }
    }

    fn note_retry(&mut self) {
        let again = self.now() + DISK_RETRY;
        self.retry_at = (!self.spool.is_written()).then_some(again);
        self.is_homeless |= self.retry_at.is_some() && self.spool.has_no_folder();
    }

    /// Reads one of its sources: once, or as long as it gives whole pages.
    pub(super) fn read(&mut self, place: usize) {
        let mut buffer = std::mem::take(&mut self.buffer);
        for _ in 0..MAX_READS {
            // Another source may have taken the room since.
            if !self.spool.has_room_for_output(READ_BYTES) {
                break;
            }
            match self.sources[place].read(&mut buffer) {
                Read::Bytes => {}
                Read::Nothing => break,
                Read::End => {
                    self.source_ended(place);
                    break;
                }
            }
            let is_flood = buffer.len() >= PAGE_BYTES;
            self.gather(is_flood);
            self.output(self.sources[place].channel, &buffer);
            if self.typist.owes_an_answer() {
                // One who asks and asks reads, too.
                self.type_on();
            }
            if !is_flood {
                break;
            }
        }
        self.buffer = buffer;
    }

    /// Whether more output will come at once, which the engine may be told together with what
    /// there is.
    fn gather(&mut self, is_flood: bool) {
        let now = self.now();
        match &mut self.engine {
            Some(engine) if is_flood => engine.gather(now),
            Some(engine) => engine.gathered(),
            None => {}
        }
    }

    fn source_ended(&mut self, place: usize) {
        self.sources.remove(place);
        if self.sources.is_empty() {
            self.close_output(OutputEnd::Complete);
        }
    }

    fn output(&mut self, channel: Channel, bytes: &[u8]) {
        self.ending.byte_read(self.now());
        let offset = self.spool.offset();
        self.with_frame(bytes.len(), |frame| {
            encode_output(wall_clock(), offset, channel, bytes, frame);
        });
        if self.terminal.is_some() {
            for query in self.listener.hear(bytes) {
                if !query.reply.is_empty() {
                    self.answer(query.range.start, query.reply);
                }
            }
        }
    }

    /// Answers what the process asks its terminal. One that is typed nothing else is answered only
    /// while its terminal would not echo that into the output.
    fn answer(&mut self, query: u64, reply: Vec<u8>) {
        let is_answered = if self.typist.is_read() {
            // It is on the spool before it is typed: nothing is typed here.
            self.typist.answer(reply)
        } else {
            let terminal = self.terminal.as_ref();
            terminal.is_some_and(|terminal| terminal::answer(terminal, &reply).unwrap_or(false))
        };
        if is_answered {
            self.record(&Record::Answered { query });
        }
    }

    fn close_output(&mut self, end: OutputEnd) {
        self.is_output_closed = true;
        self.sources = Vec::new();
        if self.is_over() {
            self.end();
        }
        self.record(&Record::OutputClosed { end });
    }

    /// Learns of children that have ended; true when its process is among them.
    pub(super) fn reap(&mut self, seen: impl FnOnce()) -> bool {
        let Some(exit) = child::reap(self.leader) else {
            return false;
        };
        seen();
        self.leader = None;
        self.hold = None;
        self.ending.process_ended(self.now());
        if self.is_over() {
            self.end();
        }
        self.record(&Record::Exited { exit });
        true
    }

    /// Lets go of what its process had, before the last record. That, and how far it has come with typing, is
    /// there for who comes as long as the shim is, though somebody has it on record: nothing else would tell
    /// that nothing more is to come.
    fn end(&mut self) {
        self.spool.keep_next();
        if let Some(size) = self.resized.take() {
            self.record(&Record::Resized { size });
        }
        // Where nobody is here, nobody can come.
        self.is_homeless |= self.engine.is_none() && self.spool.has_no_folder();
        let done = self.typist.give_up();
        self.done(done);
        if self.spool.newest_part() > 1 {
            self.note_typed();
        }
        self.terminal = None;
        self.feed = None;
        self.listener = Listener::new();
    }

    /// Types what is next.
    pub(super) fn type_on(&mut self) {
        let done = self.typist.write(self.now());
        self.done(done);
    }

    fn done(&mut self, done: Vec<Done>) {
        for Done {
            id,
            delivered_bytes,
        } in done
        {
            self.record(&Record::InputDone {
                id,
                delivered_bytes,
            });
        }
    }

    pub(super) fn feed(&mut self) {
        if let Some(feed) = &mut self.feed
            && !feed.write()
        {
            self.feed = None;
        }
    }
}
