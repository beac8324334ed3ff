//! What the crash tests leave to chance, and how much of all there is they try: the same each time,
//! unless a variable says otherwise.

use std::env;
use std::ops::Range;

use proptest::test_runner::{Config, RngAlgorithm, TestRng, TestRunner};

/// A number: what all lots are drawn from. 0 where it is not set.
const SEED: &str = "COVEN_STORE_SEED";

/// Has every operation tried wherever only some would be, whatever it is set to.
const EVERY_OPERATION: &str = "COVEN_STORE_EVERY_OPERATION";

/// `2/5` has the second of five parts tried of what takes long, and no more.
const PART: &str = "COVEN_STORE_PART";

fn seed() -> u64 {
    env::var(SEED).map_or(0, |number| number.parse().expect("a number"))
}

/// The lot of this number.
pub(super) fn lot(number: u64) -> u64 {
    seed().wrapping_mul(0x9e37_79b9_7f4a_7c15) ^ number
}

/// What draws the stories of this number.
pub(super) fn runner(number: u64, cases: u32) -> TestRunner {
    let config = Config {
        cases,
        failure_persistence: None,
        ..Config::default()
    };
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed().to_le_bytes());
    bytes[8..16].copy_from_slice(&number.to_le_bytes());
    let lot = TestRng::from_seed(RngAlgorithm::ChaCha, &bytes);
    TestRunner::new_with_rng(config, lot)
}

pub(super) fn every_operation() -> bool {
    env::var_os(EVERY_OPERATION).is_some()
}

/// One in so many of `all`, from one of the first on that the seed says; or each.
pub(super) fn one_in(many: usize, all: Range<u64>) -> impl Iterator<Item = u64> {
    let (skipped, step) = match every_operation() {
        true => (0, 1),
        false => (lot(0) % many as u64, many),
    };
    (all.start + skipped..all.end).step_by(step)
}

/// What of `all` is in the part that is to be tried; all of it where no part is named.
pub(super) fn in_part(all: impl Iterator<Item = u64>) -> impl Iterator<Item = u64> {
    let (part, parts) = match env::var(PART) {
        Ok(text) => part_of(&text).expect("a part of so many, as in 2/5"),
        Err(_) => (1, 1),
    };
    all.skip(part - 1).step_by(parts)
}

fn part_of(text: &str) -> Option<(usize, usize)> {
    let (part, parts) = text.split_once('/')?;
    let (part, parts) = (part.parse().ok()?, parts.parse().ok()?);
    (1..=parts).contains(&part).then_some((part, parts))
}
