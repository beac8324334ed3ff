//! The environment a harness runs in.
//!
//! A daemon freezes the PATH, keys and agents of whoever started it, and nobody wants that: a
//! session gets the environment of whoever launches it, less what other programs wrote into it
//! about themselves.

mod login_path;
mod lookup;
mod removed;
mod search_path;

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::path::Path;

use coven_core::SessionId;

pub use login_path::login_path;
pub use lookup::lookup;
pub use search_path::search_path;

/// The variable by which a session's processes know it, and are known as its own.
pub const SESSION_VARIABLE: &str = "COVEN_SESSION_ID";

/// What [`SESSION_VARIABLE`] says in a process that belongs to no session although an agent may have
/// started it: a daemon, and a shim. It outlives that agent's session.
pub const NO_SESSION: &str = "none";

/// Names of variables and their values. The values are secrets, never to be logged, stored or
/// returned: `Debug` shows names only.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<OsString, OsString>);

impl Environment {
    /// The environment of this very process.
    pub fn of_this_process() -> Self {
        std::env::vars_os().collect()
    }

    /// What a session's harness gets of it, in a terminal of ours and in `directory` (as an
    /// absolute path): less what others wrote into it about themselves, and with `own`, the
    /// harness's own variables, over it. What tells the session's processes from others comes
    /// last, so that nobody can set it.
    #[must_use]
    pub fn for_session<'a>(
        mut self,
        session: &SessionId,
        directory: &Path,
        own: impl IntoIterator<Item = (&'a str, &'a str)>,
    ) -> Self {
        self.0.retain(|name, _| !removed::contains(name));
        self.set("TERM", "xterm-256color");
        self.set("COLORTERM", "truecolor");
        if ["LC_ALL", "LANG"]
            .iter()
            .all(|name| self.get(name).is_none_or(OsStr::is_empty))
        {
            self.set("LANG", "C.UTF-8");
        }
        for (name, value) in own {
            self.set(name, value);
        }
        self.set("PWD", directory);
        self.set(SESSION_VARIABLE, session.as_str());
        self
    }

    /// A variable's value.
    pub fn get(&self, name: impl AsRef<OsStr>) -> Option<&OsStr> {
        self.0.get(name.as_ref()).map(OsString::as_os_str)
    }

    /// Sets a variable, over whatever it was.
    pub fn set(&mut self, name: impl Into<OsString>, value: impl Into<OsString>) {
        self.0.insert(name.into(), value.into());
    }

    /// All variables, by name.
    pub fn iter(&self) -> impl Iterator<Item = (&OsStr, &OsStr)> {
        self.0
            .iter()
            .map(|(name, value)| (name.as_os_str(), value.as_os_str()))
    }

    /// The names alone, which may be told.
    pub fn names(&self) -> impl Iterator<Item = &OsStr> {
        self.0.keys().map(OsString::as_os_str)
    }
}

impl<N: Into<OsString>, V: Into<OsString>> FromIterator<(N, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (N, V)>>(variables: I) -> Self {
        Self(
            variables
                .into_iter()
                .map(|(name, value)| (name.into(), value.into()))
                .collect(),
        )
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.names()).finish()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(names: &[&str]) -> Environment {
        names.iter().map(|name| (*name, "value")).collect()
    }

    fn session() -> SessionId {
        SessionId::parse("0199f0f0-0000-7000-8000-000000000001").unwrap()
    }

    fn names_after(names: &[&str]) -> Vec<String> {
        let added = ["TERM", "COLORTERM", "LANG", "PWD", SESSION_VARIABLE];
        of(names)
            .for_session(&session(), Path::new("/p"), [])
            .names()
            .map(|name| name.to_string_lossy().into_owned())
            .filter(|name| !added.contains(&name.as_str()))
            .collect()
    }

    #[test]
    fn marks_of_terminals_multiplexers_and_other_agents_are_removed() {
        for name in [
            "COVEN_HOME",
            "COVEN_ANYTHING",
            "TMUX",
            "TMUX_PANE",
            "STY",
            "TERM_PROGRAM",
            "TERM_PROGRAM_VERSION",
            "KITTY_WINDOW_ID",
            "WT_SESSION",
            "VTE_VERSION",
            "GNOME_TERMINAL_SCREEN",
            "TERMINAL_EMULATOR",
            "TERM_SESSION_ID",
            "CLAUDECODE",
            "CLAUDE_CODE_ENTRYPOINT",
            "CLAUDE_CODE_SSE_PORT",
            "CLAUDE_CODE_CHILD_SESSION",
            "CODEX_THREAD_ID",
            "CODEX_SANDBOX",
            "CODEX_SANDBOX_NETWORK_DISABLED",
            "COLUMNS",
            "LINES",
            "OLDPWD",
        ] {
            assert_eq!(names_after(&[name]), [""; 0], "{name}");
        }
    }

    #[test]
    fn settings_and_credentials_stay() {
        let stay = [
            "ANTHROPIC_API_KEY",
            "CLAUDE_CODE_DISABLE_NONESSENTIAL_TRAFFIC",
            "CLAUDE_CODE_MAX_RETRIES",
            "CLAUDE_CODE_OAUTH_TOKEN",
            "CLAUDE_CODE_USE_BEDROCK",
            "CLAUDE_CONFIG_DIR",
            "CODEX_API_KEY",
            "CODEX_HOME",
            "CODEX_SQLITE_HOME",
            "HOME",
            "IS_SANDBOX",
            "PATH",
            "SSH_AUTH_SOCK",
            "STYLE",
            "VIRTUAL_ENV",
        ];
        assert_eq!(names_after(&stay), stay);
    }

    #[test]
    fn the_terminal_and_the_session_are_named() {
        let environment = of(&["TERM", "COLORTERM"]).for_session(&session(), Path::new("/p/q"), []);
        assert_eq!(environment.get("TERM").unwrap(), "xterm-256color");
        assert_eq!(environment.get("COLORTERM").unwrap(), "truecolor");
        assert_eq!(environment.get("PWD").unwrap(), "/p/q");
        assert_eq!(
            environment.get(SESSION_VARIABLE).unwrap(),
            session().as_str()
        );
    }

    #[test]
    fn a_harness_sets_what_it_likes_but_not_whose_process_it_is() {
        let own = [
            ("PATH", "/own"),
            ("TERM", "dumb"),
            (SESSION_VARIABLE, "another"),
            ("PWD", "/elsewhere"),
        ];
        let environment = of(&["PATH"]).for_session(&session(), Path::new("/p"), own);
        assert_eq!(environment.get("PATH").unwrap(), "/own");
        assert_eq!(environment.get("TERM").unwrap(), "dumb");
        assert_eq!(environment.get("PWD").unwrap(), "/p");
        assert_eq!(
            environment.get(SESSION_VARIABLE).unwrap(),
            session().as_str()
        );
    }

    #[test]
    fn a_language_is_set_only_where_there_is_none() {
        let language = |names: &[&str]| {
            let environment = of(names).for_session(&session(), Path::new("/"), []);
            environment
                .get("LANG")
                .map(|value| value.to_string_lossy().into_owned())
        };
        assert_eq!(language(&[]).as_deref(), Some("C.UTF-8"));
        assert_eq!(language(&["LANG"]).as_deref(), Some("value"));
        assert_eq!(language(&["LC_ALL"]), None);
    }

    #[test]
    fn debug_shows_no_value() {
        let shown = format!("{:?}", of(&["SECRET_KEY"]));
        assert!(
            shown.contains("SECRET_KEY") && !shown.contains("value"),
            "{shown}"
        );
    }
}
