//! `Config`: what can be set, and where each value came from.
//!
//! A flag wins over `COVEN_*`, which wins over `<home>/config.toml`, which wins over the default.

mod age;
mod file;
mod log_level;
mod size;

use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;
use std::time::Duration;

use coven::shim::Program;
use coven::{Hosting, Shims};

use crate::failure::Failure;
use crate::home::Home;
use crate::terminal::DetachKeys;

use file::File;

pub(crate) use age::Age;
pub(crate) use log_level::LogLevel;
pub(crate) use size::Size;

/// Every setting, each with its origin.
#[derive(Clone, Debug)]
pub(crate) struct Config {
    /// The harness that `run` takes when none is named.
    pub(crate) harness: Setting<Option<String>>,
    /// The keys that detach.
    pub(crate) detach_keys: Setting<DetachKeys>,
    /// How much the daemon logs.
    pub(crate) log: Setting<LogLevel>,
    /// How long a killed session has to end by itself before it is made to, in milliseconds.
    pub(crate) kill_grace_ms: Setting<u64>,
    /// How much output a session keeps at most.
    pub(crate) retention_session_bytes: Setting<Option<Size>>,
    /// How much output all sessions keep together at most.
    pub(crate) retention_total_bytes: Setting<Option<Size>>,
    /// How old output may be.
    pub(crate) retention_max_age: Setting<Option<Age>>,
    /// How much one session may write while there is no daemon, before it waits for one.
    pub(crate) spool_session_bytes: Setting<Size>,
    /// How much all sessions may together.
    pub(crate) spool_total_bytes: Setting<Size>,
}

/// A value and where it came from.
#[derive(Clone, Debug)]
pub(crate) struct Setting<T> {
    /// The value.
    pub(crate) value: T,
    /// Where it came from.
    pub(crate) origin: Origin,
}

/// Where a value came from.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Origin {
    /// An argument.
    Flag {
        /// Which.
        flag: &'static str,
    },
    /// The environment.
    Env {
        /// Which variable.
        name: &'static str,
    },
    /// The configuration file.
    File {
        /// Its path.
        path: PathBuf,
    },
    /// Nothing set it.
    Default,
}

/// The keys a configuration file may hold.
pub(crate) const KEYS: [&str; 9] = [
    "harness",
    "detach_keys",
    "log",
    "kill_grace_ms",
    "retention.session_bytes",
    "retention.total_bytes",
    "retention.max_age",
    "spool.session_bytes",
    "spool.total_bytes",
];

const DEFAULT_KILL_GRACE_MS: u64 = 5_000;

impl Config {
    /// Reads the environment and the home's configuration file, which need not exist.
    ///
    /// # Errors
    /// When the file cannot be read, is no TOML, or holds a key or a value that means nothing: a
    /// setting that is silently not in force helps nobody.
    pub(crate) fn load(home: &Home) -> Result<Self, Failure> {
        let file = File::read(&home.config_file())?;
        Self::from(&file, |name| std::env::var(name).ok())
    }

    fn from(file: &File, env: impl Fn(&str) -> Option<String>) -> Result<Self, Failure> {
        let layers = Layers { file, env: &env };
        Ok(Self {
            harness: layers.setting("harness", "COVEN_HARNESS", None, |text| {
                Ok(Some(text.to_owned()))
            })?,
            detach_keys: layers.setting(
                "detach_keys",
                "COVEN_DETACH_KEYS",
                DetachKeys::default(),
                |text| text.parse().map_err(|invalid| format!("{invalid}")),
            )?,
            log: layers.setting("log", "COVEN_LOG", LogLevel::default(), str::parse)?,
            kill_grace_ms: layers.setting(
                "kill_grace_ms",
                "COVEN_KILL_GRACE_MS",
                DEFAULT_KILL_GRACE_MS,
                kill_grace_ms,
            )?,
            retention_session_bytes: layers
                .optional("retention.session_bytes", "COVEN_RETENTION_SESSION_BYTES")?,
            retention_total_bytes: layers
                .optional("retention.total_bytes", "COVEN_RETENTION_TOTAL_BYTES")?,
            retention_max_age: layers.optional("retention.max_age", "COVEN_RETENTION_MAX_AGE")?,
            spool_session_bytes: layers.setting(
                "spool.session_bytes",
                "COVEN_SPOOL_SESSION_BYTES",
                Size(Shims::SPOOL_BYTES),
                str::parse,
            )?,
            spool_total_bytes: layers.setting(
                "spool.total_bytes",
                "COVEN_SPOOL_TOTAL_BYTES",
                Size(Shims::ALL_SPOOLS_BYTES),
                str::parse,
            )?,
        })
    }

    /// Sessions are held by shims, which are this program.
    pub(crate) fn hosting(&self) -> Hosting {
        Hosting::Shims(Shims {
            spool_bytes: self.spool_session_bytes.value.0,
            all_spools_bytes: self.spool_total_bytes.value.0,
            ..Shims::of(Program::this())
        })
    }

    /// How much output is kept.
    pub(crate) fn retention(&self) -> coven::Retention {
        coven::Retention {
            session_bytes: self.retention_session_bytes.value.map(|Size(bytes)| bytes),
            total_bytes: self.retention_total_bytes.value.map(|Size(bytes)| bytes),
            max_age: self
                .retention_max_age
                .value
                .map(|Age(seconds)| Duration::from_secs(seconds)),
        }
    }
}

