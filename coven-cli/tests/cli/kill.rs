//! A kill that does not end all.

use std::path::Path;

use crate::home::Home;
use crate::unkillable::Unkillable;

/// A tool that no kill ends, the home and the session that it is of; in the run of the test of this name
/// as another user.
fn with_a_tool_that_stays(name: &str) -> Option<(Unkillable, Home, String)> {
    let coven = Path::new(env!("CARGO_BIN_EXE_coven"));
    let unkillable = Unkillable::of_its_own(name, &[coven])?;
    let home = Home::of(unkillable.path("coven"));
    std::fs::write(home.dir().join("config.toml"), "kill_grace_ms = 100\n").unwrap();
    let id = home.launch(&unkillable.script());
    home.wait_for_output(&id, "tool ");
    Some((unkillable, home, id))
}

#[test]
fn a_kill_that_leaves_a_tool_running_fails_and_names_it() {
    let name = "kill::a_kill_that_leaves_a_tool_running_fails_and_names_it";
    let Some((unkillable, home, id)) = with_a_tool_that_stays(name) else {
        return;
    };
    for _ in 0..2 {
        let said = home.refused(1, ["kill", &id]);
        assert!(said.contains("still there: sh (process "), "{said}");
        let record = home.record(&id);
        assert_eq!(record["status"], "killed");
        assert!(record["ended_at"].is_null(), "{record}");
    }
    unkillable.end();
    home.wait_for_end(&id);
    assert!(home.record(&id)["ended_at"].is_string());
}

#[test]
fn a_stop_that_is_to_end_all_fails_and_names_the_session_of_which_a_tool_is_left() {
    let name =
        "kill::a_stop_that_is_to_end_all_fails_and_names_the_session_of_which_a_tool_is_left";
    let Some((unkillable, home, id)) = with_a_tool_that_stays(name) else {
        return;
    };
    let said = home.refused(1, ["daemon", "stop", "--kill"]);
    assert!(said.contains(&id), "{said}");
    let record = home.json(["show", "--json", "--offline", &id]);
    assert!(record["ended_at"].is_null(), "{record}");
    unkillable.end();
    // The next daemon looks after what is left.
    home.wait_for_end(&id);
    assert_eq!(home.record(&id)["status"], "killed");
}
