//! `coven doctor --store`: the log of a home that no daemon has open.

use std::fs;
use std::os::unix::fs::FileExt;
use std::path::Path;

use crate::home::{ENDLESS, Home};

/// A home with two sessions that ended, as a daemon leaves it that is stopped.
fn stopped() -> Home {
    let home = Home::new();
    home.text(["run", "sh", "echo one of them"]);
    home.text(["run", "sh", "echo another"]);
    home.text(["daemon", "stop"]);
    home
}

/// Turns a bit in every page of the log that has `text` in it.
fn damage(home: &Home, text: &str) {
    let path = home.dir().join("coven.redb");
    let bytes = fs::read(&path).unwrap();
    let file = fs::OpenOptions::new().write(true).open(&path).unwrap();
    let mut found = 0;
    for (at, window) in bytes.windows(text.len()).enumerate() {
        if window == text.as_bytes() {
            file.write_all_at(&[window[0] ^ 3], at as u64).unwrap();
            found += 1;
        }
    }
    assert!(found > 0, "{text} is nowhere in the log");
}

fn status(home: &Home, args: &[&str]) -> (Option<i32>, String, String) {
    let output = home.output(args.iter().copied());
    let text = |bytes: Vec<u8>| String::from_utf8(bytes).unwrap();
    (
        output.status.code(),
        text(output.stdout),
        text(output.stderr),
    )
}

#[test]
fn a_whole_log_is_told_to_be_and_nothing_is_started() {
    let home = stopped();
    let (code, said, _) = status(&home, &["doctor", "--store"]);
    assert_eq!(code, Some(0), "{said}");
    assert!(said.contains("The log is whole: 2 sessions"), "{said}");
    assert!(home.daemon_pid().is_none());
    let json = home.json(["doctor", "--store", "--json"]);
    assert_eq!(
        (&json["whole"], &json["sessions"]),
        (&true.into(), &2.into())
    );
}

#[test]
fn a_home_whose_daemon_lives_is_refused_with_the_reason() {
    let home = Home::new();
    let id = home.launch(ENDLESS);
    let (code, _, said) = status(&home, &["doctor", "--store"]);
    assert_eq!(code, Some(122), "{said}");
    assert!(said.contains("daemon stop"), "{said}");
    home.text(["kill", &id]);
}

#[test]
fn a_home_without_a_log_has_nothing_to_look_at() {
    let home = Home::new();
    let (code, _, said) = status(&home, &["doctor", "--store"]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("no event log"), "{said}");
    let (code, _, _) = status(&home, &["doctor", "--salvage", "/nowhere"]);
    assert_eq!(code, Some(2), "only with --store");
}

#[test]
fn what_is_whole_in_a_damaged_home_is_in_the_new_one_and_can_be_used() {
    let home = stopped();
    let sessions = home.json(["sessions", "--json", "--offline"]);
    let ids: Vec<&str> = sessions
        .as_array()
        .unwrap()
        .iter()
        .map(|it| it["id"].as_str().unwrap())
        .collect();
    let whole = fs::read(home.dir().join("coven.redb")).unwrap();
    damage(&home, "one of them");
    let (code, said, _) = status(&home, &["doctor", "--store"]);
    assert_eq!(code, Some(119), "{said}");
    assert!(said.contains("1 session cannot be read whole"), "{said}");
    assert!(!said.contains("is not opened"), "{said}");
    assert!(said.contains("--salvage NEW_HOME"), "{said}");

    let new = home.project().join("new home");
    let named = new.to_str().unwrap();
    let before = fs::read(home.dir().join("coven.redb")).unwrap();
    let (code, said, _) = status(&home, &["doctor", "--store", "--salvage", named]);
    assert_eq!(code, Some(119), "{said}");
    assert!(said.contains("coven --home"), "{said}");
    assert!(said.contains("stand-ins"), "{said}");
    assert_eq!(fs::read(home.dir().join("coven.redb")).unwrap(), before);

    let (code, said, _) = status(&home, &["--home", named, "doctor", "--store"]);
    assert_eq!(code, Some(0), "{said}");
    let (code, listed, _) = status(&home, &["--home", named, "sessions", "--offline", "--json"]);
    assert_eq!(code, Some(0), "{listed}");
    for id in &ids {
        assert!(listed.contains(id), "{id}: {listed}");
    }
    let log = |id: &str| status(&home, &["--home", named, "log", "--offline", id]).1;
    assert!(ids.iter().any(|id| log(id).contains("another")));
    refuses_a_place_that_is_taken(&home, &new);
    // Of a damaged one nobody could tell that nothing of it lives.
    fs::write(home.dir().join("coven.redb"), whole).unwrap();
}

