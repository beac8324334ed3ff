use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::thread;

use coven_core::{Envelope, Event, is_trimmed};
use proptest::prelude::*;

use super::shelf::tests::segment;
use super::*;
use crate::test_support::*;
use crate::{Options, ReadError, ReadLimit, Store};

fn put(look: &Look<'_>, slot: u64) {
    look.put(slot, Before::Nothing, &segment(slot, 1));
}

fn has(cache: &Cache, opening: u64, slot: u64) -> bool {
    cache.look(Some(opening)).segment(slot, 1).is_some()
}

#[test]
fn what_a_commit_concerns_is_gone_before_it_is_made_and_nothing_older_comes_back() {
    let cache = Cache::new(1 << 20);
    let before = cache.look(Some(0));
    put(&before, 1);
    put(&before, 2);
    let change = cache.change(0, &Touched::Slots(vec![1]));
    assert!(!has(&cache, 0, 1) && has(&cache, 0, 2));
    // Who began before it, and who begins meanwhile, may see either side of it.
    let meanwhile = cache.look(Some(0));
    put(&before, 1);
    put(&meanwhile, 1);
    assert!(!has(&cache, 0, 1));
    change.made();
    put(&before, 1);
    put(&meanwhile, 1);
    assert!(!has(&cache, 0, 1));
    // Nor does he find what is newer than what he reads.
    put(&cache.look(Some(0)), 1);
    assert!(has(&cache, 0, 1));
    assert!(before.segment(1, 1).is_none() && before.segment(2, 1).is_none());
}

#[test]
fn after_a_commit_that_failed_nothing_is_kept_until_the_file_is_opened_anew() {
    let cache = Cache::new(1 << 20);
    put(&cache.look(Some(0)), 2);
    drop(cache.change(0, &Touched::Slots(vec![1])));
    put(&cache.look(Some(0)), 1);
    assert!(!has(&cache, 0, 1) && has(&cache, 0, 2));
    let old = cache.look(Some(0));
    let new = cache.look(Some(1));
    put(&old, 1);
    assert!(!has(&cache, 1, 1) && !has(&cache, 1, 2));
    put(&new, 1);
    assert!(has(&cache, 1, 1));
}

#[test]
fn all_is_given_back_when_nobody_reads_and_then_nobody_is_to_be_woken() {
    let cache = Cache::new(1 << 20);
    assert!(!cache.begins_to_hold());
    assert_eq!(cache.patience(Instant::now()), None);
    let look = cache.look(Some(0));
    put(&look, 1);
    assert!(cache.begins_to_hold() && !cache.begins_to_hold());
    let read_at = look.now;
    assert_eq!(cache.patience(read_at), Some(CACHE_PATIENCE));
    // Who finds nothing here does not have it kept.
    let blind = cache.look(Some(0));
    assert!(blind.now >= read_at && blind.segment(9, 1).is_none());
    cache.rest(read_at + CACHE_PATIENCE - Duration::from_millis(1));
    assert!(cache.len_bytes() > 0);
    cache.rest(read_at + CACHE_PATIENCE);
    assert_eq!(cache.len_bytes(), 0);
    assert_eq!(cache.patience(read_at), None);
    // Who read meanwhile keeps nothing here.
    put(&look, 1);
    assert_eq!(cache.len_bytes(), 0);
    put(&cache.look(Some(0)), 1);
    assert!(cache.begins_to_hold());
}

#[tokio::test]
async fn who_reads_a_log_that_is_closed_is_told_so_whatever_was_kept() {
    let home = Home::new();
    let store = home.open();
    running(&store, "a").await;
    store.fold();
    events_of(&store, "a");
    store.clone().close().await;
    let read = store.read(&id("a"), Seq::ZERO, ALL);
    assert_eq!(read, Err(ReadError::Closed));
}

/// What is done to a log while others read it.
#[derive(Clone, Copy, Debug)]
enum Step {
    Write {
        session: usize,
        len_bytes: usize,
    },
    Trim {
        session: usize,
        events: usize,
    },
    /// It ends and is deleted; one with another name comes in its place.
    Delete {
        session: usize,
    },
    Fold,
    Rebuild,
}

const SESSIONS: usize = 3;

