//! `CommandLine`: what is run for a launch, without a shell.

use std::fmt;

use bytes::Bytes;
use coven_core::{ConversationId, TermSize};

use crate::process::{self, Stdin};

/// What is run for a launch: the arguments after the program's own name, exactly as the process
/// gets them; what is added to its environment; and what its standard streams are.
///
/// An adapter builds one by [`CommandLine::new`] and the methods after it, and puts the prompt in
/// once: as one argument, or into the [`Wiring`]. `Debug` shows neither the prompt nor a value of
/// the environment.
#[derive(Clone, PartialEq, Eq)]
pub struct CommandLine {
    arguments: Vec<Argument>,
    environment: Vec<(String, String)>,
    wiring: Wiring,
    identity: Option<ConversationId>,
}

#[derive(Clone, PartialEq, Eq)]
enum Argument {
    Plain(String),
    Prompt(String),
}

/// What a harness's standard streams are; [`process::Wiring`] once a terminal has a size.
#[derive(Clone, PartialEq, Eq)]
pub enum Wiring {
    /// A terminal, for a person to drive.
    Terminal,
    /// A terminal for output, and no input from anybody.
    TerminalOutput {
        /// What it reads: nothing, or the prompt.
        stdin: Stdin,
    },
    /// Three pipes with JSON lines.
    Pipes {
        /// What is written first: the prompt, wrapped, its line feed included.
        first_line: Bytes,
    },
}

impl CommandLine {
    /// A command line without arguments.
    #[must_use]
    pub const fn new(wiring: Wiring) -> Self {
        Self {
            arguments: Vec::new(),
            environment: Vec::new(),
            wiring,
            identity: None,
        }
    }

    /// Adds arguments.
    #[must_use]
    pub fn args<A: Into<String>>(mut self, arguments: impl IntoIterator<Item = A>) -> Self {
        let arguments = arguments.into_iter().map(Into::into);
        self.arguments.extend(arguments.map(Argument::Plain));
        self
    }

    /// Adds the prompt as one argument. What is before it must keep the harness from reading it
    /// as an option.
    #[must_use]
    pub fn prompt(mut self, text: impl Into<String>) -> Self {
        self.arguments.push(Argument::Prompt(text.into()));
        self
    }

    /// Sets a variable of the environment, over whatever the launch has.
    #[must_use]
    pub fn variable(mut self, name: impl Into<String>, value: impl Into<String>) -> Self {
        self.environment.push((name.into(), value.into()));
        self
    }

    /// Says which conversation will run, in the harness's own terms, where that is known already.
    #[must_use]
    pub fn identified(mut self, id: ConversationId) -> Self {
        self.identity = Some(id);
        self
    }

    /// The arguments, without the program's own name.
    pub fn arguments(&self) -> impl Iterator<Item = &str> {
        self.arguments.iter().map(|argument| match argument {
            Argument::Plain(text) | Argument::Prompt(text) => text.as_str(),
        })
    }

    /// The whole argv as the log may keep it: `program` first, and instead of the prompt its
    /// length, since the prompt itself is in the session's first event.
    pub fn recorded(&self, program: &str) -> Vec<String> {
        let recorded = self.arguments.iter().map(|argument| match argument {
            Argument::Plain(text) => text.clone(),
            Argument::Prompt(text) => format!("<prompt: {} bytes>", text.len()),
        });
        std::iter::once(program.to_owned())
            .chain(recorded)
            .collect()
    }

    /// Variables to set in the harness's environment. The values are not to be logged or kept.
    pub fn environment(&self) -> impl Iterator<Item = (&str, &str)> {
        self.environment
            .iter()
            .map(|(name, value)| (name.as_str(), value.as_str()))
    }

    /// What its standard streams are.
    pub const fn wiring(&self) -> &Wiring {
        &self.wiring
    }

    /// What to write to the process as soon as it runs, if anything.
    pub const fn first_input(&self) -> Option<&Bytes> {
        match &self.wiring {
            Wiring::Pipes { first_line } => Some(first_line),
            Wiring::Terminal | Wiring::TerminalOutput { .. } => None,
        }
    }

    /// The harness's own id of the conversation, where it is known before the process runs.
    pub const fn identity(&self) -> Option<&ConversationId> {
        self.identity.as_ref()
    }
}

impl Wiring {
    /// The same for a process, with a terminal of this size where there is one.
    pub fn at(&self, size: TermSize) -> process::Wiring {
        match self {
            Self::Terminal => process::Wiring::Terminal { size },
            Self::TerminalOutput { stdin } => process::Wiring::TerminalOutput {
                size,
                stdin: stdin.clone(),
            },
            Self::Pipes { .. } => process::Wiring::Pipes,
        }
    }
}

impl fmt::Debug for CommandLine {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let names: Vec<_> = self.environment().map(|(name, _)| name).collect();
        f.debug_struct("CommandLine")
            .field("argv", &self.recorded(""))
            .field("environment_names", &names)
            .field("wiring", &self.wiring)
            .field("identity", &self.identity)
            .finish()
    }
}

impl fmt::Debug for Wiring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Terminal => f.write_str("Terminal"),
            Self::TerminalOutput { stdin } => write!(f, "TerminalOutput({stdin:?})"),
            Self::Pipes { first_line } => write!(f, "Pipes({} bytes)", first_line.len()),
        }
    }
}