fn refuses_a_place_that_is_taken(home: &Home, new: &Path) {
    let named = new.to_str().unwrap();
    let (code, _, said) = status(home, &["doctor", "--store", "--salvage", named]);
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("exists and is not empty"), "{said}");
    let inside = home.dir().join("new");
    let (code, _, said) = status(
        home,
        &["doctor", "--store", "--salvage", inside.to_str().unwrap()],
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is in the damaged home"), "{said}");
    assert!(!inside.exists());
    let file = home.project().join("a file");
    fs::write(&file, "").unwrap();
    let (code, _, said) = status(
        home,
        &["doctor", "--store", "--salvage", file.to_str().unwrap()],
    );
    assert_eq!(code, Some(1), "{said}");
    assert!(said.contains("is not a directory"), "{said}");
}

#[test]
fn plain_doctor_says_that_a_log_cannot_be_opened_and_where_to_ask_further() {
    let home = stopped();
    let events = |home: &Home| status(home, &["doctor"]).1;
    assert!(!events(&home).contains("event log"), "{}", events(&home));
    for file in ["coven.redb", "coven.redb.journal"] {
        let path = home.dir().join(file);
        let whole = fs::read(&path).unwrap();
        let open = fs::OpenOptions::new().write(true).open(&path).unwrap();
        open.write_all_at(&[0; 320], 0).unwrap();
        let (code, said, _) = status(&home, &["doctor"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(
            said.contains("event log") && said.contains("doctor --store"),
            "{said}"
        );
        fs::write(&path, whole).unwrap();
    }
    assert!(!events(&home).contains("event log"), "{}", events(&home));
}

#[test]
fn plain_doctor_says_that_a_file_of_the_log_is_lost_or_is_older_than_the_other() {
    let home = stopped();
    let files = ["coven.redb", "coven.redb.journal"].map(|file| home.dir().join(file));
    let older = files.each_ref().map(|path| fs::read(path).unwrap());
    home.text(["run", "sh", "echo more"]);
    home.text(["daemon", "stop"]);
    let told = |what: &str| {
        let (code, said, _) = status(&home, &["doctor"]);
        assert_eq!(code, Some(1), "{said}");
        assert!(said.contains("event log") && said.contains(what), "{said}");
    };
    for (path, older) in files.iter().zip(older) {
        let whole = fs::read(path).unwrap();
        fs::remove_file(path).unwrap();
        told(&format!("{} is damaged: it is missing", path.display()));
        fs::write(path, older).unwrap();
        told("put both in place from one copy");
        fs::write(path, whole).unwrap();
    }
    let (_, said, _) = status(&home, &["doctor"]);
    assert!(!said.contains("event log"), "{said}");
}

#[test]
fn what_is_no_regular_file_is_refused_with_its_path_and_nobody_waits_for_it() {
    let home = stopped();
    for file in ["coven.redb", "coven.redb.journal", "format", "lock"] {
        let path = home.dir().join(file);
        let aside = home.dir().join("aside");
        fs::rename(&path, &aside).unwrap();
        let commands: [&[&str]; 4] = [
            &["doctor", "--store"],
            &["doctor"],
            &["sessions"],
            &["sessions", "--offline"],
        ];
        for socket in [false, true] {
            if socket {
                std::os::unix::net::UnixListener::bind(&path).unwrap();
            } else {
                let mode = rustix::fs::Mode::RUSR | rustix::fs::Mode::WUSR;
                let fifo = rustix::fs::FileType::Fifo;
                rustix::fs::mknodat(rustix::fs::CWD, &path, fifo, mode, 0).unwrap();
            }
            for command in commands {
                let (code, said, complained) = status(&home, command);
                let said = said + &complained;
                assert_ne!(code, Some(0), "{file} {command:?}: {said}");
                assert!(
                    said.contains("not a regular file") && said.contains(path.to_str().unwrap()),
                    "{file} {command:?}: {said}"
                );
                assert!(home.daemon_pid().is_none(), "{file} {command:?}");
            }
            fs::remove_file(&path).unwrap();
        }
        fs::rename(&aside, &path).unwrap();
    }
    assert_eq!(status(&home, &["doctor", "--store"]).0, Some(0));
}

#[test]
fn a_log_that_cannot_be_opened_is_brought_back_from_its_pages() {
    let home = stopped();
    let ids = home.json(["sessions", "--json", "--offline"]);
    let log = home.dir().join("coven.redb");
    let file = fs::OpenOptions::new().write(true).open(&log).unwrap();
    file.write_all_at(&[0; 4096], 0).unwrap();
    let (code, _, said) = status(&home, &["sessions"]);
    assert_eq!(code, Some(122), "{said}");
    assert!(said.contains("coven doctor --store"), "{said}");
    let new = home.project().join("new");
    let named = new.to_str().unwrap();
    let (code, said, _) = status(&home, &["doctor", "--store", "--salvage", named]);
    assert_eq!(code, Some(119), "{said}");
    let (code, listed, _) = status(&home, &["--home", named, "sessions", "--json"]);
    assert_eq!(code, Some(0), "{listed}");
    let (_, _, stopped) = status(&home, &["--home", named, "daemon", "stop"]);
    assert_eq!(stopped, "");
    for session in ids.as_array().unwrap() {
        let id = session["id"].as_str().unwrap();
        assert!(listed.contains(id), "{id}: {listed}");
        let read = status(&home, &["--home", named, "log", "--offline", id]);
        assert!(
            read.1.contains("one of them") || read.1.contains("another"),
            "{read:?}"
        );
    }
    for file in ["coven.redb", "coven.redb.journal", "coven.redb.reserve"] {
        fs::remove_file(home.dir().join(file)).unwrap();
    }
}

#[test]
fn a_log_that_is_not_opened_is_told_to_be_so_and_who_reads_it_offline_is_told_where_to_ask() {
    let home = Home::new();
    home.text(["run", "sh", "echo one of them"]);
    home.text(["run", "sh", "echo another"]);
    home.kill_daemon();
    let path = home.dir().join("coven.redb.journal");
    let whole = fs::read(&path).unwrap();
    let keys = b"formatlogmagicopenedtrimmed".as_slice();
    let places = (0..whole.len()).filter(|&at| whole[at..].starts_with(keys));
    let places: Vec<usize> = places.collect();
    let mut another_format = whole.clone();
    for at in &places {
        another_format[at + keys.len()] ^= 0xc0;
    }
    // The rest was lost, from the page that says what it is on; a byte of what says that it is a database; two bits of its
    // format.
    let damaged = [
        whole[..places[0] & !0xfff].to_vec(),
        [&whole[..7], &[0], &whole[8..]].concat(),
        another_format,
    ];
    for damaged in damaged {
        fs::write(&path, damaged).unwrap();
        let said = home.refused(1, ["sessions", "--offline"]);
        assert!(said.contains("`coven doctor --store`"), "{said}");
        let (code, said, _) = status(&home, &["doctor", "--store"]);
        assert_eq!(code, Some(119), "{said}");
        let told = "is not opened until it is salvaged, so that no session can be read meanwhile";
        assert!(said.contains(told), "{said}");
        let (_, json, _) = status(&home, &["doctor", "--store", "--json"]);
        let json: serde_json::Value = serde_json::from_str(&json).unwrap();
        assert!(json["unopened"].is_string(), "{json}");
    }
    fs::write(&path, whole).unwrap();
}
