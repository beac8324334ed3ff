//! Which files are read as manifests.

use std::fs::{self, Permissions};
use std::os::unix::fs::{PermissionsExt, chown, symlink};

use coven_core::HarnessId;
use coven_harness::Registry;

use crate::not_run::not_run;
use crate::{GOOD, holds, write};

#[test]
fn only_regular_files_that_the_user_alone_can_write_are_read() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("harnesses");
    fs::create_dir(&folder).unwrap();
    write(home.path(), "elsewhere.toml", GOOD);
    symlink(
        home.path().join("elsewhere.toml"),
        folder.join("a-link.toml"),
    )
    .unwrap();
    fs::create_dir(folder.join("b-folder.toml")).unwrap();
    write(&folder, "c-shared.toml", GOOD);
    fs::set_permissions(folder.join("c-shared.toml"), Permissions::from_mode(0o620)).unwrap();
    write(
        &folder,
        "d-large.toml",
        &format!("{GOOD}#{}", "x".repeat(64 * 1024)),
    );
    fs::write(folder.join("e-binary.toml"), b"id = \"\xff\"").unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        folder.join("f-fifo.toml"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::RUSR,
        0,
    )
    .unwrap();
    write(&folder, ".hidden.toml", "not even TOML");
    write(&folder, "notes.txt", "not even TOML");

    let registry = Registry::load(&folder);
    assert_eq!(registry.iter().count(), 2);
    let told: Vec<_> = registry
        .bad_manifests()
        .iter()
        .map(|bad| {
            (
                bad.file.file_name().unwrap().to_str().unwrap(),
                bad.problem.as_str(),
            )
        })
        .collect();
    assert_eq!(
        told,
        [
            (
                "a-link.toml",
                "is a symbolic link; put the file itself here"
            ),
            ("b-folder.toml", "is not a regular file"),
            (
                "c-shared.toml",
                "can be written by others; take that away with chmod go-w"
            ),
            ("d-large.toml", "is over 64 KiB long"),
            ("e-binary.toml", "is not UTF-8 text"),
            ("f-fifo.toml", "is not a regular file"),
        ]
    );
}

#[test]
fn a_manifest_of_another_user_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "theirs.toml", GOOD);
    // Root is who would be harmed most.
    if chown(home.path().join("theirs.toml"), Some(12_345), None).is_err() {
        return not_run("only root can give a file away");
    }
    let registry = Registry::load(home.path());
    assert_eq!(
        registry.bad_manifests()[0].problem,
        "belongs to another user"
    );
}

#[test]
fn of_many_manifests_none_is_read() {
    let home = tempfile::tempdir().unwrap();
    for at in 0..257 {
        write(home.path(), &format!("{at}.toml"), "");
    }
    let registry = Registry::load(home.path());
    let [bad] = registry.bad_manifests() else {
        panic!("one is told")
    };
    assert_eq!(bad.problem, "holds more than 256 manifests");
}

#[test]
fn a_folder_that_is_missing_has_none_and_one_that_others_can_write_is_not_read() {
    let home = tempfile::tempdir().unwrap();
    let folder = home.path().join("harnesses");
    assert_eq!(Registry::load(&folder).bad_manifests(), []);

    fs::create_dir(&folder).unwrap();
    write(&folder, "mine.toml", GOOD);
    assert!(holds(&Registry::load(&folder), "mine"));

    fs::set_permissions(&folder, Permissions::from_mode(0o770)).unwrap();
    let registry = Registry::load(&folder);
    assert!(!holds(&registry, "mine"));
    assert_eq!(registry.bad_manifests()[0].file, folder);

    let link = home.path().join("link");
    symlink(&folder, &link).unwrap();
    assert_eq!(Registry::load(&link).bad_manifests().len(), 1);
    write(home.path(), "file", "");
    assert_eq!(
        Registry::load(&home.path().join("file"))
            .bad_manifests()
            .len(),
        1
    );
}

#[test]
fn of_two_manifests_with_one_id_the_first_by_name_counts() {
    let home = tempfile::tempdir().unwrap();
    write(home.path(), "b.toml", &GOOD.replace("my-agent", "second"));
    write(home.path(), "a.toml", &GOOD.replace("my-agent", "first"));
    let registry = Registry::load(home.path());
    let mine = registry.get(&HarnessId::parse("mine").unwrap()).unwrap();
    assert_eq!(mine.about().executable, "first");
    let [bad] = registry.bad_manifests() else {
        panic!("b.toml is bad")
    };
    assert_eq!(
        bad.to_string(),
        format!("{}: id mine is taken", home.path().join("b.toml").display())
    );
}