fn step() -> impl Strategy<Value = Step> {
    let session = 0..SESSIONS;
    prop_oneof![
        12 => (session.clone(), 0..90_000usize)
            .prop_map(|(session, len_bytes)| Step::Write { session, len_bytes }),
        4 => (session.clone(), 1..5usize).prop_map(|(session, events)| Step::Trim { session, events }),
        1 => session.prop_map(|session| Step::Delete { session }),
        6 => Just(Step::Fold),
        1 => Just(Step::Rebuild),
    ]
}

/// What is to be read at one time.
#[derive(Clone, Default)]
struct Version {
    living: BTreeMap<String, Vec<Envelope>>,
    deleted: Vec<Envelope>,
    last: u64,
}

impl Version {
    fn append(&mut self, name: &str, events: &[Event]) {
        for (event, nanos) in events.iter().zip(1..) {
            self.last += 1;
            let envelope = Envelope {
                seq: Seq::new(self.last),
                session: id(name),
                at: at(nanos),
                actor: None,
                event: event.clone(),
            };
            if *event == Event::Deleted {
                self.living.remove(name);
                self.deleted.push(envelope);
                continue;
            }
            let of = self.living.entry(name.to_owned()).or_default();
            of.push(envelope);
            if let Event::Trimmed {
                offset, len_bytes, ..
            } = event
            {
                let end = offset + len_bytes;
                of.retain(|it| {
                    output_of(it).is_none_or(|(at, data)| !is_trimmed(at, data.len() as u64, end))
                });
            }
        }
    }

    fn of(&self, name: &str) -> &[Envelope] {
        self.living.get(name).map_or(&[], Vec::as_slice)
    }

    fn all(&self) -> Vec<Envelope> {
        let living = self.living.values().flatten();
        let mut all: Vec<_> = living.chain(&self.deleted).cloned().collect();
        all.sort_by_key(|it| it.seq);
        all
    }

    fn output(&self, name: &str, offset: u64, max_bytes: usize) -> Vec<u8> {
        let mut outputs = self.of(name).iter().filter_map(output_of).peekable();
        let Some((begins, _)) = outputs.peek() else {
            return Vec::new();
        };
        let skip = offset.saturating_sub(*begins);
        let bytes = outputs.flat_map(|(_, data)| data.to_vec());
        bytes
            .skip(usize::try_from(skip).expect("it is small"))
            .take(max_bytes)
            .collect()
    }
}

fn output_of(envelope: &Envelope) -> Option<(u64, &[u8])> {
    match &envelope.event {
        Event::Output { offset, data, .. } => Some((*offset, data)),
        _ => None,
    }
}

/// The log, and what it was at each time.
struct World {
    store: Store,
    versions: Mutex<Vec<Arc<Version>>>,
    /// How many versions are past changing.
    done: AtomicUsize,
    is_over: AtomicBool,
}

impl World {
    fn now(&self) -> Version {
        let versions = self.versions.lock().expect("nobody panicked");
        versions
            .last()
            .map_or_else(Version::default, |it| Version::clone(it))
    }

    async fn append(&self, name: &str, events: Vec<Event>) {
        let mut version = self.now();
        version.append(name, &events);
        self.versions
            .lock()
            .expect("nobody panicked")
            .push(Arc::new(version));
        append(&self.store, name, events).await.expect("it follows");
        self.done.fetch_add(1, Ordering::SeqCst);
    }

    /// Reads, and looks whether the log was so at any time meanwhile.
    fn check<T: std::fmt::Debug>(
        &self,
        read: impl Fn(&Store) -> T,
        is_so: impl Fn(&Version, &T) -> bool,
    ) {
        let from = self.done.load(Ordering::SeqCst) - 1;
        let found = read(&self.store);
        let versions = self.versions.lock().expect("nobody panicked")[from..].to_vec();
        let was_so = versions.iter().any(|version| is_so(version, &found));
        assert!(was_so, "none of {} versions is so", versions.len());
    }

