//! A kill that does not end all.

use std::path::Path;

use crate::home::Home;
use crate::unkillable::Unkillable;

#[test]
fn a_kill_that_leaves_a_tool_running_fails_and_names_it() {
    let name = "kill::a_kill_that_leaves_a_tool_running_fails_and_names_it";
    let coven = Path::new(env!("CARGO_BIN_EXE_coven"));
    let Some(unkillable) = Unkillable::of_its_own(name, &[coven]) else {
        return;
    };
    let home = Home::of(unkillable.path("coven"));
    std::fs::write(home.dir().join("config.toml"), "kill_grace_ms = 100\n").unwrap();
    let id = home.launch(&unkillable.script());
    home.wait_for_output(&id, "tool ");
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
