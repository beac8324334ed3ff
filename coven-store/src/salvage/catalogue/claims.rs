//! Each place has one slot's event: what is found is held against what else is, and what cannot be is let go of.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};

use coven_core::{Event, SessionId};

use super::super::events::Events;
use super::super::rivals::{self, Claim, Proof, Slots, Verdict};
use super::super::told::SetAside;
use super::{Catalogue, Origin, Piece, u64_of};
use crate::cold::order::{NOBODY, runs_of_row};
use crate::inspect::Source;
use crate::layout::ORDER;

impl Catalogue {
    /// Takes away what is found for places that are another's, and counts how far the log goes by what stays.
    pub(super) fn settle(&mut self) {
        let mut claims = self.claims();
        if rivals::are_contested(&claims) {
            claims.extend(self.sound_order());
            claims.sort_unstable();
            let verdict = rivals::settle(&claims, &Beside::of(self));
            claims.sort_unstable_by_key(|claim| (claim.slot, claim.first));
            self.let_go(&claims, verdict);
            claims.retain(|claim| self.owners.contains_key(&claim.slot));
        }
        let last = claims.iter().map(|claim| claim.last).max();
        self.mark.last_seq = self.mark.last_seq.max(last.unwrap_or(0));
    }

    /// What all slots have something for, in order.
    fn claims(&self) -> Vec<Claim> {
        let mut claims = Claims::default();
        for (&slot, owner) in &self.owners {
            let proof = match self.is_led_to(slot) {
                true => Proof::Session,
                false => Proof::Stray,
            };
            for piece in self.pieces(slot) {
                self.places_of(piece, |first, last| claims.add(slot, first, last, proof));
            }
            for (&seq, recent) in self.recent.get(&slot).into_iter().flatten() {
                let proof = match recent.origin {
                    Origin::Tree => Proof::Group,
                    Origin::Carved => Proof::StrayGroup,
                };
                claims.add(slot, seq, seq, proof);
            }
            if let Some(at) = owner.deleted_at {
                claims.add(slot, at, at, Proof::Deletion);
            }
        }
        claims.0.sort_unstable();
        claims.0
    }

    /// Calls `each` with every run of places that a segment has.
    fn places_of(&self, piece: &Piece, mut each: impl FnMut(u64, u64)) {
        if piece.has_all {
            return each(piece.first, piece.last);
        }
        let segment = self.read(piece);
        let rows = segment
            .iter()
            .flat_map(|it| it.rows().map_while(Result::ok));
        rows.for_each(|(seq, _)| each(seq.get(), seq.get()));
    }

    fn sound_order(&self) -> Vec<Claim> {
        let cold = self.cold.as_deref().into_iter();
        let rows = cold.flat_map(|cold| Source::Closed(cold).sound_rows(ORDER));
        let runs = rows
            .flatten()
            .flatten()
            .flat_map(|row| runs_of_row(u64_of(&row.key), &row.value).unwrap_or_default());
        let of_somebody = runs.filter(|run| run.slot != NOBODY);
        let claims = of_somebody.map(|run| Claim {
            first: run.first.get(),
            last: run.last.get(),
            slot: run.slot,
            proof: Proof::Order,
        });
        claims.collect()
    }

    /// Whether anything leads to a slot that only a session's has: an import that came to nothing was never led to.
    fn is_led_to(&self, slot: u64) -> bool {
        let owner = self.owners.get(&slot);
        owner.is_some_and(|owner| owner.is_led_to) || self.records.contains_key(&slot)
    }

    /// The claims are those of one slot after the other. There may be millions of them, and nearly as many that are
    /// denied: each is looked at once.
    fn let_go(&mut self, claims: &[Claim], verdict: Verdict) {
        let Verdict {
            mut never_were,
            mut denied,
        } = verdict;
        denied.sort_unstable();
        let mut had: BTreeMap<u64, u64> = BTreeMap::new();
        let mut lost: BTreeMap<u64, u64> = BTreeMap::new();
        for run in places(claims) {
            let (slot, first, last) = run;
            *had.entry(slot).or_default() += last - first + 1;
            *lost.entry(slot).or_default() += places_among(&denied, run);
        }
        for &(slot, ..) in &denied {
            let has_no_more = lost.get(&slot) == had.get(&slot);
            if has_no_more && !self.is_led_to(slot) {
                never_were.insert(slot);
            }
        }
        for &slot in &never_were {
            let owner = self.owners.remove(&slot);
            self.set_aside.push(SetAside {
                session: owner.and_then(|owner| owner.id),
                slot,
                events: had.get(&slot).copied().unwrap_or(0),
            });
            self.recent.remove(&slot);
            self.records.remove(&slot);
            self.aside.0.insert(slot);
        }
        self.pieces
            .retain(|piece| !never_were.contains(&piece.slot));
        for (&slot, rows) in &mut self.recent {
            rows.retain(|&seq, _| !is_among(&denied, slot, seq));
        }
        lost.retain(|slot, count| *count > 0 && !never_were.contains(slot));
        (self.denied, self.denied_events) = (denied, lost);
    }

    /// Whether a place is another's than the slot's that something is found of for it.
    pub(in crate::salvage) fn is_denied(&self, slot: u64, seq: u64) -> bool {
        is_among(&self.denied, slot, seq)
    }

