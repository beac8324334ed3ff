//! The systemd user unit: what is written, whether systemd takes it, and what is left alone.

use std::fs;
use std::os::unix::fs::{PermissionsExt, symlink};
use std::path::{Path, PathBuf};
use std::process::{Command, Output};

use crate::home::Home;
use crate::not_run;

/// Where the unit of a user without `XDG_CONFIG_HOME` is.
fn unit(home: &Home) -> PathBuf {
    user(home).join(".config/systemd/user/coven.service")
}

/// The user's own directory.
fn user(home: &Home) -> PathBuf {
    home.dir().parent().unwrap().to_owned()
}

/// Has systemd read a unit, which it does without being run.
fn assert_verified(file: &Path) {
    let runtime = tempfile::tempdir().unwrap();
    let output = Command::new("systemd-analyze")
        .args(["--user", "verify"])
        .arg(file)
        .env("XDG_RUNTIME_DIR", runtime.path())
        .output();
    let Ok(output) = output else {
        return not_run::not_run("there is no systemd-analyze; install the package systemd");
    };
    let text = fs::read_to_string(file).unwrap();
    assert!(output.status.success(), "{output:?}: {text}");
    assert!(output.stderr.is_empty(), "{output:?}: {text}");
}

#[test]
fn the_unit_is_one_that_systemd_takes_and_that_spares_what_holds_sessions() {
    let home = Home::new();
    let said = home.text(["daemon", "install"]);
    for line in [
        "systemctl --user daemon-reload",
        "systemctl --user enable --now coven",
        "loginctl enable-linger",
    ] {
        assert!(said.contains(line), "{said}");
    }
    let text = fs::read_to_string(unit(&home)).unwrap();
    let variable = format!("Environment=\"COVEN_HOME={}\"\n", home.dir().display());
    for line in ["KillMode=process\n", "Restart=on-failure\n", &variable] {
        assert!(text.contains(line), "{text}");
    }
    assert_verified(&unit(&home));
    // The home that every command takes anyway need not be named.
    let plain = home
        .coven(["daemon", "install", "--print"])
        .env_remove("COVEN_HOME")
        .output()
        .unwrap();
    let plain = String::from_utf8(plain.stdout).unwrap();
    assert_eq!(text.replace(&variable, ""), plain);
    assert!(home.daemon_pid().is_none(), "nothing was started");
}

#[test]
fn whatever_the_paths_are_systemd_runs_this_program_with_this_home() {
    for (name, is_run_by_a_shell) in [
        ("a b", false),
        ("50% %h", false),
        ("$HOME ${x}", false),
        ("é;x", false),
        ("it's", true),
        ("say \"so\"", true),
        ("back\\slash", true),
    ] {
        let other = Home::new();
        let folder = user(&other).join(name);
        fs::create_dir(&folder).unwrap();
        let program = folder.join("coven");
        let built = env!("CARGO_BIN_EXE_coven");
        fs::hard_link(built, &program)
            .or_else(|_| fs::copy(built, &program).map(drop))
            .unwrap();
        let home = Home::of(&program);
        let odd = folder.join("home").display().to_string();
        home.text(["--home", &odd, "daemon", "install"]);
        let text = fs::read_to_string(unit(&home)).unwrap();
        assert_eq!(text.contains("/bin/sh"), is_run_by_a_shell, "{text}");
        assert_verified(&unit(&home));
    }
}

#[test]
fn a_unit_is_written_once_and_anew_when_it_changed() {
    let home = Home::new();
    assert!(home.text(["daemon", "install"]).contains("was written"));
    let text = fs::read_to_string(unit(&home)).unwrap();
    assert_eq!(home.text(["daemon", "install", "--print"]), text);
    let again = home.text(["daemon", "install"]);
    assert!(again.contains("is as it should be"), "{again}");
    fs::write(unit(&home), text.replace("on-failure", "always")).unwrap();
    assert!(home.text(["daemon", "install"]).contains("written anew"));
    assert_eq!(fs::read_to_string(unit(&home)).unwrap(), text);
    let folder = unit(&home).parent().unwrap().to_owned();
    assert_eq!(fs::read_dir(folder).unwrap().count(), 1, "nothing else");

    let config = user(&home).join("elsewhere");
    let output = home
        .coven(["daemon", "install"])
        .env("XDG_CONFIG_HOME", &config)
        .output()
        .unwrap();
    assert!(output.status.success(), "{output:?}");
    assert!(config.join("systemd/user/coven.service").exists());
}

