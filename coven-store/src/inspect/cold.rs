//! The cold file, table by table.

use std::collections::{BTreeMap, BTreeSet};
use std::ops::RangeInclusive;

use coven_core::Record;
use redb::Value;

use super::Progress;
use super::finding::{Finding, Findings, LogFile, Loss};
use super::readers::Doubts;
use super::slots::Slots;
use super::source::Source;
use super::window::{ALL_SLOTS, Gone, WINDOW_SLOTS};
use crate::fault::Fault;
use crate::layout::{META, meta};
use crate::stored::{Aside, Malformed, Mark};

/// What is known so far.
pub(super) struct Inspection<'a> {
    pub(super) source: Source<'a>,
    pub(super) findings: Findings,
    /// How far the file says that it has everything.
    pub(super) mark: Option<Mark>,
    /// From where it says that an import went on.
    pub(super) imported: Option<Mark>,
    /// The slots that no session is to have, as either file says.
    pub(super) aside: Aside,
    /// The slots that are looked at now, and what is known of those that there are.
    pub(super) window: RangeInclusive<u64>,
    pub(super) slots: Slots,
    pub(super) gone: Gone,
    /// Slots whose records are to be kept.
    pub(super) wanted: BTreeSet<u64>,
    /// Which of those there are, and whether their session lives.
    pub(super) met: BTreeMap<u64, bool>,
    pub(super) records: BTreeMap<u64, Record>,
    /// Slots that a segment is damaged of, so badly that it is not certain to be there.
    pub(super) torn_slots: BTreeSet<u64>,
    /// Those that a page of segments which is not what it is to be may have some of.
    pub(super) doubts: Doubts,
    torn_tables: BTreeSet<&'static str>,
    progress: &'a mut dyn FnMut(Progress),
    rows: u64,
}

/// What the journal says that the cold file is looked at for.
#[derive(Default)]
pub(super) struct OfJournal {
    /// The slots that it has anything of: their records are kept.
    pub(super) wanted: BTreeSet<u64>,
    /// Those that are set aside.
    pub(super) aside: Aside,
}

/// What was found, and what the journal is to go on from.
pub(super) struct Inspected {
    pub(super) findings: Findings,
    pub(super) mark: Option<Mark>,
    pub(super) imported: Option<Mark>,
    /// The wanted slots that there are, and whether their session lives.
    pub(super) met: BTreeMap<u64, bool>,
    pub(super) records: BTreeMap<u64, Record>,
}

/// Looks at everything in a cold file.
pub(crate) fn cold(source: Source<'_>) -> Result<Findings, Fault> {
    let inspected = cold_with(source, OfJournal::default(), &mut |_| {})?;
    Ok(inspected.findings)
}

/// The same of one that a journal goes on from.
pub(super) fn cold_with<'a>(
    source: Source<'a>,
    journal: OfJournal,
    progress: &'a mut dyn FnMut(Progress),
) -> Result<Inspected, Fault> {
    in_windows(source, journal, WINDOW_SLOTS, progress)
}

/// The same, at most so many slots at a time.
pub(super) fn in_windows<'a>(
    source: Source<'a>,
    OfJournal { wanted, aside }: OfJournal,
    most_slots: usize,
    progress: &'a mut dyn FnMut(Progress),
) -> Result<Inspected, Fault> {
    let mut inspection = Inspection {
        source,
        findings: Findings::default(),
        mark: None,
        imported: None,
        aside,
        window: ALL_SLOTS,
        slots: Slots::default(),
        gone: Gone::default(),
        wanted,
        met: BTreeMap::new(),
        records: BTreeMap::new(),
        torn_slots: BTreeSet::new(),
        doubts: Doubts::default(),
        torn_tables: BTreeSet::new(),
        progress,
        rows: 0,
    };
    inspection.look_at_meta()?;
    inspection.look_at_windows(most_slots)?;
    let Inspection {
        findings,
        mark,
        imported,
        met,
        records,
        ..
    } = inspection;
    Ok(Inspected {
        findings,
        mark,
        imported,
        met,
        records,
    })
}

impl Inspection<'_> {
    fn look_at_meta(&mut self) -> Result<(), Fault> {
        let mut mark = None;
        let mut imported = None;
        let mut aside = None;
        for row in self.source.sound_rows(META)? {
            let row = row?;
            match <&str>::from_bytes(&row.key) {
                meta::FOLDED => mark = Some(Mark::unseal(&row.value, meta::FOLDED)),
                meta::IMPORTED => imported = Some(Mark::unseal(&row.value, meta::IMPORTED)),
                meta::ASIDE => aside = Some(Aside::unseal(&row.value)),
                _ => {}
            }
        }
        let mut tell = |problem: Malformed, key: &str| {
            let finding = Finding::of("meta", problem.to_string(), Loss::Rows);
            self.findings.add(finding.at(format_args!("\"{key}\"")));
        };
        match imported.transpose() {
            Ok(imported) => self.imported = imported,
            Err(problem) => tell(problem, meta::IMPORTED),
        }
        match aside.transpose() {
            Ok(aside) => self.aside.0.extend(aside.unwrap_or_default().0),
            Err(problem) => tell(problem, meta::ASIDE),
        }
        self.take_bad();
        let problem = match mark {
            Some(Ok(mark)) => {
                self.mark = Some(mark);
                self.findings.has_read(1, mark.last_seq);
                return Ok(());
            }
            Some(Err(problem)) => problem.to_string(),
            None => "how far it has everything is missing".to_owned(),
        };
        self.findings.add(Finding::of("meta", problem, Loss::Rows));
        Ok(())
    }

    /// Takes in the pages that were found to be damaged.
    pub(super) fn take_bad(&mut self) {
        if let Source::Closed(snapshot) = self.source {
            for page in snapshot.take_bad() {
                self.torn_tables.insert(page.table);
                if page.table == "segments" {
                    self.doubts
                        .add(page.above.as_deref(), page.up_to.as_deref());
                }
                let finding = Finding::of_page(LogFile::Cold, page);
                // It may have been met in the window before.
                if !self.findings.problems.contains(&finding) {
                    self.findings.add(finding);
                }
            }
        }
    }

    /// Whether rows of a table may be missing because a page is damaged, which was told then.
    pub(super) fn is_torn(&mut self, table: &'static str) -> bool {
        self.take_bad();
        let is_missing = match self.source {
            Source::Closed(snapshot) => !snapshot.has(table),
            Source::Open(_) => false,
        };
        is_missing || self.torn_tables.contains(table)
    }

    /// Called for every row: tells how far it is, now and then.
    pub(super) fn tick(&mut self) {
        self.rows += 1;
        if let Source::Closed(snapshot) = self.source
            && self.rows.is_multiple_of(256)
        {
            (self.progress)(Progress {
                read_bytes: snapshot.file.read_bytes(),
                log_bytes: snapshot.file.len(),
            });
        }
    }
}
