use std::os::unix::fs::{MetadataExt, PermissionsExt, chown, symlink};

use super::*;

fn temporary() -> tempfile::TempDir {
    tempfile::tempdir().expect("a temporary directory")
}

#[test]
fn a_missing_home_is_made_for_its_owner_alone() {
    let outer = temporary();
    let home = Home::open(&outer.path().join("a/b")).unwrap();
    assert_eq!(fs::metadata(home.path()).unwrap().mode() & 0o7777, 0o700);
    let lock = fs::metadata(home.path().join(LOCK_FILE)).unwrap();
    assert_eq!(lock.mode() & 0o7777, 0o600);
}

#[test]
fn a_home_open_to_others_is_closed_to_them() {
    let outer = temporary();
    fs::set_permissions(outer.path(), fs::Permissions::from_mode(0o775)).unwrap();
    let home = Home::open(outer.path()).unwrap();
    assert_eq!(fs::metadata(home.path()).unwrap().mode() & 0o7777, 0o700);
}

#[test]
fn a_symbolic_link_is_refused_and_not_followed() {
    let outer = temporary();
    let (real, link) = (outer.path().join("real"), outer.path().join("link"));
    fs::create_dir(&real).unwrap();
    symlink(&real, &link).unwrap();
    for link in [link.clone(), link.join(""), link.join(".")] {
        assert!(matches!(Home::open(&link), Err(OpenError::Home { .. })));
        assert!(matches!(check(&link), Err(OpenError::Home { .. })));
        assert!(matches!(make(&link), Err(OpenError::Home { .. })));
    }
    assert_eq!(fs::read_dir(&real).unwrap().count(), 0);
}

#[test]
fn a_file_is_refused() {
    let outer = temporary();
    let file = outer.path().join("file");
    fs::write(&file, "mine").unwrap();
    assert!(matches!(Home::open(&file), Err(OpenError::Home { .. })));
    assert_eq!(fs::read(&file).unwrap(), b"mine");
}

#[test]
fn a_home_of_another_user_is_refused() {
    let outer = temporary();
    let home = outer.path().join("home");
    fs::create_dir(&home).unwrap();
    if chown(&home, Some(65534), None).is_err() {
        return super::not_run::not_run("only root can give a directory away");
    }
    match Home::open(&home) {
        Err(OpenError::Home { problem, .. }) => assert_eq!(problem, "belongs to another user"),
        other => panic!("{other:?}"),
    }
    assert_eq!(fs::read_dir(&home).unwrap().count(), 0);
}

