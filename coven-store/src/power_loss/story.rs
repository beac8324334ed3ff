//! What is done to a log: the stories there are.

mod log;
mod told;

use proptest::prelude::*;

use crate::Options;
use crate::test_support::NEVER;

pub(super) use log::Log;
pub(super) use told::{Told, check};

/// Small, so that pages leave the cache in the middle of a transaction, and nothing but the log
/// itself asks anything of the disk.
pub(super) const OPTIONS: Options = Options {
    cache_bytes: 256 << 10,
    journal_cache_bytes: 256 << 10,
    segment_cache_bytes: 1 << 20,
    fold_bytes: 20_000,
    fold_after: NEVER,
    reserve_bytes: 0,
    at_close: crate::AtClose::Write,
    queue_bytes: 1 << 20,
    spare_bytes: 4096,
    at_rest: None,
};

/// What is done to a log, and how it is kept.
#[derive(Clone, Debug)]
pub(super) struct Story {
    pub(super) steps: Vec<Step>,
    options: Options,
    counted: Counted,
}

/// Where what befalls a story is counted from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Counted {
    FromItsStart,
    FromItsLastStep,
}

impl Story {
    /// What befalls it is counted from its last step on, which the last folds and the closing of its log follow: however
    /// much is done before, and no two lives do the same, these are its first operations.
    pub(super) fn counted_from_its_last_step(self) -> Self {
        let counted = Counted::FromItsLastStep;
        Self { counted, ..self }
    }

    pub(super) fn is_counted_from_its_last_step(&self) -> bool {
        self.counted == Counted::FromItsLastStep
    }
}

impl From<Vec<Step>> for Story {
    fn from(steps: Vec<Step>) -> Self {
        Self {
            steps,
            options: OPTIONS,
            counted: Counted::FromItsStart,
        }
    }
}

#[derive(Clone, Debug)]
pub(super) enum Step {
    /// Appends to sessions, each another, all asked for at once.
    Append(Vec<(usize, Vec<Kind>)>),
    Reopen,
    Rebuild,
    /// Nothing more until what was deleted and trimmed is taken out, and given back.
    Rest,
    /// Everything is read, and is told with that.
    Read,
    /// The disk is next to full until it was looked at a few times: who appends next has the journal
    /// give back what it does not use.
    Tight,
    /// The disk is full, but for the reserve.
    Full,
    /// Nothing more until all is folded, and what was trimmed is taken out; or until the disk failed:
    /// then there may be no room for it.
    Fold,
    /// There is room again.
    Roomy,
}

/// An event, whether or not it can follow.
#[derive(Clone, Copy, Debug)]
pub(super) enum Kind {
    Created,
    Registered,
    Started,
    Output {
        len_bytes: usize,
    },
    Labelled,
    Kill,
    Closed,
    Exited,
    Completed,
    Orphaned,
    Archived,
    Summoned,
    Deleted,
    /// The oldest so many output events that are left go.
    Trimmed {
        events: usize,
    },
}

/// Those of stories that begin with nothing, and some that a log has which an older version left.
const SESSIONS: [&str; 7] = ["a", "b", "c", "d", "running", "long", "full"];

/// How many of them a story by lot has.
const BY_LOT: usize = 4;

/// A story with everything in it that a log can be asked for.
pub(super) fn everything() -> Story {
    use Kind::{
        Archived, Closed, Completed, Created, Deleted, Exited, Kill, Labelled, Orphaned, Output,
        Registered, Started, Summoned, Trimmed,
    };
    const fn out(len_bytes: usize) -> Kind {
        Output { len_bytes }
    }
    let steps = vec![
        Step::Append(vec![
            (0, vec![Created, Started]),
            (1, vec![Created]),
            (2, vec![Registered]),
        ]),
        Step::Append(vec![(0, vec![out(5000)]), (1, vec![Started, out(1)])]),
        Step::Append(vec![(0, vec![out(700); 12]), (2, vec![Labelled])]),
        Step::Append(vec![(0, vec![Kill, Trimmed { events: 3 }])]),
        Step::Append(vec![
            (0, vec![out(30_000), Closed, Exited]),
            (1, vec![out(300), Trimmed { events: 2 }, out(20)]),
        ]),
        Step::Append(vec![(0, vec![Archived]), (2, vec![Completed])]),
        Step::Reopen,
        Step::Append(vec![(0, vec![Deleted]), (1, vec![out(9000), Labelled])]),
        Step::Append(vec![(0, vec![Created]), (3, vec![Created, Started])]),
        Step::Append(vec![(2, vec![Deleted]), (3, vec![out(60_000)])]),
        Step::Rest,
        Step::Append(vec![(2, vec![Registered]), (1, vec![Orphaned])]),
        Step::Append(vec![(3, vec![out(25_000), Labelled, out(25_000)])]),
        Step::Append(vec![(3, vec![Trimmed { events: 2 }])]),
        Step::Append(vec![(1, vec![Trimmed { events: 9 }])]),
        Step::Rest,
        Step::Rebuild,
        Step::Append(vec![(1, vec![Archived, Summoned]), (3, vec![out(40)])]),
    ];
    steps.into()
}

