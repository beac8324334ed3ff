//! Daemons, shims, disks and whole machines fail again and again under sessions that write and are
//! typed into: not a byte is lost or doubled that may not be, and nothing is left behind.
//!
//! `cargo test -p coven-cli --test chaos` does it in little. A name among the arguments picks tests, and
//! docs/reliability.md has what makes each of them longer. `COVEN_CHAOS_SEED=N` draws other lots.
#![forbid(unsafe_code)]

mod agent;
mod asking;
mod bound;
mod crowd;
mod daemons;
#[path = "../../../tests/shared/eventually.rs"]
mod eventually;
mod floods;
mod folding;
mod full_disk;
#[path = "../cli/home.rs"]
#[allow(dead_code)] // what other tests need of it
mod home;
mod left;
#[path = "../../../tests/shared/leftovers.rs"]
mod leftovers;
mod lot;
mod moment;
#[path = "../../../tests/shared/not_run.rs"]
mod not_run;
#[path = "../../../tests/shared/power_cut.rs"]
#[allow(dead_code)] // what other tests need of it
mod power_cut;
mod reboot;
mod sessions;
mod shims;
#[path = "../../../tests/shared/small_disk.rs"]
#[allow(dead_code)] // what other tests need of it
mod small_disk;
mod spool;
mod standing_still;
mod stopped;
mod typing;

/// The word by which this program is an agent.
const AGENT: &str = "be-the-agent";

/// A test: what it says of itself when all held.
type Test = fn() -> String;

macro_rules! tests {
    ($($file:ident::$name:ident,)*) => {
        const TESTS: &[(&str, Test)] = &[$((stringify!($name), $file::$name)),*];
    };
}

tests! {
    daemons::daemons_killed_at_random_under_twenty_sessions_cost_no_byte_no_input_and_leave_nothing,
    floods::daemons_killed_under_floods_lose_nothing_of_what_shims_have_given_up,
    shims::shims_killed_at_random_lose_their_sessions_and_nothing_that_was_in_a_spool,
    bound::at_its_bound_a_spool_has_its_agent_wait_and_nothing_is_lost,
    standing_still::a_daemon_that_stands_still_stalls_no_agent_before_the_spools_bound_and_loses_nothing,
    standing_still::a_shim_that_stands_still_stalls_its_own_agent_alone_and_loses_nothing,
    reboot::what_was_live_at_a_reboot_is_orphaned_with_its_spool_on_record_and_is_offered,
    reboot::under_another_boot_id_what_lives_is_taken_over_typed_to_and_ended_with_proof,
    reboot::a_kill_that_cannot_see_a_shim_which_lives_fails_and_the_next_daemon_ends_it,
    full_disk::daemons_killed_on_a_full_disk_cost_no_byte_and_no_input_once_there_is_room,
    full_disk::however_many_daemons_begin_on_a_disk_that_agents_filled_the_next_makes_room_on_it,
    crowd::under_five_hundred_sessions_that_write_daemons_die_and_cost_no_byte_and_no_input,
}

fn main() {
    let args: Vec<String> = std::env::args().skip(1).collect();
    if let [word, prompt, ..] = &args[..]
        && word == AGENT
    {
        return agent::run(prompt);
    }
    let has = |option: &str| args.iter().any(|arg| arg == option);
    let names: Vec<&String> = args.iter().filter(|arg| !arg.starts_with('-')).collect();
    let is_asked_for = |test: &str| {
        let fits = |name: &&String| test == **name || !has("--exact") && test.contains(&***name);
        names.is_empty() || names.iter().any(fits)
    };
    let asked: Vec<_> = TESTS
        .iter()
        .filter(|(name, _)| is_asked_for(name))
        .collect();
    if has("--list") {
        for (name, _) in asked {
            println!("{name}: test");
        }
        return;
    }
    println!("\nrunning {} tests, with seed {}", asked.len(), seed());
    for (name, test) in &asked {
        let begun = std::time::Instant::now();
        let said = test();
        let took = begun.elapsed().as_secs();
        println!("test {name} ... ok ({said}; {took} s)");
    }
    // In these words a test that runs itself once more looks for what came of it.
    println!("\ntest result: ok. {} passed\n", asked.len());
}

fn seed() -> u64 {
    number("COVEN_CHAOS_SEED").unwrap_or(1)
}

fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    Some(text.parse().expect("a number"))
}
