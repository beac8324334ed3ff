use coven::Seq;

use super::*;

fn looked(findings: &Findings) -> String {
    said(findings, None)
}

fn said(findings: &Findings, unopened: Option<&str>) -> String {
    let looked = Looked {
        home: Path::new("/home"),
        findings,
        unopened,
        format: None,
    };
    for_people(looked, None)
}

#[test]
fn where_nothing_of_a_file_can_be_read_the_sessions_that_are_known_are_named_all_the_same() {
    let mut findings = Findings::default();
    findings.problems.push(Finding {
        file: LogFile::Cold,
        table: None,
        place: None,
        session: None,
        seqs: None,
        problem: "no table can be found in it".to_owned(),
        loss: Loss::File,
    });
    let said = looked(&findings);
    assert!(
        said.contains("Nothing of coven.redb could be read"),
        "{said}"
    );
    assert!(!said.contains("brings back every event"), "{said}");
    // The other may be gone.
    assert!(!said.contains("is in coven.redb.journal"), "{said}");
    findings.events = 3;
    let said = looked(&findings);
    assert!(
        said.contains("what was read is in coven.redb.journal"),
        "{said}"
    );
    let id = |id| coven::SessionId::parse(id).unwrap();
    findings.unreadable.insert(id("unread"), Some(7));
    findings.lost.insert(id("lost"), None);
    let said = looked(&findings);
    assert!(said.contains("unread (7)"), "{said}");
    assert!(said.contains("nothing brings back: lost."), "{said}");
}

#[test]
fn a_log_that_is_opened_though_what_leads_to_its_content_is_damaged_is_told_to_be() {
    let mut findings = Findings::default();
    for (loss, is_told) in [(Loss::Events, false), (Loss::Rows, true)] {
        findings.problems.push(Finding {
            file: LogFile::Cold,
            table: Some("the list of tables"),
            place: None,
            session: None,
            seqs: None,
            problem: "its checksum is not that of its bytes".to_owned(),
            loss,
        });
        let findings = &findings;
        assert_eq!(looked(findings).contains(OPENED), is_told);
        let unopened = Some("the table meta cannot be found");
        let said = said(findings, unopened);
        assert!(!said.contains(OPENED), "{said}");
        assert!(said.contains("is not opened until"), "{said}");
    }
}

#[test]
fn events_that_are_lost_of_nobody_knows_whom_are_told_with_their_places() {
    let mut findings = Findings::default();
    let seqs = |first, last| (Seq::new(first), Seq::new(last));
    findings.untied = Untied {
        events: 4,
        may_be_void: 0,
        seqs: vec![seqs(3, 5), seqs(9, 9)],
    };
    let said = untied(&findings.untied).unwrap();
    assert!(
        said.starts_with("4 events more (seq 3 to 5, 9) are lost, and"),
        "{said}"
    );
    assert!(said.contains("may have ended"), "{said}");
    findings.untied.may_be_void = 1;
    let said = untied(&findings.untied).unwrap();
    assert!(said.starts_with("Up to 4 events more"), "{said}");
    assert!(
        said.contains("1 of them may have been output that was trimmed"),
        "{said}"
    );
}
