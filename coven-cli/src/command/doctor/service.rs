//! What systemd does to the daemon and its sessions, and what a logout would end.

use std::fs;
use std::path::{Path, PathBuf};

use coven::home::Holder;

use super::{Finding, State};
use crate::home::Home;
use crate::unit;

/// What a logout ends, said of who has it.
const ENDS: &str = "a logout ends the daemon, and with it every session that runs";

pub(super) fn look(home: &Home) -> Vec<Finding> {
    let daemon = Holder::of(home.dir()).map(|holder| holder.pid());
    look_at(Path::new("/"), unit::file().ok(), daemon)
}

/// The same on a machine whose files are below `root`.
fn look_at(root: &Path, file: Option<PathBuf>, daemon: Option<u32>) -> Vec<Finding> {
    let file = file.filter(|file| fs::symlink_metadata(file).is_ok());
    let is_installed = file.as_deref().is_some_and(Path::is_file);
    let mut findings: Vec<Finding> = file.as_deref().map(service).into_iter().collect();
    if root.join("run/systemd/system").is_dir() {
        let machine = Machine::of(root, daemon);
        findings.push(logout(&machine, is_installed));
    }
    findings
}

fn service(file: &Path) -> Finding {
    let path = file.display();
    if let Ok(target) = fs::read_link(file)
        && !file.is_file()
    {
        let target = target.display();
        return Finding::new(
            "service",
            State::Note,
            format!("{path} is a symbolic link to {target}, which is no unit: there is no service"),
        )
        .advise("remove it, then `coven daemon install`, which leaves a link as it is");
    }
    match unit::kill_mode(file) {
        Ok(mode) if mode == "process" => {
            Finding::new("service", State::Ok, format!("{path}, KillMode=process"))
        }
        Ok(mode) => Finding::new(
            "service",
            State::Note,
            format!(
                "{path} has KillMode={mode}: when it stops or restarts, every session ends with it"
            ),
        )
        .advise(format!(
            "set KillMode=process in its [Service], there and in {path}.d (`coven daemon install` \
             writes a unit that has it), and run `systemctl --user daemon-reload`"
        )),
        Err(error) => Finding::new("service", State::Note, format!("{path}: {error}")),
    }
}

/// What a logout meets.
struct Machine {
    user: String,
    /// Whether the user's services go on without a login.
    lingers: bool,
    /// Where the daemon runs, if it does.
    daemon: Option<Cradle>,
}

/// What systemd runs a process in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cradle {
    /// A login session.
    Login,
    /// The user's service manager.
    Manager,
    /// Neither.
    Other,
}

impl Machine {
    fn of(root: &Path, daemon: Option<u32>) -> Self {
        let user = user(root);
        // The file by which logind remembers it.
        let lingers = root.join("var/lib/systemd/linger").join(&user).exists();
        let daemon = daemon.and_then(|pid| {
            let group = root.join(format!("proc/{pid}/cgroup"));
            fs::read_to_string(group).ok().map(|groups| cradle(&groups))
        });
        Self {
            user,
            lingers,
            daemon,
        }
    }
}

/// From `/proc/PID/cgroup`.
fn cradle(groups: &str) -> Cradle {
    let parts: Vec<&str> = groups.lines().flat_map(|line| line.split('/')).collect();
    let is_login = |part: &&str| part.starts_with("session-") && part.ends_with(".scope");
    let is_manager = |part: &&str| part.starts_with("user@") && part.ends_with(".service");
    if parts.iter().any(is_login) {
        Cradle::Login
    } else if parts.iter().any(is_manager) {
        Cradle::Manager
    } else {
        Cradle::Other
    }
}

/// The name of the user that we are.
fn user(root: &Path) -> String {
    let uid = rustix::process::getuid().as_raw().to_string();
    let passwd = fs::read_to_string(root.join("etc/passwd")).unwrap_or_default();
    let name = passwd.lines().find_map(|line| {
        let mut fields = line.split(':');
        let name = fields.next()?;
        (fields.nth(1)? == uid).then(|| name.to_owned())
    });
    // Of users that are kept elsewhere, the login says what they are called.
    name.or_else(|| std::env::var("USER").ok())
        .unwrap_or_default()
}

