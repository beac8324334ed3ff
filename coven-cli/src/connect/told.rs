//! What is told of a daemon that was not reached, or did not do what it was asked.

use coven_http::client::Error;

use super::Hangs;
use crate::exit::Exit;
use crate::failure::Failure;

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        match &error {
            Error::Unreachable { socket, source } => Self::new(
                Exit::Unreachable,
                format!(
                    "no daemon answers at {} ({source}); start one with `coven daemon start`",
                    socket.display()
                ),
            )
            .unheard(),
            Error::Timeout { socket, after, .. } => {
                let Hangs { found, advice } = Hangs::at(socket, *after);
                Self::new(Exit::Unreachable, format!("{found}; {advice}"))
            }
            Error::NotASocket { .. } => Self::new(
                Exit::Unreachable,
                format!("{error}; remove it, and the daemon puts its own there"),
            ),
            Error::Stranger { .. } => Self::new(Exit::Unreachable, error.to_string()),
            Error::Broken { .. } => Self::new(
                Exit::Unreachable,
                format!("{error}; see `coven daemon status`"),
            )
            .unheard(),
            Error::Away { last, .. } => match &**last {
                Error::Timeout { socket, after, .. } => {
                    let Hangs { found, advice } = Hangs::at(socket, *after);
                    Self::new(Exit::Unreachable, format!("{found}; {advice}"))
                }
                _ => Self::new(
                    Exit::Unreachable,
                    format!("{error}; start one with `coven daemon start`"),
                ),
            },
            Error::Answer(answer) => {
                let exit = answer.code.map_or(Exit::Failed, Exit::of_code);
                let failure = Self::new(exit, answer.message.clone());
                if error.is_stopping() {
                    failure.unheard()
                } else {
                    failure
                }
            }
            _ => Self::failed(format!(
                "{error}; compare `coven --version` with `coven daemon status`"
            )),
        }
    }
}