#[test]
fn a_second_engine_is_told_who_has_the_home() {
    let outer = temporary();
    let first = Home::open(outer.path()).unwrap();
    match Home::open(outer.path()) {
        Err(OpenError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(first);
    Home::open(outer.path()).unwrap();
}

#[test]
fn a_home_that_is_held_is_taken_until_it_is_let_go_of() {
    let outer = temporary();
    let first = Home::open(outer.path()).unwrap();
    let hold = first.hold();
    drop(first);
    assert!(matches!(
        Home::open(outer.path()),
        Err(OpenError::InUse { .. })
    ));
    drop(hold);
    wait_until_free(outer.path()).unwrap();
    Home::open(outer.path()).unwrap();
}

#[test]
fn a_check_makes_nothing_and_tells_how_it_found_the_home() {
    let outer = temporary();
    let home = outer.path().join("home");
    assert_eq!(check(&home).unwrap(), Found::Missing);
    assert!(!home.exists());
    assert_eq!(make(&home).unwrap(), Found::Private);
    fs::set_permissions(&home, fs::Permissions::from_mode(0o770)).unwrap();
    assert_eq!(check(&home).unwrap(), Found::WasOpen);
    assert_eq!(check(&home).unwrap(), Found::Private);
}

#[test]
fn files_of_others_stay_as_they_are() {
    let outer = temporary();
    fs::write(outer.path().join("coven.sqlite3"), "theirs").unwrap();
    Home::open(outer.path()).unwrap();
    let theirs = fs::read(outer.path().join("coven.sqlite3")).unwrap();
    assert_eq!(theirs, b"theirs");
}

#[test]
fn a_home_of_a_newer_version_is_refused_and_left_as_it_is() {
    let outer = temporary();
    fs::write(outer.path().join(FORMAT_FILE), "2\n").unwrap();
    match Home::open(outer.path()) {
        Err(OpenError::Newer { found, .. }) => assert_eq!(found, "2"),
        other => panic!("{other:?}"),
    }
    let format = fs::read_to_string(outer.path().join(FORMAT_FILE)).unwrap();
    assert_eq!(format, "2\n");
}

#[test]
fn a_format_of_which_a_power_cut_left_nothing_is_written_anew_and_other_files_stay_anothers() {
    for left in ["", "\0\0", "\0\n"] {
        let outer = temporary();
        let format = outer.path().join(FORMAT_FILE);
        fs::write(&format, left).unwrap();
        drop(Home::open_to_read(outer.path()).unwrap());
        assert_eq!(fs::read_to_string(&format).unwrap(), left);
        drop(Home::open(outer.path()).unwrap());
        assert_eq!(fs::read_to_string(&format).unwrap(), "1\n");
        fs::write(&format, left).unwrap();
        fs::write(outer.path().join(LOG_FILE), "theirs").unwrap();
        let refused = Home::open(outer.path());
        assert!(
            matches!(refused, Err(OpenError::Home { .. })),
            "{refused:?}"
        );
    }
}

#[test]
fn a_home_that_is_opened_to_be_read_is_not_made_and_nothing_is_but_its_lock() {
    let outer = temporary();
    let missing = outer.path().join("missing");
    match Home::open_to_read(&missing) {
        Err(OpenError::Io { source, .. }) => assert_eq!(source.kind(), io::ErrorKind::NotFound),
        other => panic!("{other:?}"),
    }
    assert!(!missing.exists());
    let link = outer.path().join("link");
    symlink(outer.path(), &link).unwrap();
    let refused = Home::open_to_read(&link);
    assert!(
        matches!(refused, Err(OpenError::Home { .. })),
        "{refused:?}"
    );
    fs::remove_file(&link).unwrap();
    let read = Home::open_to_read(outer.path()).unwrap();
    match Home::open(outer.path()) {
        Err(OpenError::InUse { pid, .. }) => assert_eq!(pid, Some(std::process::id())),
        other => panic!("{other:?}"),
    }
    drop(read);
    let names = fs::read_dir(outer.path()).unwrap();
    let names: Vec<_> = names.map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, [LOCK_FILE]);
    let open = Home::open(outer.path()).unwrap();
    let refused = Home::open_to_read(outer.path());
    assert!(
        matches!(refused, Err(OpenError::InUse { .. })),
        "{refused:?}"
    );
    drop(open);
    fs::write(outer.path().join(FORMAT_FILE), "2\n").unwrap();
    let newer = Home::open_to_read(outer.path());
    assert!(matches!(newer, Err(OpenError::Newer { .. })), "{newer:?}");
}

#[test]
fn a_home_that_is_held_is_opened_by_nobody_else_and_one_that_is_open_is_not_held() {
    let outer = temporary();
    let missing = hold(&outer.path().join("missing"));
    assert!(matches!(
        missing,
        Err(OpenError::Io { source, .. }) if source.kind() == io::ErrorKind::NotFound
    ));
    let held = hold(outer.path()).unwrap();
    assert_eq!(held.home(), outer.path());
    assert!(matches!(
        Home::open(outer.path()),
        Err(OpenError::InUse { .. })
    ));
    drop(held);
    let _open = Home::open(outer.path()).unwrap();
    assert!(matches!(hold(outer.path()), Err(OpenError::InUse { .. })));
}
