//! What was found in a log, and what was salvaged, for people and for programs.

mod aside;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::fmt::Write;
use std::path::Path;

use coven::store::{Changed, Finding, Findings, LogFile, Loss, Salvaged, Untied};
use serde::Serialize;

use crate::text::one_line;

use aside::Aside;

/// Sessions, and how many events of each, where that is known.
type Sessions = BTreeMap<coven::SessionId, Option<u64>>;

/// Findings that people are shown one by one.
const SHOWN: usize = 40;

/// What is said of a log that is opened though what leads to its content is damaged.
const OPENED: &str = "It is opened all the same: who reads it does not look at every byte of a page, and may read on \
                      what is told here not to be readable.";

/// What was found in a log.
#[derive(Clone, Copy, Debug)]
pub(super) struct Looked<'a> {
    pub(super) home: &'a Path,
    pub(super) findings: &'a Findings,
    /// Why it is not opened as it is, if it is not.
    pub(super) unopened: Option<&'a str>,
    /// What the home's file `format` says, where no other command opens the home because of it.
    pub(super) format: Option<&'a str>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
pub(super) struct Report<'a> {
    whole: bool,
    unopened: Option<&'a str>,
    foreign_format: Option<&'a str>,
    sessions: u64,
    events: u64,
    problems: Vec<Problem<'a>>,
    more_problems: u64,
    unreadable_events: BTreeMap<&'a str, Option<u64>>,
    lost_events: BTreeMap<&'a str, Option<u64>>,
    newest_is_lost: bool,
    untied: Places,
    set_aside: Vec<Aside<'a>>,
    #[serde(skip_serializing_if = "Option::is_none")]
    salvaged: Option<Saved<'a>>,
}

/// Events that are lost, and nobody knows of which sessions.
#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Places {
    events: u64,
    may_be_void: u64,
    seqs: Vec<(u64, u64)>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Problem<'a> {
    file: &'static str,
    table: Option<&'static str>,
    place: Option<&'a str>,
    session: Option<&'a str>,
    first_seq: Option<u64>,
    last_seq: Option<u64>,
    problem: &'a str,
    lost: &'static str,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Saved<'a> {
    home: String,
    sessions: u64,
    events: u64,
    let_go_events: u64,
    newest_is_lost: bool,
    untied: Places,
    untraced_sessions: u64,
    changed: Vec<Altered<'a>>,
}

#[derive(Serialize)]
#[serde(rename_all = "camelCase")]
struct Altered<'a> {
    session: &'a str,
    kept_events: u64,
    lost_events: Option<u64>,
    lost_output_bytes: u64,
    left_out_events: u64,
    stand_ins: BTreeMap<&'static str, u64>,
}

/// The report for programs.
pub(super) fn of<'a>(looked: Looked<'a>, salvaged: Option<(&Path, &'a Salvaged)>) -> Report<'a> {
    let Looked {
        findings,
        unopened,
        format,
        ..
    } = looked;
    let by_id = |sessions: &'a Sessions| {
        let sessions = sessions.iter();
        sessions.map(|(id, count)| (id.as_str(), *count)).collect()
    };
    Report {
        whole: findings.is_whole(),
        unopened,
        foreign_format: format,
        sessions: findings.sessions,
        events: findings.events,
        problems: findings.problems.iter().map(Problem::of).collect(),
        more_problems: findings.untold,
        unreadable_events: by_id(&findings.unreadable),
        lost_events: by_id(&findings.lost),
        newest_is_lost: findings.newest_is_lost,
        untied: Places::of(&findings.untied),
        set_aside: findings.set_aside.iter().map(Aside::of).collect(),
        salvaged: salvaged.map(|(home, salvaged)| Saved {
            home: home.display().to_string(),
            sessions: salvaged.sessions,
            events: salvaged.events,
            let_go_events: salvaged.let_go,
            newest_is_lost: salvaged.newest_is_lost,
            untied: Places::of(&salvaged.untied),
            untraced_sessions: salvaged.untraced,
            changed: salvaged.changed.iter().map(Altered::of).collect(),
        }),
    }
}

impl Places {
    fn of(untied: &Untied) -> Self {
        let seqs = untied.seqs.iter();
        Self {
            events: untied.events,
            may_be_void: untied.may_be_void,
            seqs: seqs
                .map(|(first, last)| (first.get(), last.get()))
                .collect(),
        }
    }
}