fn kill_grace_ms(text: &str) -> Result<u64, String> {
    let most = coven::Options::MAX_GRACE.as_millis();
    let millis = text.parse().ok();
    millis
        .filter(|millis| u128::from(*millis) <= most)
        .ok_or_else(|| format!("must be a number of milliseconds, at most {most} (a day)"))
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Flag { flag } => f.write_str(flag),
            Self::Env { name } => write!(f, "${name}"),
            Self::File { path } => path.display().fmt(f),
            Self::Default => f.write_str("default"),
        }
    }
}

/// Where settings are looked up, but for flags: those are the commands' own.
struct Layers<'a> {
    file: &'a File,
    env: &'a dyn Fn(&str) -> Option<String>,
}

impl Layers<'_> {
    fn setting<T>(
        &self,
        key: &'static str,
        variable: &'static str,
        default: T,
        parse: impl Fn(&str) -> Result<T, String>,
    ) -> Result<Setting<T>, Failure> {
        let (text, origin) = match (self.env)(variable).filter(|value| !value.is_empty()) {
            Some(text) => (text, Origin::Env { name: variable }),
            None => match self.file.value(key) {
                Some(text) => (
                    text.to_owned(),
                    Origin::File {
                        path: self.file.path().to_owned(),
                    },
                ),
                None => {
                    return Ok(Setting {
                        value: default,
                        origin: Origin::Default,
                    });
                }
            },
        };
        let value = parse(&text)
            .map_err(|problem| Failure::usage(format!("{key} (from {origin}): {problem}")))?;
        Ok(Setting { value, origin })
    }

    /// A setting that is off unless it is set.
    fn optional<T: FromStr<Err = String>>(
        &self,
        key: &'static str,
        variable: &'static str,
    ) -> Result<Setting<Option<T>>, Failure> {
        self.setting(key, variable, None, |text| text.parse().map(Some))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn load(toml: &str, env: &[(&str, &str)]) -> Result<Config, String> {
        let file =
            File::parse("config.toml".into(), toml).map_err(|failure| failure.to_string())?;
        Config::from(&file, |name| {
            let found = env.iter().find(|(key, _)| *key == name);
            found.map(|(_, value)| (*value).to_owned())
        })
        .map_err(|failure| failure.to_string())
    }

    #[test]
    fn the_environment_wins_over_the_file_and_the_file_over_the_default() {
        let toml = "harness = \"claude\"\nkill_grace_ms = 100\n";
        let config = load(toml, &[("COVEN_HARNESS", "codex"), ("COVEN_LOG", "")]).unwrap();
        assert_eq!(config.harness.value.as_deref(), Some("codex"));
        assert_eq!(config.harness.origin.to_string(), "$COVEN_HARNESS");
        assert_eq!(config.kill_grace_ms.value, 100);
        assert_eq!(config.kill_grace_ms.origin.to_string(), "config.toml");
        assert_eq!(config.log.origin, Origin::Default);
        assert_eq!(config.detach_keys.value.to_string(), "ctrl-\\ d");
    }

    #[test]
    fn an_unknown_key_is_an_error_that_suggests_the_right_one() {
        let message = load("detach-keys = \"ctrl-a\"", &[]).unwrap_err();
        assert_eq!(
            message,
            "config.toml has an unknown key \"detach-keys\"; did you mean \"detach_keys\"?"
        );
        let message = load("zzz = 1", &[]).unwrap_err();
        assert!(
            message.contains("known keys: harness, detach_keys"),
            "{message}"
        );
    }

    #[test]
    fn a_value_that_means_nothing_is_an_error_naming_its_key_and_origin() {
        for (toml, part) in [
            ("harness = 3", "harness"),
            ("harness = \"\"", "harness"),
            ("detach_keys = \"d\"", "detach_keys (from config.toml)"),
            ("log = \"loud\"", "log (from config.toml)"),
            ("kill_grace_ms = -1", "kill_grace_ms"),
            ("kill_grace_ms = \"5s\"", "kill_grace_ms"),
            ("kill_grace_ms = 86400001", "at most 86400000 (a day)"),
            ("retention.max_age = 30", "with s, m, h, d or w"),
            ("not toml", "config.toml"),
        ] {
            let message = load(toml, &[]).unwrap_err();
            assert!(message.contains(part), "{toml}: {message}");
            assert!(!message.contains('\n'), "{toml}: {message}");
        }
    }

    #[test]
    fn a_grace_may_last_a_day() {
        let config = load("kill_grace_ms = 86400000", &[]).unwrap();
        assert_eq!(config.kill_grace_ms.value, 86_400_000);
    }

    #[test]
    fn every_key_is_known_to_the_file() {
        let toml = "harness = \"x\"\ndetach_keys = \"ctrl-a\"\nlog = \"debug\"\nkill_grace_ms = 1\n\
                    [retention]\nsession_bytes = 1\ntotal_bytes = \"2GiB\"\nmax_age = \"30d\"\n\
                    [spool]\nsession_bytes = \"64MiB\"\ntotal_bytes = \"1GiB\"";
        let set = toml.lines().filter(|line| line.contains('='));
        assert_eq!(set.count(), KEYS.len());
        load(toml, &[]).unwrap();
    }
}