/// A story in which the journal gives back what it does not use, again and again, and uses it anew.
pub(super) fn short_of_room() -> Story {
    use Kind::{Closed, Created, Exited, Output, Started, Trimmed};
    const fn out(len_bytes: usize) -> Kind {
        Output { len_bytes }
    }
    let steps = vec![
        Step::Append(vec![
            (0, vec![Created, Started]),
            (1, vec![Created, Started]),
        ]),
        Step::Append(vec![(0, vec![out(30_000); 2])]),
        Step::Rest,
        Step::Tight,
        Step::Append(vec![(1, vec![out(5000)])]),
        Step::Append(vec![(0, vec![out(20_000)]), (1, vec![out(20_000)])]),
        Step::Append(vec![(0, vec![Trimmed { events: 2 }])]),
        Step::Tight,
        Step::Append(vec![(0, vec![out(9000)])]),
        Step::Reopen,
        Step::Tight,
        Step::Append(vec![(0, vec![Closed, Exited]), (1, vec![out(300)])]),
    ];
    steps.into()
}

/// Bytes of the reserve where a log is folded in parts: what a fold takes beside what it folds, what a
/// part leaves, and a few outputs.
const RESERVE_BYTES: u64 = 4 << 20;

/// What a log has there: so many groups of so many outputs, each of so many bytes. That is more than the
/// reserve, so they are not folded at once.
const OUTPUTS: (usize, usize, usize) = (18, 4, 60_000);
const _: () = assert!((OUTPUTS.0 * OUTPUTS.1 * OUTPUTS.2) as u64 > RESERVE_BYTES);

/// A story in which the disk is full, and a journal of more than there is room for is folded in parts, so
/// that what was trimmed can be taken out.
pub(super) fn folded_in_parts() -> Story {
    use Kind::{Closed, Created, Exited, Output, Started, Trimmed};
    const OUT: Kind = Output {
        len_bytes: OUTPUTS.2,
    };
    let mut steps = vec![Step::Append(vec![
        (0, vec![Created, Started]),
        (1, vec![Created, Started]),
    ])];
    steps.extend((0..OUTPUTS.0).map(|turn| Step::Append(vec![(turn % 2, vec![OUT; OUTPUTS.1])])));
    steps.extend([
        Step::Full,
        Step::Append(vec![(0, vec![Trimmed { events: 12 }])]),
        Step::Fold,
        Step::Roomy,
        Step::Append(vec![
            (0, vec![Closed, Exited]),
            (1, vec![Output { len_bytes: 5000 }]),
        ]),
    ]);
    let options = Options {
        // Nothing is folded before it is to make room.
        fold_bytes: u64::MAX,
        reserve_bytes: RESERVE_BYTES,
        ..OPTIONS
    };
    Story {
        options,
        ..Story::from(steps)
    }
}

/// What a log is opened for after a cut: to put in order what that left, to be read and to go on.
pub(super) fn recovered() -> Story {
    use Kind::{Created, Labelled, Output, Started};
    const OUT: Kind = Output { len_bytes: 3000 };
    let steps = vec![
        Step::Read,
        Step::Append(vec![
            (0, vec![Created, Started]),
            (1, vec![OUT]),
            (2, vec![Labelled]),
            (3, vec![OUT, Labelled]),
        ]),
        Step::Rest,
    ];
    steps.into()
}

/// What becomes of a log that an older version left: its sessions go on, it is folded and trimmed, and one of
/// them goes.
pub(super) fn taken_over() -> Story {
    use Kind::{Closed, Created, Deleted, Exited, Labelled, Output, Started, Trimmed};
    const OUT: Kind = Output { len_bytes: 9000 };
    let steps = vec![
        Step::Append(vec![
            (4, vec![OUT, Labelled]),
            (5, vec![OUT, Trimmed { events: 4 }]),
            (0, vec![Created, Started]),
        ]),
        Step::Append(vec![(6, vec![Deleted]), (0, vec![OUT])]),
        Step::Rest,
        Step::Reopen,
        Step::Append(vec![(4, vec![Closed, Exited]), (0, vec![OUT])]),
    ];
    steps.into()
}

/// A story in which a log is closed and opened as soon as something was said.
pub(super) fn reopened() -> Story {
    use Kind::{Created, Output, Started};
    const OUT: Kind = Output { len_bytes: 3000 };
    let steps = vec![
        Step::Append(vec![(0, vec![Created, Started, OUT])]),
        Step::Reopen,
        Step::Append(vec![(0, vec![OUT])]),
        Step::Reopen,
        Step::Append(vec![(0, vec![OUT]), (1, vec![Created])]),
    ];
    steps.into()
}

/// Any story.
pub(super) fn any() -> impl Strategy<Value = Story> {
    let kind = prop_oneof![
        2 => Just(Kind::Created),
        1 => Just(Kind::Registered),
        3 => Just(Kind::Started),
        6 => (1..20_000usize).prop_map(|len_bytes| Kind::Output { len_bytes }),
        1 => Just(Kind::Labelled),
        1 => Just(Kind::Kill),
        2 => Just(Kind::Closed),
        2 => Just(Kind::Exited),
        1 => Just(Kind::Completed),
        1 => Just(Kind::Orphaned),
        1 => Just(Kind::Archived),
        2 => Just(Kind::Deleted),
        3 => (1..4usize).prop_map(|events| Kind::Trimmed { events }),
    ];
    let kinds = prop::collection::vec(kind, 1..5);
    let appends = prop::collection::btree_map(0..BY_LOT, kinds, 1..=BY_LOT);
    let step = prop_oneof![
        9 => appends.prop_map(|batches| Step::Append(batches.into_iter().collect())),
        1 => Just(Step::Reopen),
        1 => Just(Step::Rebuild),
        1 => Just(Step::Rest),
    ];
    prop::collection::vec(step, 1..14).prop_map(Story::from)
}
