//! The signals that a viewer heeds while its terminal is raw.

use tokio::signal::unix::{Signal, SignalKind, signal};

use crate::exit::Exit;
use crate::failure::Failure;
use crate::follow::Interrupts;

/// The signals that a viewer heeds.
pub(super) struct Signals {
    size: Signal,
    stop: Signal,
    continued: Signal,
    quit: Signal,
    interrupts: Interrupts,
}

/// What a signal asks for.
pub(super) enum Change {
    /// The window has another size.
    Size,
    /// The process is to stop, as with Ctrl-Z.
    Stop,
    /// The process goes on after it was stopped.
    Continued,
    /// The view is to end.
    End {
        /// And the process like this.
        exit: Exit,
    },
}

impl Signals {
    /// Listens from now on.
    ///
    /// # Errors
    /// When the system does not let us.
    pub(super) fn listen() -> Result<Self, Failure> {
        let listen = |kind| {
            signal(kind)
                .map_err(|error| Failure::failed(format!("signals cannot be received: {error}")))
        };
        let stop = rustix::process::Signal::TSTP.as_raw();
        let continued = rustix::process::Signal::CONT.as_raw();
        Ok(Self {
            size: listen(SignalKind::window_change())?,
            stop: listen(SignalKind::from_raw(stop))?,
            continued: listen(SignalKind::from_raw(continued))?,
            quit: listen(SignalKind::quit())?,
            interrupts: Interrupts::listen()?,
        })
    }

    /// The next one. Cancel-safe.
    pub(super) async fn next(&mut self) -> Change {
        tokio::select! {
            _ = self.size.recv() => Change::Size,
            _ = self.stop.recv() => Change::Stop,
            _ = self.continued.recv() => Change::Continued,
            _ = self.quit.recv() => Change::End { exit: Exit::Signal { signal: 3 } },
            exit = self.interrupts.next() => Change::End { exit },
        }
    }
}
