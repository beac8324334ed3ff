//! A program that is run for a moment, for what it prints.

use std::ffi::OsString;
use std::path::PathBuf;

use bytes::Bytes;
use coven_core::{Channel, Exit};
use rustix::fs::{Mode, OFlags, open};
use rustix::process::{Pid, Rlimit, Signal, kill_process_group};

use super::{Child, Spawn, SpawnError, Wiring, spawn};
use crate::environment::Environment;

/// A program run for what it prints, in the root directory, without a terminal or input. Dropped
/// before its end is known, it is killed with its process group.
pub(crate) struct Question {
    child: Child,
    /// Its number is its own until its end has been asked for and told.
    is_ours: bool,
}

impl Question {
    /// Runs `program`, an absolute path, with this limit of open files. Must be called within a
    /// tokio runtime.
    pub(crate) fn ask(
        program: PathBuf,
        args: &[&str],
        environment: &Environment,
        open_files: Rlimit,
    ) -> Result<Self, SpawnError> {
        let flags = OFlags::DIRECTORY | OFlags::CLOEXEC | OFlags::PATH;
        let directory = open("/", flags, Mode::empty());
        let mut child = spawn(Spawn {
            program,
            args: args.iter().map(OsString::from).collect(),
            environment: environment.clone(),
            directory: directory.map_err(|errno| SpawnError::Directory {
                source: errno.into(),
            })?,
            wiring: Wiring::Pipes,
            open_files,
        })?;
        child.input = None;
        let is_ours = true;
        Ok(Self { child, is_ours })
    }

    /// What it prints next; `None` when no more can come.
    pub(crate) async fn heard(&mut self) -> Option<Bytes> {
        loop {
            match self.child.output.read().await.ok()?? {
                (Channel::Stdout | Channel::Tty, bytes) => return Some(bytes),
                (Channel::Stderr, _) => {}
            }
        }
    }

    /// How it ended, as soon as it has.
    pub(crate) async fn ended(&mut self) -> Option<Exit> {
        let exit = self.child.exit.wait().await.ok();
        self.is_ours = false;
        exit
    }

    /// Lets it run to its own end.
    pub(crate) fn leave(mut self) {
        self.is_ours = false;
    }
}

impl Drop for Question {
    fn drop(&mut self) {
        let leader = i32::try_from(self.child.facts.pid).ok();
        if self.is_ours
            && let Some(group) = leader.and_then(Pid::from_raw)
        {
            // It fails only where all of them are gone.
            let _ = kill_process_group(group, Signal::KILL);
        }
    }
}
