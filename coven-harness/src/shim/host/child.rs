//! The process of a session: spawned without a runtime, with its streams for a poll loop.

use std::os::fd::OwnedFd;
use std::{io, process};

use bytes::Bytes;
use coven_core::{Channel, Exit, ProcessFacts};
use rustix::buffer::spare_capacity;
use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::fs::{Mode, OFlags, fcntl_getfl, fcntl_setfl};
use rustix::io::{Errno, read, write};
use rustix::process::{Pid, Signal, WaitOptions, kill_process_group, wait};

use crate::process::facts;
use crate::process::spawn::{Keyboard, Spawn, SpawnError, explain, prepare};

/// The most that one read gives: a terminal gives 4,095 bytes at most, a pipe as many as its process wants.
pub(super) const READ_BYTES: usize = 64 * 1024;

/// A process, in parts.
pub(super) struct Child {
    pub(super) facts: ProcessFacts,
    pub(super) sources: Vec<Source>,
    /// Where what is typed goes.
    pub(super) sink: Option<OwnedFd>,
    pub(super) terminal: Option<OwnedFd>,
    /// The other end of its terminal, until it has ended.
    pub(super) hold: Option<OwnedFd>,
    pub(super) feed: Option<Feed>,
}

/// Something that a process writes to.
pub(super) struct Source {
    pub(super) channel: Channel,
    pub(super) fd: OwnedFd,
}

/// Whether one of these has something to be read now, or has ended.
pub(super) fn have_more(sources: &[Source]) -> bool {
    let polled = sources
        .iter()
        .map(|source| PollFd::new(&source.fd, PollFlags::IN));
    let mut polled: Vec<PollFd<'_>> = polled.collect();
    poll(&mut polled, Some(&Timespec::default())).is_ok_and(|ready| ready > 0)
}

/// What one read brought.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Read {
    Bytes,
    Nothing,
    End,
}

/// A pipe that gives a process its stdin and then ends.
pub(super) struct Feed {
    pub(super) pipe: OwnedFd,
    left: Bytes,
}

/// Why there is no process to hold.
pub(super) enum NoChild {
    /// None was made.
    NeverRan(SpawnError),
    /// One was, which cannot be heard, or told from another. It was ended with its group; what left that
    /// may run on.
    NotHeld,
}

impl From<SpawnError> for NoChild {
    fn from(error: SpawnError) -> Self {
        Self::NeverRan(error)
    }
}

/// Runs a process, whose files get the rights that `umask` leaves. `made` is called once there is one.
pub(super) fn spawn(spawn: Spawn, umask: Mode, made: impl FnOnce()) -> Result<Child, NoChild> {
    let prepared = prepare(spawn, Some(umask))?;
    let no_terminal = |source| SpawnError::Terminal { source };
    let masters = prepared.terminal.as_ref().map(|pair| {
        let [typed, control] = [pair.master.try_clone()?, pair.master.try_clone()?];
        io::Result::Ok((typed, control))
    });
    let masters = masters.transpose().map_err(no_terminal)?;
    let mut command = prepared.command;
    let mut spawned = command
        .spawn()
        .map_err(|error| explain(prepared.program, error))?;
    // Our copies of its ends.
    drop(command);
    made();
    let parts = Parts::of(&mut spawned).map_err(|_| {
        end(&mut spawned);
        NoChild::NotHeld
    })?;
    let source = |channel, fd: Option<OwnedFd>| fd.map(|fd| Source { channel, fd });
    Ok(match prepared.terminal.zip(masters) {
        None => Child {
            facts: parts.facts,
            sources: [
                source(Channel::Stdout, parts.stdout),
                source(Channel::Stderr, parts.stderr),
            ]
            .into_iter()
            .flatten()
            .collect(),
            sink: parts.stdin,
            terminal: None,
            hold: None,
            feed: None,
        },
        Some((pair, (typed, control))) => Child {
            facts: parts.facts,
            sources: vec![Source {
                channel: Channel::Tty,
                fd: pair.master,
            }],
            sink: (prepared.keyboard == Keyboard::Terminal).then_some(typed),
            terminal: Some(control),
            hold: Some(pair.slave),
            feed: parts
                .stdin
                .zip(prepared.feed)
                .map(|(pipe, left)| Feed { pipe, left }),
        },
    })
}

/// What is known and held of a process that was spawned just now.
struct Parts {
    facts: ProcessFacts,
    stdin: Option<OwnedFd>,
    stdout: Option<OwnedFd>,
    stderr: Option<OwnedFd>,
}

impl Parts {
    fn of(spawned: &mut process::Child) -> io::Result<Self> {
        let pipe = |pipe: Option<OwnedFd>| pipe.map(unblocked).transpose();
        Ok(Self {
            facts: ProcessFacts {
                shim_pid: Some(process::id()),
                ..facts::of(spawned.id())?
            },
            stdin: pipe(spawned.stdin.take().map(OwnedFd::from))?,
            stdout: pipe(spawned.stdout.take().map(OwnedFd::from))?,
            stderr: pipe(spawned.stderr.take().map(OwnedFd::from))?,
        })
    }
}

/// Ends a process that was spawned just now, with what of what it started is in its group.
fn end(spawned: &mut process::Child) {
    if let Some(group) = Pid::from_raw(spawned.id().cast_signed()) {
        let _ = kill_process_group(group, Signal::KILL);
    }
    let _ = spawned.kill();
    let _ = spawned.wait();
}

fn unblocked(pipe: OwnedFd) -> io::Result<OwnedFd> {
    fcntl_setfl(&pipe, fcntl_getfl(&pipe)? | OFlags::NONBLOCK)?;
    Ok(pipe)
}

impl Source {
    /// One read of at most [`READ_BYTES`], in the place of what is in `buffer`, which has room for so much
    /// and no more. Memory that it does not need is not touched.
    pub(super) fn read(&self, buffer: &mut Vec<u8>) -> Read {
        let mut was_hung_up = false;
        buffer.clear();
        buffer.reserve_exact(READ_BYTES);
        loop {
            match read(&self.fd, spare_capacity(buffer)) {
                Ok(0) => return Read::End,
                Ok(_) => return Read::Bytes,
                Err(Errno::AGAIN) => return Read::Nothing,
                Err(Errno::INTR) => {}
                // What was written while this read looked may lie behind the first EIO, by which
                // a terminal ends.
                Err(Errno::IO) if !was_hung_up => was_hung_up = true,
                Err(_) => return Read::End,
            }
        }
    }
}

impl Feed {
    /// Writes what the pipe takes; false when there is no more to write, or nobody who reads.
    pub(super) fn write(&mut self) -> bool {
        match write(&self.pipe, &self.left) {
            Ok(written) => {
                self.left = self.left.slice(written..);
                !self.left.is_empty()
            }
            Err(Errno::AGAIN | Errno::INTR) => true,
            Err(_) => false,
        }
    }
}

/// How `leader` ended, if it is among the children that have, all of which are reaped.
pub(super) fn reap(leader: Option<Pid>) -> Option<Exit> {
    let mut exit = None;
    // None left, or none at all.
    while let Ok(Some((pid, status))) = wait(WaitOptions::NOHANG) {
        if Some(pid) == leader {
            let code = status.exit_status().map(|code| Exit::Code { code });
            let signal = || {
                status
                    .terminating_signal()
                    .map(|signal| Exit::Signal { signal })
            };
            exit = code.or_else(signal).or(exit);
        }
    }
    exit
}
