//! Whose a place is that several slots have something for. Pure.
//!
//! A place is given once. But what is found in a damaged log may be what an import wrote that came to nothing, or a
//! group whose commit failed: the log went on from where that began, and others have the places that it had.

use std::collections::{BTreeMap, BTreeSet};

/// Places that a slot has something for, and how sure it is that these are its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Claim {
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) slot: u64,
    pub(super) proof: Proof,
}

/// What a claim rests on; of two the later one is believed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Proof {
    /// Segments of a slot that nothing leads to: a session's, or an import's that came to nothing.
    Stray,
    /// A group that was put together out of what is beside the journal's tree. Its commit may have failed, but it was
    /// one of sessions.
    StrayGroup,
    /// A group of the journal. It may be of another moment than the cold file.
    Group,
    /// Segments of a slot that is a session's: something else leads to it.
    Session,
    /// The slot's row says that it was deleted there.
    Deletion,
    /// A page of the order that is what it is to be.
    Order,
}

/// What is known of slots beside their claims.
pub(super) trait Slots {
    /// Whether something leads to a slot that only a session has.
    fn is_led_to(&self, slot: u64) -> bool;

    /// Whether what is left of a slot begins as a session does.
    fn has_beginning(&self, slot: u64) -> bool;
}

/// What became of those who are not believed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Verdict {
    /// Slots that no session has: the log went on from where they began.
    pub(super) never_were: BTreeSet<u64>,
    /// Places that a slot has something for and that are another's: slot, first and last.
    pub(super) denied: Vec<(u64, u64, u64)>,
}

/// Whether any place is claimed by more than one slot. The claims are in order.
pub(super) fn are_contested(claims: &[Claim]) -> bool {
    let mut met: Option<&Claim> = None;
    for claim in claims {
        match met {
            Some(before) if claim.first <= before.last && claim.slot != before.slot => return true,
            Some(before) if claim.last <= before.last => {}
            Some(_) | None => met = Some(claim),
        }
    }
    false
}

/// Finds one slot for each place. The claims are in order.
pub(super) fn settle(claims: &[Claim], slots: &impl Slots) -> Verdict {
    let ends = |claim: &Claim| [claim.first, claim.last.saturating_add(1)];
    let mut bounds: Vec<u64> = claims.iter().flat_map(ends).collect();
    bounds.sort_unstable();
    bounds.dedup();
    let starts = starts(claims);
    let mut verdict = Verdict::default();
    let mut ahead = claims.iter().peekable();
    let mut here: Vec<&Claim> = Vec::new();
    // From one bound to the next the same claims are met.
    for bounds in bounds.windows(2) {
        let (first, last) = (bounds[0], bounds[1] - 1);
        here.retain(|claim| claim.last >= first);
        while let Some(claim) = ahead.next_if(|claim| claim.first <= first) {
            here.push(claim);
        }
        let mut rivals: BTreeMap<u64, Proof> = BTreeMap::new();
        for claim in &here {
            if !verdict.never_were.contains(&claim.slot) {
                let proof = rivals.entry(claim.slot).or_insert(claim.proof);
                *proof = claim.proof.max(*proof);
            }
        }
        if rivals.len() > 1 {
            verdict.take(&rivals, slots, &starts, (first, last));
        }
    }
    verdict
}

/// Where what is left of each slot starts.
fn starts(claims: &[Claim]) -> BTreeMap<u64, u64> {
    let mut starts = BTreeMap::new();
    for claim in claims.iter().filter(|claim| claim.proof != Proof::Order) {
        starts.entry(claim.slot).or_insert(claim.first);
    }
    starts
}

