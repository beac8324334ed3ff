//! Who comes to a shim, until it is the engine: it must be of this user, and say hello.

use std::collections::VecDeque;
use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{SocketFlags, accept_with, sockopt::socket_peercred};
use rustix::process::geteuid;

use super::connection::{Connection, Over};
use super::session::Session;
use crate::shim::frame::Frame;
use crate::shim::protocol::{FromShim, ToShim};

/// Who may be here without having said hello. Where more come, the one that has been silent the
/// longest is hung up on: so neither those that say nothing, nor any number of them, keep an
/// engine out.
const MAX_NEWCOMERS: usize = 16;

/// The most that is read of somebody who has not said hello, which takes some twenty bytes.
const MAX_HELLO_BYTES: usize = 1024;

/// How long nobody is let in once there are no files left for who comes.
const SHUT: Duration = Duration::from_secs(1);

/// Where they come in.
pub(super) struct Door {
    listener: OwnedFd,
    /// Oldest first.
    newcomers: VecDeque<Connection>,
    shut_until: Option<Duration>,
}

impl Door {
    pub(super) const fn new(listener: OwnedFd) -> Self {
        Self {
            listener,
            newcomers: VecDeque::new(),
            shut_until: None,
        }
    }

    /// Where to wait for who comes, if anybody is let in.
    pub(super) fn listener(&self, now: Duration) -> Option<&OwnedFd> {
        let is_shut = self.shut_until.is_some_and(|until| now < until);
        (!is_shut).then_some(&self.listener)
    }

    /// When it opens again.
    pub(super) fn deadline(&self, now: Duration) -> Option<Duration> {
        self.shut_until.filter(|until| now < *until)
    }

    /// Where to wait for what they say.
    pub(super) fn sockets(&self) -> impl Iterator<Item = &OwnedFd> {
        self.newcomers.iter().map(|newcomer| &newcomer.socket)
    }

    /// Lets one in.
    pub(super) fn accept(&mut self, now: Duration) {
        match accept_with(&self.listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC) {
            Ok(socket) => {
                if !is_of_this_user(&socket) {
                    return;
                }
                if self.newcomers.len() >= MAX_NEWCOMERS {
                    self.newcomers.pop_front();
                }
                self.newcomers.push_back(Connection::new(socket));
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::CONNABORTED) => {}
            // It would be told of them again and again.
            Err(_) => self.shut_until = Some(now + SHUT),
        }
    }

    /// Hears them out. One becomes the engine once it has said a hello that can be answered.
    pub(super) fn greet(&mut self, session: &mut Session) {
        for mut newcomer in std::mem::take(&mut self.newcomers) {
            if newcomer.receive().is_err() {
                continue;
            }
            match newcomer.next_frame() {
                Ok(Some(frame)) => introduce(session, newcomer, &frame),
                Ok(None) if newcomer.unheard_bytes() <= MAX_HELLO_BYTES => {
                    self.newcomers.push_back(newcomer);
                }
                Ok(None) | Err(Over) => {}
            }
        }
    }
}

fn is_of_this_user(socket: &OwnedFd) -> bool {
    socket_peercred(socket).is_ok_and(|peer| peer.uid == geteuid() || peer.uid.is_root())
}

fn introduce(session: &mut Session, mut newcomer: Connection, first: &Frame) {
    let Ok(Some(ToShim::Hello(hello))) = ToShim::decode(first) else {
        return;
    };
    let greeting = session.greeting(&hello);
    newcomer.answer(&greeting);
    if let FromShim::Welcome(_) = greeting {
        session.engine_came(newcomer);
    } else {
        // Said as far as it goes through; its session is as it was.
        let _ = newcomer.send(&session.spool, session.now());
    }
}
