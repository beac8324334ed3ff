//! The poll loop of a shim. It waits without a timer unless something is due.

use std::os::fd::OwnedFd;
use std::time::Duration;

use rustix::event::{PollFd, PollFlags, Timespec, poll};

use super::Waypoint;
use super::connection::{Connection, Over};
use super::door::Door;
use super::session::Session;
use crate::pty::{Signals, Told};
use crate::shim::folder;
use crate::shim::frame::Decoder;
use crate::shim::protocol::{FromShim, ToShim};

/// What a shim has beside its session.
pub(super) struct Rim {
    pub(super) folder: OwnedFd,
    /// Held to the end.
    pub(super) lock: OwnedFd,
    pub(super) door: Door,
    pub(super) signals: Signals,
}

/// Something to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Awaited {
    Signals,
    Newcomer,
    Greeting,
    Engine,
    Source { place: usize },
    Sink,
    Feed,
}

/// Whether the shim goes on.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goes {
    On,
    /// All is on record elsewhere, and nothing is to be left.
    Over,
    /// What there is stays for whoever looks.
    Away,
}

/// Serves until an engine says that all is on record.
pub(super) fn serve(
    mut rim: Rim,
    mut session: Session,
    launcher: OwnedFd,
    decoder: Decoder,
    on_the_way: &dyn Fn(Waypoint),
) {
    session.engine = Some(Connection::after(launcher, decoder));
    // It may have said more with its launch.
    let mut goes = heard(&mut session);
    let mut is_told_to_end = false;
    let mut is_full = false;
    while goes == Goes::On {
        let was_full = std::mem::replace(&mut is_full, session.is_full());
        if is_full && !was_full {
            on_the_way(Waypoint::Full);
        }
        for awaited in wait(&rim, &session, !is_full) {
            match awaited {
                Awaited::Signals => {
                    let told = rim.signals.take();
                    is_told_to_end |= told.contains(&Told::End);
                    if session.reap(|| on_the_way(Waypoint::ExitSeen)) {
                        on_the_way(Waypoint::ExitRecorded);
                    }
                }
                Awaited::Newcomer => rim.door.accept(session.now()),
                Awaited::Greeting => {}
                Awaited::Engine => goes = talk(&mut session),
                // A source may have ended since.
                Awaited::Source { place } if place < session.sources.len() => session.read(place),
                Awaited::Source { .. } => {}
                Awaited::Sink => session.type_on(),
                Awaited::Feed => session.feed(),
            }
            if goes != Goes::On {
                break;
            }
            if matches!(awaited, Awaited::Newcomer | Awaited::Greeting) {
                rim.door.greet(&mut session);
            }
        }
        // What came along with a hello was read then.
        if goes == Goes::On {
            goes = heard(&mut session);
        }
        session.tick();
        send(&mut session);
        session.forget();
        // The folder has it all; whoever told it to end may be taking the machine down.
        let may_end = is_told_to_end && session.is_over() && session.spool.is_written();
        if goes == Goes::On && (may_end || session.is_homeless()) {
            goes = Goes::Away;
        }
    }
    if goes == Goes::Over {
        session.spool.remove();
        folder::remove(&rim.folder);
    }
    drop(rim.lock);
}

/// Waits for what may come, output only where it is read, and says what has.
fn wait(rim: &Rim, session: &Session, reads: bool) -> Vec<Awaited> {
    let now = session.now();
    let deadlines = [session.deadline(now), rim.door.deadline(now)];
    let timeout = deadlines.into_iter().flatten().min().map(|at| {
        // Not a moment too early, or it turns in circles.
        let left = at.saturating_sub(now) + Duration::from_micros(1);
        Timespec::try_from(left).expect("it is some seconds")
    });
    let awaited = awaited(rim, session, reads, now);
    let polled = awaited
        .iter()
        .map(|(_, fd, events)| PollFd::new(fd, *events));
    let mut polled: Vec<PollFd<'_>> = polled.collect();
    match poll(&mut polled, timeout.as_ref()) {
        Ok(_) => {
            let came = awaited.iter().zip(&polled);
            came.filter(|((awaited, ..), polled)| {
                // That there is room needs no word: what is to be sent is tried anyway.
                let mut events = polled.revents();
                events.set(
                    PollFlags::OUT,
                    *awaited != Awaited::Engine && events.contains(PollFlags::OUT),
                );
                !events.is_empty()
            })
            .map(|((awaited, ..), _)| *awaited)
            .collect()
        }
        // Interrupted.
        Err(_) => Vec::new(),
    }
}

fn awaited<'a>(
    rim: &'a Rim,
    session: &'a Session,
    reads: bool,
    now: Duration,
) -> Vec<(Awaited, &'a OwnedFd, PollFlags)> {
    let mut awaited = vec![(Awaited::Signals, rim.signals.fd(), PollFlags::IN)];
    if let Some(listener) = rim.door.listener(now) {
        awaited.push((Awaited::Newcomer, listener, PollFlags::IN));
    }
    for newcomer in rim.door.sockets() {
        awaited.push((Awaited::Greeting, newcomer, PollFlags::IN));
    }
    if let Some(engine) = &session.engine {
        let mut events = PollFlags::empty();
        events.set(PollFlags::IN, !engine.is_behind());
        events.set(PollFlags::OUT, engine.has_something(&session.spool, now));
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
    awaited
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
                if obey(session, told) == Goes::Over {
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
    let now = session.now();
    if let Some(engine) = &mut session.engine
        && engine.send(&session.spool, now).is_err()
    {
        session.engine_left();
    }
}