impl<'a> Problem<'a> {
    fn of(finding: &'a Finding) -> Self {
        Self {
            file: finding.file.as_str(),
            table: finding.table,
            place: finding.place.as_deref(),
            session: finding.session.as_ref().map(coven::SessionId::as_str),
            first_seq: finding.seqs.map(|(first, _)| first.get()),
            last_seq: finding.seqs.map(|(_, last)| last.get()),
            problem: &finding.problem,
            lost: finding.loss.as_str(),
        }
    }
}

impl<'a> Altered<'a> {
    fn of(changed: &'a Changed) -> Self {
        Self {
            session: changed.session.as_str(),
            kept_events: changed.kept_events,
            lost_events: changed.lost_events,
            lost_output_bytes: changed.lost_output_bytes,
            left_out_events: changed.left_out,
            stand_ins: changed.stand_ins.iter().copied().collect(),
        }
    }
}

/// The report for people.
pub(super) fn for_people(looked: Looked, salvaged: Option<(&Path, &Salvaged)>) -> String {
    let Looked {
        home,
        findings,
        unopened,
        format,
    } = looked;
    let mut text = String::new();
    if let Some(found) = format {
        line(&mut text, &one_line(&told_format(home, found)));
    }
    for finding in findings.problems.iter().take(SHOWN) {
        line(&mut text, &one_line(&finding.to_string()));
    }
    let more = findings.problems.len().saturating_sub(SHOWN) as u64 + findings.untold;
    if more > 0 {
        line(
            &mut text,
            &format!("and {more} more; --json has up to a thousand"),
        );
    }
    line(&mut text, &summary(findings));
    if let Some(why) = unopened {
        let told = format!(
            "The log is not opened until it is salvaged, so that no session can be read meanwhile: {why}."
        );
        line(&mut text, &one_line(&told));
    } else if findings.problems.iter().any(leads_to_more) {
        line(&mut text, OPENED);
    }
    match salvaged {
        Some((home, salvaged)) => tell_salvaged(&mut text, home, salvaged),
        None if findings.is_whole() => {}
        None => line(
            &mut text,
            "`coven doctor --store --salvage NEW_HOME` writes everything that is whole into a new \
             home, and leaves this one as it is.",
        ),
    }
    text
}

/// What is said of a home that no other command opens because of what its file `format` says.
fn told_format(home: &Path, found: &str) -> String {
    let path = home.join("format");
    let path = path.display();
    format!(
        "{path} says \"{found}\": a newer version of Coven made this home, or that file is damaged, which the log is not \
         by that. No other command opens the home. If no newer version was ever used here, remove the file ({path}): it \
         is made again, and the home is as it was."
    )
}

/// Whether more is behind what is damaged than is told of it, for whoever gets there.
fn leads_to_more(finding: &Finding) -> bool {
    match finding.loss {
        Loss::Rows | Loss::File => true,
        Loss::Nothing
        | Loss::Events
        | Loss::Commit
        | Loss::LastCommit
        | Loss::Newest
        | Loss::Unopened
        | Loss::Unfolded
        | Loss::Name => false,
    }
}

fn summary(findings: &Findings) -> String {
    let read = format!(
        "{} and {} were read",
        count(findings.sessions, "session"),
        count(findings.events, "event")
    );
    if findings.is_whole() {
        return format!("The log is whole: {read}.");
    }
    let mut text = format!("The log is damaged: {read}.");
    if let Some(file) = lost_file(findings) {
        let (file, other) = match file {
            LogFile::Cold => ("coven.redb", "coven.redb.journal"),
            LogFile::Journal => ("coven.redb.journal", "coven.redb"),
        };
        let read = match findings.events {
            0 => String::new(),
            _ => format!(": what was read is in {other}"),
        };
        let told = format!(
            "\nNothing of {file} could be read as it is, so that not all sessions can be told{read}. What is left in \
             it is looked for when it is salvaged."
        );
        text.push_str(&told);
    }
    if !findings.unreadable.is_empty() {
        let sessions = count(findings.unreadable.len() as u64, "session");
        let named = named(&findings.unreadable);
        write!(text, "\n{sessions} cannot be read whole as it is: {named}.").expect(TAKES);
    }
    if !findings.lost.is_empty() {
        let sessions = count(findings.lost.len() as u64, "session");
        let named = named(&findings.lost);
        write!(
            text,
            "\n{sessions} lost events that nothing brings back: {named}."
        )
        .expect(TAKES);
    } else if !findings.newest_is_lost
        && findings.untied.events == 0
        && lost_file(findings).is_none()
    {
        text.push_str("\nA salvage brings back every event that is known of.");
    }
    if let Some(told) = untied(&findings.untied) {
        text.push('\n');
        text.push_str(&told);
    }
    for aside in &findings.set_aside {
        text.push('\n');
        text.push_str(&one_line(&aside::told(aside)));
    }
    if findings.newest_is_lost {
        text.push_str(
            "\nWhat was recorded last cannot all be read, and may be lost: of any session, and sessions as a whole.",
        );
    }
    text
}