impl Verdict {
    fn take(
        &mut self,
        rivals: &BTreeMap<u64, Proof>,
        slots: &impl Slots,
        starts: &BTreeMap<u64, u64>,
        (first, last): (u64, u64),
    ) {
        let starts_here = |slot| starts.get(&slot) == Some(&first);
        let credit = |&(&slot, &proof): &(&u64, &Proof)| {
            let has_beginning = slots.has_beginning(slot);
            // Who goes on here was there before, and the others found the log ending here. Of these the one that came
            // last knew that nothing had come of those before it, and may have written over how they began.
            let came = match starts_here(slot) {
                true => (false, has_beginning, slot),
                false => (true, has_beginning, u64::MAX - slot),
            };
            (proof, slots.is_led_to(slot), came)
        };
        let believed = rivals.iter().max_by_key(credit);
        let (&believed, &by) = believed.expect("there are several");
        for (&slot, &proof) in rivals {
            if slot == believed {
                continue;
            }
            // A session is not let go of for a group whose commit may have failed.
            let is_none = proof == Proof::Stray && by != Proof::StrayGroup;
            if is_none && !slots.is_led_to(slot) && starts_here(slot) {
                self.never_were.insert(slot);
            } else {
                self.denied.push((slot, first, last));
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Slots that something leads to, and those of which the beginning is left.
    struct Known(&'static [u64], &'static [u64]);

    impl Slots for Known {
        fn is_led_to(&self, slot: u64) -> bool {
            self.0.contains(&slot)
        }

        fn has_beginning(&self, slot: u64) -> bool {
            self.1.contains(&slot)
        }
    }

    fn settled(
        claims: &[(u64, u64, u64, Proof)],
        known: &Known,
    ) -> (Vec<u64>, Vec<(u64, u64, u64)>) {
        let claim = |&(slot, first, last, proof): &(u64, u64, u64, Proof)| Claim {
            first,
            last,
            slot,
            proof,
        };
        let mut claims: Vec<Claim> = claims.iter().map(claim).collect();
        claims.sort_unstable();
        let verdict = settle(&claims, known);
        assert_eq!(
            are_contested(&claims),
            verdict != Verdict::default(),
            "it is seen before"
        );
        (verdict.never_were.into_iter().collect(), verdict.denied)
    }

    use Proof::{Deletion, Group, Order, Session, Stray, StrayGroup};

    #[test]
    fn places_of_slots_that_are_not_the_same_are_nobody_elses() {
        let claims = [
            (1, 1, 4, Stray),
            (1, 3, 9, Session),
            (2, 10, 10, Stray),
            (1, 11, 12, Group),
        ];
        assert_eq!(settled(&claims, &Known(&[], &[])), (vec![], vec![]));
    }

    #[test]
    fn a_slot_never_was_a_sessions_that_starts_where_one_goes_on_which_was_there_before() {
        let claims = [(1, 1, 2, Stray), (2, 3, 90, Stray), (1, 3, 9, Stray)];
        let known = Known(&[], &[1, 2]);
        assert_eq!(settled(&claims, &known), (vec![2], vec![]));
        // One that began behind that is nobody's rival any more.
        let claims = [&claims[..], &[(3, 10, 40, Stray)]].concat();
        let known = Known(&[], &[1, 2, 3]);
        assert_eq!(settled(&claims, &known), (vec![2], vec![]));
    }

    #[test]
    fn of_slots_that_start_at_one_place_the_last_that_begins_there_is_a_sessions() {
        let claims = [
            (2, 3, 90, Stray),
            (3, 3, 50, Stray),
            (4, 3, 7, Stray),
            (5, 3, 9, Stray),
        ];
        let known = Known(&[], &[2, 3, 4]);
        assert_eq!(settled(&claims, &known), (vec![2, 3, 5], vec![]));
    }

    #[test]
    fn a_slot_that_lost_its_beginning_to_another_that_goes_on_never_was_a_sessions() {
        let claims = [(2, 20, 90, Stray), (3, 3, 40, Stray)];
        assert_eq!(settled(&claims, &Known(&[], &[3])), (vec![2], vec![]));
        // Where both were there before, the places alone are another's.
        let claims = [(2, 20, 90, Stray), (3, 3, 10, Stray), (3, 26, 40, Stray)];
        let denied = vec![(2, 26, 40)];
        assert_eq!(settled(&claims, &Known(&[], &[3])), (vec![], denied));
    }

    #[test]
    fn a_slot_that_something_leads_to_keeps_what_nobody_else_proves_better() {
        let claims = [(2, 3, 90, Session), (3, 3, 9, Stray)];
        assert_eq!(settled(&claims, &Known(&[2], &[2, 3])), (vec![3], vec![]));
        let claims = [(2, 3, 90, Session), (3, 5, 5, Deletion), (3, 7, 8, Order)];
        let denied = vec![(2, 5, 5), (2, 7, 8)];
        assert_eq!(settled(&claims, &Known(&[2, 3], &[2])), (vec![], denied));
    }

    #[test]
    fn a_group_of_the_journal_is_believed_before_a_slot_that_nothing_leads_to() {
        let known = Known(&[1], &[2]);
        let claims = [(2, 3, 90, Stray), (1, 3, 9, Group)];
        assert_eq!(settled(&claims, &known), (vec![2], vec![]));
        // Its commit may have failed, where the journal's tree does not lead to it.
        let claims = [(2, 3, 90, Stray), (1, 3, 9, StrayGroup)];
        assert_eq!(settled(&claims, &known), (vec![], vec![(2, 3, 9)]));
        // The cold file is believed before it.
        let claims = [(2, 3, 90, Session), (1, 4, 9, Group)];
        assert_eq!(settled(&claims, &known), (vec![], vec![(1, 4, 9)]));
    }
}
