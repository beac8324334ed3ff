//! A home whose file `format` is damaged: its log is whole, and what to do is said by whoever is asked.

use std::fs;

use crate::home::Home;

#[test]
fn a_damaged_format_keeps_nobody_from_looking_at_the_log_or_from_salvaging_it_and_it_is_told_what_to_do()
 {
    let home = Home::new();
    home.text(["run", "sh", "echo one of them"]);
    home.text(["daemon", "stop"]);
    let format = home.dir().join("format");
    let new = home.project().join("new");
    for damaged in [&b"3\n"[..], b"0\n", b"\xb1\n", b"1\x8a"] {
        fs::write(&format, damaged).unwrap();
        for (status, command) in [(1, ["sessions", "--offline"]), (122, ["daemon", "start"])] {
            let said = home.refused(status, command);
            assert!(said.contains("doctor --store` looks at the log"), "{said}");
        }
        let looked = home.output(["doctor", "--store"]);
        assert_eq!(looked.status.code(), Some(119), "{looked:?}");
        let said = String::from_utf8(looked.stdout).unwrap();
        assert!(said.contains("The log is whole"), "{said}");
        let what_to_do = format!("remove the file ({})", format.display());
        assert!(said.contains(&what_to_do), "{said}");
        let named = new.to_str().unwrap();
        let salvaged = home.output(["doctor", "--store", "--json", "--salvage", named]);
        assert_eq!(salvaged.status.code(), Some(119), "{salvaged:?}");
        let json: serde_json::Value = serde_json::from_slice(&salvaged.stdout).unwrap();
        assert!(json["foreignFormat"].is_string(), "{json}");
        let read = home.text(["--home", named, "log", "@last", "--offline"]);
        assert!(read.contains("one of them"), "{read}");
        fs::remove_dir_all(&new).unwrap();
        assert_eq!(fs::read(&format).unwrap(), damaged);
    }
    fs::remove_file(&format).unwrap();
    assert!(home.text(["log", "@last"]).contains("one of them"));
    assert_eq!(fs::read(&format).unwrap(), b"1\n");
}
