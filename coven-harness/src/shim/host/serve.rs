//! The poll loop of a shim. It waits without a timer unless something is due.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};
use rustix::io::read;
use rustix::net::{SocketFlags, accept_with, sockopt::socket_peercred};
use rustix::process::geteuid;

use super::Waypoint;
use super::connection::{Connection, Over};
use super::session::Session;
use crate::shim::folder;
use crate::shim::frame::Decoder;
use crate::shim::protocol::{FromShim, ToShim};

/// What a shim has beside its session.
pub(super) struct Rim {
    pub(super) folder: OwnedFd,
    /// Held to the end.
    pub(super) lock: OwnedFd,
    pub(super) listener: OwnedFd,
    pub(super) signals: OwnedFd,
}

/// Something to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Children,
    Newcomer,
    Greeting,
    Engine,
    Source { place: usize },
    Sink,
    Feed,
}

/// Whether the shim goes on.
enum Goes {
    On,
    /// All is on record elsewhere.
    Over,
}

/// Serves until an engine says that all is on record.
pub(super) fn serve(
    rim: Rim,
    mut session: Session,
    launcher: OwnedFd,
    decoder: Decoder,
    on_the_way: &dyn Fn(Waypoint),
) {
    session.engine = Some(Connection::after(launcher, decoder));
    // One at a time: the last that came.
    let mut newcomer: Option<Connection> = None;
    // It may have said more with its launch.
    let mut goes = heard(&mut session);
    while let Goes::On = goes {
        for awaited in wait(&rim, &mut session, newcomer.as_ref()) {
            match awaited {
                Awaited::Children => {
                    drain(&rim.signals);
                    if session.reap(|| on_the_way(Waypoint::ExitSeen)) {
                        on_the_way(Waypoint::ExitRecorded);
                    }
                }
                Awaited::Newcomer => {
                    if let Some(socket) = accept(&rim.listener) {
                        newcomer = Some(Connection::new(socket));
                    }
                }
                Awaited::Greeting => greeted(&mut session, &mut newcomer),
                Awaited::Engine => {
                    goes = talk(&mut session);
                    if let Goes::Over = goes {
                        break;
                    }
                }
                // A source may have ended since.
                Awaited::Source { place } if place < session.sources.len() => session.read(place),
                Awaited::Source { .. } => {}
                Awaited::Sink => session.type_on(),
                Awaited::Feed => session.feed(),
            }
        }
        session.tick();
        send(&mut session);
        // What came along with a hello was read then.
        if let (Goes::On, true) = (&goes, session.engine.is_some()) {
            goes = heard(&mut session);
        }
    }
    session.spool.remove();
    folder::remove(&rim.folder);
    drop(rim.lock);
}

/// Waits for what may come, and says what has.
fn wait(rim: &Rim, session: &mut Session, newcomer: Option<&Connection>) -> Vec<Awaited> {
    let reads = session.is_reading();
    let now = session.now();
    let timeout = session.deadline().map(|at| at.saturating_sub(now));
    let timeout = timeout.map(|left| {
        // Not a moment too early, or it turns in circles.
        Timespec::try_from(left + Duration::from_micros(1)).expect("it is some seconds")
    });
    let session = &*session;
    let mut awaited = vec![
        (Awaited::Children, &rim.signals, PollFlags::IN),
        (Awaited::Newcomer, &rim.listener, PollFlags::IN),
    ];
    if let Some(newcomer) = newcomer {
        awaited.push((Awaited::Greeting, &newcomer.socket, PollFlags::IN));
    }
    if let Some(engine) = &session.engine {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, !engine.is_behind());
        events.set(PollFlags::OUT, engine.has_something(&session.spool));
        awaited.push((Awaited::Engine, &engine.socket, events));
    }
    if reads {
        for (place, source) in session.sources.iter().enumerate() {
            awaited.push((Awaited::Source { place }, &source.fd, PollFlags::IN));
        }
    }
    if let Some(sink) = session.typist.writes_to(now) {
        awaited.push((Awaited::Sink, sink, PollFlags::OUT));
    }
    if let Some(feed) = &session.feed {
        awaited.push((Awaited::Feed, &feed.pipe, PollFlags::OUT));
    }
    let polled = awaited
        .iter()
        .map(|(_, fd, events)| PollFd::new(fd, *events));
    let mut polled: Vec<PollFd<'_>> = polled.collect();
    if poll(&mut polled, timeout.as_ref()).is_err() {
        // Interrupted.
        return Vec::new();
    }
    let came = awaited.iter().zip(&polled);
    came.filter(|(_, polled)| !polled.revents().is_empty())
        .map(|((awaited, ..), _)| *awaited)
        .collect()
}