    fn check_some(&self, mut by_chance: impl FnMut(u64) -> u64) {
        let now = self.now();
        let mut names: Vec<String> = now.living.keys().cloned().collect();
        names.extend(now.deleted.last().map(|it| it.session.as_str().to_owned()));
        let name = &names[usize::try_from(by_chance(names.len() as u64)).expect("it is small")];
        let after = Seq::new(by_chance(now.last + 3));
        let events = [1, 7, usize::MAX][usize::try_from(by_chance(3)).expect("it is small")];
        let limit = ReadLimit {
            events,
            bytes: usize::MAX,
        };
        let left = |all: &[Envelope]| -> Vec<Envelope> {
            let after = all.iter().filter(|it| it.seq > after);
            after.take(events).cloned().collect()
        };
        self.check(
            |store| store.read(&id(name), after, limit).expect("a read"),
            |version, found| left(version.of(name)) == *found,
        );
        let offset = by_chance(200_000);
        self.check(
            |store| {
                let chunks = store.output(&id(name), offset, 50_000).expect("a read");
                chunks
                    .iter()
                    .flat_map(|it| it.data.to_vec())
                    .collect::<Vec<u8>>()
            },
            |version, found| version.output(name, offset, 50_000) == *found,
        );
        self.check(
            |store| store.read_all(after, limit).expect("a read"),
            |version, found| {
                let left = left(&version.all());
                left.starts_with(found) && left.is_empty() == found.is_empty()
            },
        );
    }

    /// Reads until it is over.
    fn read(&self, seed: u64) {
        let mut state = seed | 1;
        while !self.is_over.load(Ordering::SeqCst) {
            self.check_some(|below| {
                state ^= state << 13;
                state ^= state >> 7;
                state ^= state << 17;
                (state >> 16) % below
            });
        }
    }
}

async fn run(steps: Vec<Step>, segment_cache_bytes: usize) {
    let home = Home::new();
    let options = Options {
        fold_bytes: 30_000,
        segment_cache_bytes,
        ..Options::default()
    };
    let world = Arc::new(World {
        store: Store::open(&home.path(), options).expect("it opens"),
        versions: Mutex::default(),
        done: AtomicUsize::new(0),
        is_over: AtomicBool::new(false),
    });
    let mut names: Vec<String> = (0..SESSIONS).map(|n| format!("s{n}-0")).collect();
    for name in &names {
        world.append(name, vec![created(), started()]).await;
    }
    let readers: Vec<_> = (1..=3)
        .map(|seed| {
            let world = Arc::clone(&world);
            thread::spawn(move || world.read(seed * 0x9e37_79b9))
        })
        .collect();
    for (step, seed) in steps.into_iter().zip(1..) {
        do_step(&world, &mut names, step, seed).await;
    }
    world.store.fold();
    world.is_over.store(true, Ordering::SeqCst);
    for reader in readers {
        reader.join().expect("all it read was so");
    }
    for seed in 1..20 {
        world.check_some(|below| seed * 7919 % below);
    }
}

async fn do_step(world: &World, names: &mut [String], step: Step, seed: u64) {
    let outputs = |name: &str| -> Vec<(u64, u64)> {
        let now = world.now();
        let outputs = now.of(name).iter().filter_map(output_of);
        outputs
            .map(|(at, data)| (at, at + data.len() as u64))
            .collect()
    };
    match step {
        Step::Write { session, len_bytes } => {
            let name = &names[session];
            let record = world
                .store
                .record(&id(name))
                .expect("a read")
                .expect("it lives");
            let said = output(record.session.output_bytes, noise(seed, len_bytes));
            world.append(name, vec![said, resized()]).await;
        }
        Step::Trim { session, events } => {
            let name = &names[session];
            let outputs = outputs(name);
            let record = world
                .store
                .record(&id(name))
                .expect("a read")
                .expect("it lives");
            let from = record.session.trimmed_bytes;
            if let Some((_, end)) = outputs.iter().take(events).next_back()
                && *end > from
            {
                world.append(name, vec![trimmed(from, *end)]).await;
            }
        }
        Step::Delete { session } => {
            let name = std::mem::replace(&mut names[session], format!("s{session}-{seed}"));
            world.append(&name, vec![output_closed(), exited(0)]).await;
            world.append(&name, vec![Event::Deleted]).await;
            world
                .append(&names[session], vec![created(), started()])
                .await;
        }
        Step::Fold => world.store.fold(),
        Step::Rebuild => {
            let rebuilt = world.store.rebuild_projections().await;
            rebuilt.expect("it can be rebuilt");
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 24, ..ProptestConfig::default() })]

    #[test]
    fn what_is_read_beside_folds_trims_and_deletions_is_what_the_log_was_then(
        steps in prop::collection::vec(step(), 10..40),
        cache_bytes in prop_oneof![Just(0), Just(300 << 10), Just(40 << 20)],
    ) {
        let runtime = tokio::runtime::Builder::new_current_thread().build();
        runtime.expect("a runtime").block_on(run(steps, cache_bytes));
    }
}
