//! `Interrupts`: the signals that end a follow.

use std::ops::ControlFlow;

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Failure;

/// The signals that end a follow and leave the session alone.
#[derive(Debug)]
pub(crate) struct Interrupts {
    interrupt: Signal,
    terminate: Signal,
    hangup: Signal,
}

impl Interrupts {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(crate) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))
        };
        Ok(Self {
            interrupt: listen(SignalKind::interrupt())?,
            terminate: listen(SignalKind::terminate())?,
            hangup: listen(SignalKind::hangup())?,
        })
    }

    /// Does `work` to its end, or until a signal comes, which breaks it off: then, how to end.
    ///
    /// # Errors
    /// Those of `work`.
    pub(crate) async fn during<T>(
        &mut self,
        work: impl Future<Output = Result<T, Failure>>,
    ) -> Result<ControlFlow<Exit, T>, Failure> {
        tokio::select! {
            biased;
            exit = self.next() => Ok(ControlFlow::Break(exit)),
            done = work => done.map(ControlFlow::Continue),
        }
    }

    /// How to end, once one has come. Ctrl-C detaches. Cancel-safe.
    pub(crate) async fn next(&mut self) -> Exit {
        tokio::select! {
            _ = self.interrupt.recv() => Exit::Detached,
            _ = self.terminate.recv() => Exit::Signal { signal: 15 },
            _ = self.hangup.recv() => Exit::Signal { signal: 1 },
        }
    }
}