#[test]
fn what_somebody_else_put_there_is_left_as_it_is() {
    let home = Home::new();
    let file = unit(&home);
    fs::create_dir_all(file.parent().unwrap()).unwrap();
    fs::write(&file, "[Service]\nExecStart=/mine\n").unwrap();
    for command in ["install", "uninstall"] {
        let told = home.refused(1, ["daemon", command]);
        assert!(told.contains("left as it is"), "{told}");
        assert_eq!(
            fs::read_to_string(&file).unwrap(),
            "[Service]\nExecStart=/mine\n"
        );
    }
    // As systemd masks one.
    fs::remove_file(&file).unwrap();
    symlink("/dev/null", &file).unwrap();
    for command in ["install", "uninstall"] {
        let told = home.refused(1, ["daemon", command]);
        assert!(told.contains("is a symbolic link"), "{told}");
        assert_eq!(fs::read_link(&file).unwrap(), Path::new("/dev/null"));
    }
    fs::remove_file(&file).unwrap();
    let none = home.output(["daemon", "uninstall"]);
    assert!(none.status.success() && none.stdout.is_empty(), "{none:?}");
}

#[test]
fn uninstalling_removes_the_unit_and_what_enabled_it() {
    let home = Home::new();
    home.text(["daemon", "install"]);
    let wants = unit(&home).with_file_name("default.target.wants");
    fs::create_dir(&wants).unwrap();
    symlink(unit(&home), wants.join("coven.service")).unwrap();
    symlink("/other", wants.join("other.service")).unwrap();
    let said = home.text(["daemon", "uninstall"]);
    assert!(said.contains("systemctl --user stop coven"), "{said}");
    assert!(!unit(&home).exists());
    let left: Vec<_> = fs::read_dir(wants).unwrap().collect();
    assert_eq!(left.len(), 1, "{left:?}");
}

/// A `systemctl` that writes down what it is asked, and ends with `status`.
fn with_systemctl(home: &Home, status: i32, args: &[&str]) -> (Output, String) {
    let folder = user(home).join("bin");
    let log = user(home).join("asked");
    fs::create_dir_all(&folder).unwrap();
    let program = folder.join("systemctl");
    let script = format!(
        "#!/bin/sh\necho \"$@\" >>'{}'\nexit {status}\n",
        log.display()
    );
    fs::write(&program, script).unwrap();
    fs::set_permissions(&program, fs::Permissions::from_mode(0o755)).unwrap();
    let path = format!("{}:{}", folder.display(), std::env::var("PATH").unwrap());
    let output = home
        .coven(args.iter().copied())
        .env("PATH", path)
        .output()
        .unwrap();
    let asked = fs::read_to_string(&log).unwrap_or_default();
    let _ = fs::remove_file(&log);
    (output, asked)
}

#[test]
fn systemctl_is_run_only_when_it_is_to_be_now() {
    let home = Home::new();
    let (output, asked) = with_systemctl(&home, 0, &["daemon", "install"]);
    assert!(output.status.success() && asked.is_empty(), "{asked}");
    let (output, asked) = with_systemctl(&home, 0, &["daemon", "install", "--now"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        asked,
        "--user daemon-reload\n--user enable --now coven.service\n"
    );

    // It is not removed where it may still run.
    let (output, asked) = with_systemctl(&home, 5, &["daemon", "uninstall", "--now"]);
    assert_eq!(output.status.code(), Some(1), "{output:?}");
    assert_eq!(asked, "--user disable --now coven.service\n");
    assert!(unit(&home).exists());
    let (output, asked) = with_systemctl(&home, 0, &["daemon", "uninstall", "--now"]);
    assert!(output.status.success(), "{output:?}");
    assert_eq!(
        asked,
        "--user disable --now coven.service\n--user daemon-reload\n"
    );
    assert!(!unit(&home).exists());
}

#[test]
fn a_daemon_that_runs_already_is_told_of_before_another_is_started() {
    let home = Home::new();
    home.text(["daemon", "start"]);
    let (output, asked) = with_systemctl(&home, 0, &["daemon", "install", "--now"]);
    assert_eq!(output.status.code(), Some(122), "{output:?}");
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(said.contains("`coven daemon stop` first"), "{said}");
    assert!(asked.is_empty() && !unit(&home).exists(), "{asked}");
    let next = home.text(["daemon", "install"]);
    assert!(next.contains("coven daemon stop"), "{next}");
}

#[test]
fn doctor_tells_whether_the_unit_spares_what_holds_sessions() {
    let home = Home::new();
    home.text(["daemon", "install"]);
    assert!(home.text(["doctor"]).contains("KillMode=process"));
    let drop_in = unit(&home).with_file_name("coven.service.d");
    fs::create_dir(&drop_in).unwrap();
    fs::write(drop_in.join("mine.conf"), "[Service]\nKillMode=mixed\n").unwrap();
    let text = home.text(["doctor"]);
    assert!(text.contains("has KillMode=mixed"), "{text}");
    assert!(text.contains("set KillMode=process"), "{text}");
}