fn logout(machine: &Machine, is_installed: bool) -> Finding {
    let user = &machine.user;
    let note =
        |found: String, advice: &str| Finding::new("logout", State::Note, found).advise(advice);
    match (machine.daemon, machine.lingers, is_installed) {
        (Some(Cradle::Login), _, _) => note(
            format!("{ENDS}, where logind has KillUserProcesses=yes: it was started in a login"),
            "`coven daemon stop`, then `coven daemon install --now` and `loginctl enable-linger`",
        ),
        (Some(Cradle::Other), _, _) => Finding::new(
            "logout",
            State::Ok,
            "the daemon runs outside of logins: a logout does not end it",
        ),
        (Some(Cradle::Manager), true, _) | (None, true, true) => Finding::new(
            "logout",
            State::Ok,
            format!("{user} lingers: the daemon and its sessions go on after a logout"),
        ),
        (Some(Cradle::Manager), false, _) | (None, false, true) => note(
            format!("{ENDS}: {user} does not linger"),
            "`loginctl enable-linger`",
        ),
        (None, lingers, false) => note(
            format!("{ENDS}, where logind has KillUserProcesses=yes: no service is installed"),
            if lingers {
                "`coven daemon install --now`"
            } else {
                "`coven daemon install --now` and `loginctl enable-linger`"
            },
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A machine with systemd, whose daemon is process 7, if it runs, in this group.
    fn machine(group: Option<&str>) -> tempfile::TempDir {
        let root = tempfile::tempdir().unwrap();
        let write = |path: &str, text: &str| {
            let path = root.path().join(path);
            fs::create_dir_all(path.parent().unwrap()).unwrap();
            fs::write(path, text).unwrap();
        };
        let uid = rustix::process::getuid().as_raw();
        write(
            "etc/passwd",
            &format!("other:x:99999:1::/:/bin/sh\nmorgan:x:{uid}:1::/:/bin/sh\n"),
        );
        write("run/systemd/system/x", "");
        if let Some(group) = group {
            write("proc/7/cgroup", &format!("0::{group}\n"));
        }
        root
    }

    fn linger(root: &Path) {
        let folder = root.join("var/lib/systemd/linger");
        fs::create_dir_all(&folder).unwrap();
        fs::write(folder.join("morgan"), "").unwrap();
    }

    fn found(root: &Path, file: Option<PathBuf>) -> (State, String, Option<String>) {
        let finding = look_at(root, file, Some(7)).pop().unwrap();
        assert_eq!(finding.subject, "logout");
        (finding.state, finding.found, finding.advice)
    }

    #[test]
    fn a_daemon_of_the_service_manager_ends_with_a_logout_unless_its_user_lingers() {
        let root = machine(Some(
            "/user.slice/user-5.slice/user@5.service/app.slice/coven.service",
        ));
        let (state, found_, advice) = found(root.path(), None);
        assert_eq!(state, State::Note);
        assert_eq!(found_, format!("{ENDS}: morgan does not linger"));
        assert_eq!(advice.as_deref(), Some("`loginctl enable-linger`"));
        linger(root.path());
        let (state, found_, advice) = found(root.path(), None);
        assert_eq!((state, advice), (State::Ok, None));
        assert!(found_.contains("morgan lingers"), "{found_}");
    }

    #[test]
    fn a_daemon_of_a_login_may_end_with_it_whoever_lingers() {
        let root = machine(Some("/user.slice/user-5.slice/session-3.scope"));
        linger(root.path());
        let (state, found_, advice) = found(root.path(), None);
        assert_eq!(state, State::Note);
        assert!(found_.contains("KillUserProcesses"), "{found_}");
        assert!(advice.unwrap().contains("coven daemon install --now"));
    }

    #[test]
    fn where_no_daemon_runs_it_is_told_what_would_become_of_one() {
        let root = machine(None);
        let unit = root.path().join("coven.service");
        fs::write(&unit, "[Service]\nKillMode=process\n").unwrap();
        let advice = |file: Option<&PathBuf>| found(root.path(), file.cloned()).2.unwrap();
        assert_eq!(advice(Some(&unit)), "`loginctl enable-linger`");
        assert_eq!(
            advice(None),
            "`coven daemon install --now` and `loginctl enable-linger`"
        );
        linger(root.path());
        assert_eq!(advice(None), "`coven daemon install --now`");
        assert_eq!(found(root.path(), Some(unit)).0, State::Ok);
    }

    #[test]
    fn a_unit_that_would_end_sessions_is_told_of_even_where_no_systemd_runs() {
        let root = tempfile::tempdir().unwrap();
        let unit = root.path().join("coven.service");
        let states = |text: &str| {
            fs::write(&unit, text).unwrap();
            let findings = look_at(root.path(), Some(unit.clone()), None);
            let [finding] = &findings[..] else {
                panic!("{findings:?}");
            };
            (finding.state, finding.found.clone())
        };
        assert_eq!(states("[Service]\nKillMode=process\n").0, State::Ok);
        let (state, found) = states("[Service]\nExecStart=/x\n");
        assert_eq!(state, State::Note);
        assert!(
            found.contains("KillMode=control-group: when it stops"),
            "{found}"
        );
        assert_eq!(look_at(root.path(), None, None), []);
    }

    #[test]
    fn a_link_in_the_place_of_the_unit_that_leads_to_none_is_told_of_and_is_no_service() {
        let root = machine(None);
        let unit = root.path().join("coven.service");
        for target in ["/dev/null", "gone"] {
            std::os::unix::fs::symlink(target, &unit).unwrap();
            let findings = look_at(root.path(), Some(unit.clone()), None);
            let [service, logout] = &findings[..] else {
                panic!("{findings:?}");
            };
            assert_eq!(service.subject, "service");
            assert_eq!(service.state, State::Note);
            let told = format!("is a symbolic link to {target}, which is no unit");
            assert!(service.found.contains(&told), "{}", service.found);
            assert!(logout.found.ends_with("no service is installed"));
            fs::remove_file(&unit).unwrap();
        }
    }
}
