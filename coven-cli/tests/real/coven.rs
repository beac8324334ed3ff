//! The built `coven`: its daemon, and the sessions launched in it over HTTP.

use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::clis::Agent;
use crate::follow::Follow;
use crate::home::Home;
use crate::http;
use crate::power_cut;

pub(crate) const COVEN: &str = env!("CARGO_BIN_EXE_coven");

/// A daemon in one home, stopped when dropped.
pub(crate) struct Coven<'a> {
    home: &'a Home,
    agent: Agent,
}

impl<'a> Coven<'a> {
    /// Starts it with nothing of the user's environment: that comes with each launch.
    pub(crate) fn start(home: &'a Home, agent: Agent) -> Self {
        let coven = Self::of(home, agent);
        let started = coven
            .command_without_the_users_environment(&["daemon", "start"])
            .output()
            .expect("coven runs");
        assert!(
            started.status.success(),
            "the daemon did not start: {started:?}"
        );
        coven
    }

    /// Takes over the one that runs there.
    pub(crate) fn of(home: &'a Home, agent: Agent) -> Self {
        Self { home, agent }
    }

    fn command_without_the_users_environment(&self, arguments: &[&str]) -> Command {
        let mut command = self.without_the_users_environment(COVEN);
        command.args(arguments);
        command
    }

    fn without_the_users_environment(&self, program: &str) -> Command {
        let mut command = Command::new(program);
        command.env_clear().stdin(Stdio::null());
        for name in ["HOME", "COVEN_HOME"] {
            command.env(name, &self.home.env()[name]);
        }
        command
    }

    /// Launches a session; `more` is merged into the request.
    pub(crate) fn launch(&self, mode: &str, prompt: &str, more: &Value) -> Session<'a> {
        let mut request = json!({
            "projectRoot": self.home.project(),
            "harness": self.agent.id(),
            "launchMode": mode,
            "prompt": prompt,
            "env": self.home.env(),
        });
        for (key, value) in more.as_object().into_iter().flatten() {
            request[key] = value.clone();
        }
        let reply = http::post(&self.home.socket(), "/api/v1/sessions", &request);
        assert_eq!(reply.status, 201, "{}", reply.body);
        let id = reply.body["id"]
            .as_str()
            .expect("a record has an id")
            .to_owned();
        Session {
            home: self.home,
            id,
        }
    }
}

impl<'a> Coven<'a> {
    /// The machine goes down, and comes back as another boot, which the daemon that is started then and
    /// what comes of it are shown, and nobody else: other tests run beside this one.
    pub(crate) fn reboot(&self, boot_id: &str) {
        power_cut::end_all_of(self.home.path());
        let file = self.home.path().join("boot_id");
        std::fs::write(&file, format!("{boot_id}\n")).expect("the home can be written");
        let started = self
            .without_the_users_environment("unshare")
            .args(["--mount", "/bin/sh", "-c"])
            .arg(r#"mount --bind "$1" /proc/sys/kernel/random/boot_id && exec "$0" daemon start"#)
            .arg(COVEN)
            .arg(&file)
            .output()
            .expect("unshare runs");
        assert!(started.status.success(), "{started:?}");
    }

    /// Goes on with a session's conversation, as the user does it on the command line.
    pub(crate) fn resume(&self, session: &Session<'_>, prompt: Option<&str>) -> Session<'a> {
        let output = Command::new(COVEN)
            .args(["resume", "--detach", &session.id])
            .args(prompt)
            .env_clear()
            .envs(self.home.env())
            .stdin(Stdio::null())
            .output()
            .expect("coven runs");
        assert!(output.status.success(), "{output:?}");
        let id = String::from_utf8(output.stdout).expect("an id is text");
        Session {
            home: self.home,
            id: id.trim_end().to_owned(),
        }
    }
}

impl Drop for Coven<'_> {
    fn drop(&mut self) {
        // The namespace ends what is left.
        let _ = self
            .command_without_the_users_environment(&["daemon", "stop", "--kill"])
            .output();
    }
}

/// A session of that daemon.
pub(crate) struct Session<'a> {
    home: &'a Home,
    id: String,
}

impl Session<'_> {
    pub(crate) fn id(&self) -> &str {
        &self.id
    }

    pub(crate) fn record(&self) -> Value {
        let reply = http::get(
            &self.home.socket(),
            &format!("/api/v1/sessions/{}", self.id),
        );
        assert_eq!(reply.status, 200, "{}", reply.body);
        reply.body
    }

    /// The exact bytes that it wrote so far.
    pub(crate) fn output(&self) -> Vec<u8> {
        http::bytes(
            &self.home.socket(),
            &format!("/api/v1/sessions/{}/output", self.id),
        )
    }

    pub(crate) fn follow(&self) -> Follow {
        Follow::new(&self.home.socket(), &self.id)
    }

    /// Keys pressed in the session's terminal.
    pub(crate) fn input(&self, data: &str) {
        self.post("input", &json!({"data": data}));
    }

    /// A prompt, typed the way this agent takes it.
    pub(crate) fn submit(&self, text: &str) {
        self.post("submit", &json!({"text": text}));
    }

    pub(crate) fn kill(&self) {
        self.post("kill", &json!({}));
    }

    fn post(&self, action: &str, body: &Value) {
        let reply = http::post(
            &self.home.socket(),
            &format!("/api/v1/sessions/{}/{action}", self.id),
            body,
        );
        assert_eq!(reply.status, 202, "{action}: {}", reply.body);
    }
}
