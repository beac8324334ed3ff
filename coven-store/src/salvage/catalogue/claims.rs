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

    fn let_go(&mut self, claims: &[Claim], verdict: Verdict) {
        let Verdict {
            mut never_were,
            mut denied,
        } = verdict;
        denied.sort_unstable();
        let mut lost: BTreeMap<u64, u64> = BTreeMap::new();
        for &(slot, first, last) in &denied {
            *lost.entry(slot).or_default() += places(claims, slot, (first, last));
        }
        for (&slot, &count) in &lost {
            let has_no_more = count == places(claims, slot, (0, u64::MAX));
            if has_no_more && !self.is_led_to(slot) {
                never_were.insert(slot);
            }
        }
        for &slot in &never_were {
            let owner = self.owners.remove(&slot);
            self.set_aside.push(SetAside {
                session: owner.and_then(|owner| owner.id),
                slot,
                events: places(claims, slot, (0, u64::MAX)),
            });
            self.recent.remove(&slot);
            self.records.remove(&slot);
            self.aside.0.insert(slot);
        }
        self.pieces
            .retain(|piece| !never_were.contains(&piece.slot));
        for (slot, first, last) in &denied {
            if let Some(rows) = self.recent.get_mut(slot) {
                rows.retain(|seq, _| !(first..=last).contains(&seq));
            }
        }
        lost.retain(|slot, _| !never_were.contains(slot));
        (self.denied, self.denied_events) = (denied, lost);
    }

    /// Whether a place is another's than the slot's that something is found of for it.
    pub(in crate::salvage) fn is_denied(&self, slot: u64, seq: u64) -> bool {
        let after = self
            .denied
            .partition_point(|&(of, first, _)| (of, first) <= (slot, seq));
        after.checked_sub(1).is_some_and(|it| {
            let (of, _, last) = self.denied[it];
            of == slot && seq <= last
        })
    }

    /// How many events are found of a slot in places that are another's.
    pub(in crate::salvage) fn denied_events(&self, slot: u64) -> u64 {
        self.denied_events.get(&slot).copied().unwrap_or(0)
    }
}

/// How many places from one to another a slot has events for.
fn places(claims: &[Claim], slot: u64, (from, to): (u64, u64)) -> u64 {
    let (mut next, mut count) = (from, 0);
    let is_of_events = |claim: &&Claim| claim.slot == slot && claim.proof != Proof::Order;
    for claim in claims.iter().filter(is_of_events) {
        let (first, last) = (claim.first.max(next), claim.last.min(to));
        if first <= last {
            count += last - first + 1;
            next = last + 1;
        }
    }
    count
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