    /// How many events are found of a slot in places that are another's.
    pub(in crate::salvage) fn denied_events(&self, slot: u64) -> u64 {
        self.denied_events.get(&slot).copied().unwrap_or(0)
    }
}

/// Whether a place of a slot is in one of several runs, which are in order: slot, first and last.
pub(super) fn is_among(runs: &[(u64, u64, u64)], slot: u64, seq: u64) -> bool {
    let after = runs.partition_point(|&(of, first, _)| (of, first) <= (slot, seq));
    after.checked_sub(1).is_some_and(|it| {
        let (of, _, last) = runs[it];
        of == slot && seq <= last
    })
}

/// The places that slots have something for, each once, by slot: slot, first and last. The claims are those of one
/// slot after the other.
fn places(claims: &[Claim]) -> impl Iterator<Item = (u64, u64, u64)> {
    let (mut of, mut next) = (NOBODY, 0);
    let of_events = claims.iter().filter(|claim| claim.proof != Proof::Order);
    of_events.filter_map(move |claim| {
        if claim.slot != of {
            (of, next) = (claim.slot, 0);
        }
        let (first, last) = (claim.first.max(next), claim.last);
        next = next.max(last.saturating_add(1));
        (first <= last).then_some((of, first, last))
    })
}

/// How many places of a run are in one of several others, which are in order.
fn places_among(runs: &[(u64, u64, u64)], (slot, first, last): (u64, u64, u64)) -> u64 {
    let from = runs.partition_point(|&(of, _, end)| (of, end) < (slot, first));
    let met = runs[from..].iter();
    let met = met.take_while(|&&(of, start, _)| (of, start) <= (slot, last));
    met.map(|&(_, start, end)| end.min(last) - start.max(first) + 1)
        .sum()
}

/// Claims, those of a slot one after the other.
#[derive(Default)]
struct Claims(Vec<Claim>);

impl Claims {
    fn add(&mut self, slot: u64, first: u64, last: u64, proof: Proof) {
        match self.0.last_mut() {
            Some(run) if (run.slot, run.proof) == (slot, proof) && run.last + 1 == first => {
                run.last = last;
            }
            _ => self.0.push(Claim {
                first,
                last,
                slot,
                proof,
            }),
        }
    }
}

/// What a catalogue knows of slots.
struct Beside<'a> {
    catalogue: &'a Catalogue,
    beginnings: RefCell<HashMap<u64, bool>>,
}

impl<'a> Beside<'a> {
    fn of(catalogue: &'a Catalogue) -> Self {
        Self {
            catalogue,
            beginnings: RefCell::default(),
        }
    }

    fn begins(&self, slot: u64) -> bool {
        // Under which name it is read makes no difference.
        let name = SessionId::parse("rival").expect("it is an id");
        let first = Events::of(self.catalogue, slot, name).next();
        first.is_some_and(|first| {
            matches!(
                first.envelope.event,
                Event::Created { .. } | Event::Registered { .. }
            )
        })
    }
}

impl Slots for Beside<'_> {
    fn is_led_to(&self, slot: u64) -> bool {
        self.catalogue.is_led_to(slot)
    }

    fn has_beginning(&self, slot: u64) -> bool {
        let mut beginnings = self.beginnings.borrow_mut();
        *beginnings.entry(slot).or_insert_with(|| self.begins(slot))
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;
    use crate::test_support::noise;

    #[test]
    fn what_is_denied_is_counted_place_by_place_however_many_claims_there_are_for_one() {
        const PROOFS: [Proof; 4] = [Proof::Stray, Proof::Session, Proof::Deletion, Proof::Order];
        for seed in 0..200 {
            let claims = noise(seed, 160);
            let mut claims: Vec<Claim> = claims
                .chunks(4)
                .map(|by| Claim {
                    first: u64::from(by[0]),
                    last: u64::from(by[0]) + u64::from(by[1] % 9),
                    slot: 1 + u64::from(by[2] % 4),
                    proof: PROOFS[usize::from(by[3] % 4)],
                })
                .collect();
            claims.sort_unstable_by_key(|claim| (claim.slot, claim.first));
            // Of each slot some places, in runs that do not meet.
            let denied = noise(seed + 1000, 4 * 60);
            let denied = (0_u64..).zip(denied).filter(|(_, by)| by % 3 > 0);
            let denied: Vec<_> = denied
                .map(|(number, by)| {
                    let first = number % 60 * 4;
                    (1 + number / 60, first, first + u64::from(by % 4))
                })
                .collect();
            for slot in 1..5 {
                let of_slot = claims.iter().filter(|it| it.slot == slot);
                let of_events = of_slot.filter(|it| it.proof != Proof::Order);
                let had: BTreeSet<u64> = of_events.flat_map(|it| it.first..=it.last).collect();
                let is_denied = |place: &&u64| is_among(&denied, slot, **place);
                let lost = had.iter().filter(is_denied).count() as u64;
                let runs = places(&claims).filter(|(of, ..)| *of == slot);
                let runs: Vec<_> = runs.collect();
                let count = |&(_, first, last): &(u64, u64, u64)| last - first + 1;
                assert_eq!(runs.iter().map(count).sum::<u64>(), had.len() as u64);
                let among = runs.iter().map(|run| places_among(&denied, *run));
                assert_eq!(among.sum::<u64>(), lost, "{seed}, slot {slot}");
            }
        }
    }
}