/// Runs of places that people are shown.
const SHOWN_RUNS: usize = 10;

/// What is told of events that are lost, and nobody knows of which sessions.
fn untied(untied: &Untied) -> Option<String> {
    if untied.events == 0 {
        return None;
    }
    let runs = untied.seqs.iter().take(SHOWN_RUNS);
    let runs: Vec<String> = runs
        .map(|(first, last)| match first == last {
            true => first.to_string(),
            false => format!("{first} to {last}"),
        })
        .collect();
    let more = if untied.seqs.len() > SHOWN_RUNS {
        " and others"
    } else {
        ""
    };
    let up_to = if untied.may_be_void > 0 { "Up to " } else { "" };
    let unless = match untied.may_be_void {
        0 => String::new(),
        all if all == untied.events => {
            " (or were output that was trimmed, or of sessions that were deleted)".to_owned()
        }
        some => format!(
            " ({some} of them may have been output that was trimmed, or of sessions that were deleted)"
        ),
    };
    Some(format!(
        "{up_to}{} more (seq {}{more}) are lost{unless}, and nothing that is left says of which sessions: one that \
         seems to run may have ended.",
        count(untied.events, "event"),
        runs.join(", "),
    ))
}

/// A file of which nothing can be read as it is.
fn lost_file(findings: &Findings) -> Option<LogFile> {
    let mut problems = findings.problems.iter();
    let lost = problems.find(|it| it.loss == Loss::File);
    lost.map(|it| it.file)
}

/// Sessions, each with how many of its events it is about.
fn named(sessions: &Sessions) -> String {
    let sessions = sessions.iter().map(|(id, count)| match count {
        Some(count) => format!("{id} ({count})"),
        None => id.to_string(),
    });
    one_line(&sessions.collect::<Vec<_>>().join(", "))
}

fn tell_salvaged(text: &mut String, home: &Path, salvaged: &Salvaged) {
    line(
        text,
        &format!(
            "\n{} has {}, with {} as they were.",
            home.display(),
            count(salvaged.sessions, "session"),
            count(salvaged.events, "event")
        ),
    );
    if salvaged.let_go > 0 {
        let events = count(salvaged.let_go, "event");
        line(
            text,
            &format!(
                "{events} more that were read had been let go of (trimmed output, deleted sessions) and were not \
                 taken out of the files yet: they stay gone."
            ),
        );
    }
    for changed in &salvaged.changed {
        line(text, &one_line(&told(changed)));
    }
    if let Some(told) = untied(&salvaged.untied) {
        line(text, &told);
    }
    if salvaged.newest_is_lost {
        line(
            text,
            "What was recorded last, just before the damage, could not all be read: any session may \
             lack its newest events, and some may be missing as a whole.",
        );
    }
    if salvaged.untraced > 0 {
        let sessions = count(salvaged.untraced, "session");
        line(
            text,
            &format!("Of {sessions} or deletions nothing at all is left."),
        );
    }
    line(
        text,
        &format!(
            "Settings (config.toml), harnesses/ and spools/, which has what running sessions wrote last, were \
             not copied: put them there before a daemon is started there. To look at it: coven --home {} \
             sessions --all --offline",
            home.display()
        ),
    );
}

fn told(changed: &Changed) -> String {
    let mut text = format!(
        "  {}: {} kept",
        changed.session,
        count(changed.kept_events, "event")
    );
    let mut add = |more: String| {
        text.push_str(", ");
        text.push_str(&more);
    };
    match changed.lost_events {
        Some(lost) => add(format!("{lost} lost")),
        None => add("an unknown number lost".to_owned()),
    }
    if changed.lost_output_bytes > 0 {
        add(format!(
            "{} of output lost",
            count(changed.lost_output_bytes, "byte")
        ));
    }
    if changed.left_out > 0 {
        add(format!(
            "{} left out, which could not follow or are in another's place",
            changed.left_out
        ));
    }
    let stand_ins: Vec<String> = changed
        .stand_ins
        .iter()
        .map(|(kind, number)| format!("{number} {kind}"))
        .collect();
    if !stand_ins.is_empty() {
        add(format!("stand-ins: {}", stand_ins.join(", ")));
    }
    text
}

fn count(number: u64, what: &str) -> String {
    let s = if number == 1 { "" } else { "s" };
    format!("{number} {what}{s}")
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect(TAKES);
}

const TAKES: &str = "a string takes everything";
