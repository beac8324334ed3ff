//! The real Codex and Claude Code CLIs, run by the built `coven` and driven over its socket.
//!
//! They run in a network namespace with loopback only, in a root of their own that holds nothing of this
//! machine but its system files (`in-namespace`), with an environment made from nothing, and they talk to
//! a scripted model that the test carries (`model.rs`). No account, no key, no network.
//!
//! The tests are ignored when this binary is run plainly; [`the_real_clis_pass_in_a_namespace`] runs them all
//! through the script. `.ci/run` installs the CLIs it needs.

mod approval;
mod bare;
mod clis;
mod completion;
mod conversation;
mod coven;
mod dns;
#[path = "../../../tests/shared/eventually.rs"]
mod eventually;
mod follow;
mod home;
mod http;
mod interactive;
mod kill;
mod lab;
mod model;
mod namespace;
#[path = "../../../tests/shared/not_run.rs"]
mod not_run;
mod options;
mod outlived;
mod plain_text;
#[path = "../../../tests/shared/power_cut.rs"]
mod power_cut;
mod prompts;
mod recording;
mod resume;
mod stream;
#[path = "../cli/terminal.rs"]
#[allow(dead_code, reason = "one who only runs something needs little of it")]
mod terminal;

use std::io::Write;
use std::process::Command;

/// The one test of a plain `cargo test`. Where the CLIs are installed it takes about a minute.
#[test]
fn the_real_clis_pass_in_a_namespace() {
    if namespace::inside() {
        return;
    }
    let blockers = namespace::blockers();
    if !blockers.is_empty() {
        return not_run::not_run(format_args!(
            "the tests with the real CLIs: {}.\nRun `.ci/run install` once for all they need.",
            blockers.join("; ")
        ));
    }
    tell("running the tests with the real CLIs, in a namespace:\n");
    let this_binary = std::env::current_exe().expect("a test knows its own binary");
    // A test program that is killed takes the namespace with it.
    let status = Command::new("setpriv")
        .args(["--pdeathsig", "KILL", namespace::SCRIPT])
        .arg(this_binary)
        .args(["--ignored", "--skip", "recording::"])
        .status()
        .expect("the script of this repository can be run");
    assert!(
        status.success(),
        "the tests with the real CLIs failed ({status}); their report is above"
    );
}

/// Says something although the test may pass: libtest keeps what `println!` prints to itself.
fn tell(message: &str) {
    // Nothing is lost if standard error is closed: the outcome is the test's.
    let _ = std::io::stderr().write_all(message.as_bytes());
}