/// Takes away what says that children have ended.
fn drain(signals: &OwnedFd) {
    let mut told = [0; 128];
    while read(signals, &mut told[..]).is_ok() {}
}

/// A connection of this user.
fn accept(listener: &OwnedFd) -> Option<OwnedFd> {
    let socket = accept_with(listener, SocketFlags::NONBLOCK | SocketFlags::CLOEXEC).ok()?;
    let peer = socket_peercred(&socket).ok()?;
    (peer.uid == geteuid() || peer.uid.is_root()).then_some(socket)
}

/// Hears a newcomer out, who becomes the engine once it has said a hello that can be answered.
fn greeted(session: &mut Session, newcomer: &mut Option<Connection>) {
    let Some(mut connection) = newcomer.take() else {
        return;
    };
    if connection.receive().is_err() {
        return;
    }
    match connection.next_frame() {
        Ok(None) => *newcomer = Some(connection),
        Ok(Some(frame)) => {
            let Ok(Some(ToShim::Hello(hello))) = ToShim::decode(&frame) else {
                return;
            };
            let greeting = session.greeting(&hello);
            connection.answer(&greeting);
            if let FromShim::Welcome(_) = greeting {
                session.engine_came(connection);
            } else {
                // Said as far as it goes through; its session is as it was.
                let _ = connection.send(&session.spool);
            }
        }
        Err(Over) => {}
    }
}

/// Reads what the engine says, and does it.
fn talk(session: &mut Session) -> Goes {
    let Some(engine) = &mut session.engine else {
        return Goes::On;
    };
    if !engine.is_behind() && engine.receive().is_err() {
        session.engine_left();
        return Goes::On;
    }
    heard(session)
}

/// Does what the engine has said.
fn heard(session: &mut Session) -> Goes {
    while let Some(engine) = &mut session.engine {
        if engine.is_behind() {
            break;
        }
        let told = match engine.next_frame() {
            Ok(None) => break,
            Ok(Some(frame)) => ToShim::decode(&frame).map_err(|_| Over),
            Err(Over) => Err(Over),
        };
        match told {
            // Something of a newer engine.
            Ok(None) => {}
            Ok(Some(told)) => {
                if let Goes::Over = obey(session, told) {
                    return Goes::Over;
                }
            }
            Err(Over) => session.engine_left(),
        }
    }
    send(session);
    Goes::On
}

fn obey(session: &mut Session, told: ToShim) -> Goes {
    match told {
        ToShim::From(number) => session.send_from(number),
        ToShim::Credit(more_bytes) => {
            if let Some(engine) = &mut session.engine {
                engine.credit(more_bytes);
            }
        }
        ToShim::Ack(upto) => session.ack(upto),
        ToShim::Input(input) => session.input(input),
        ToShim::Resize((cols, rows)) => session.resize(cols, rows),
        ToShim::SecretEntry(request) => session.secret_entry(request),
        ToShim::SetLimit(limit_bytes) => session.spool.set_limit(limit_bytes),
        ToShim::Hold(()) => session.hold(),
        ToShim::Release(()) => session.release(),
        ToShim::Close(_) if session.is_over() && session.spool.is_acked() => return Goes::Over,
        ToShim::Close(request) => session.say(&FromShim::StillNeeded(request)),
        // Said once already: no peer of ours.
        ToShim::Hello(_) | ToShim::Launch(_) => session.engine_left(),
    }
    Goes::On
}

fn send(session: &mut Session) {
    if let Some(engine) = &mut session.engine
        && engine.send(&session.spool).is_err()
    {
        session.engine_left();
    }
}
