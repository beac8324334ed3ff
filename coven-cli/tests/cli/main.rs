//! The built `coven`, from outside: real homes, real daemons, real terminals, agents of `/bin/sh`.
#![forbid(unsafe_code)]

mod amiss;
mod asked_again;
mod bad_imports;
mod bookmark;
mod broken_off;
mod configuration;
mod daemon;
mod damaged;
mod damaged_spool;
mod demo;
mod detached;
mod dying_daemon;
#[path = "../../../tests/shared/eventually.rs"]
mod eventually;
mod exact;
mod fake_daemon;
mod file_size_limit;
mod foreign_format;
mod home;
mod home_trust;
mod interrupted;
mod irregular;
mod kill;
mod killed_at_once;
#[path = "../../../tests/shared/leftovers.rs"]
mod leftovers;
mod live;
mod lost_log;
#[path = "../../../tests/shared/not_run.rs"]
mod not_run;
mod offline;
mod out_of_reach;
mod outlives;
mod permissions;
mod portable;
#[path = "../../../tests/shared/power_cut.rs"]
mod power_cut;
mod reading;
mod reconnect;
mod removed_folder;
mod resume;
mod resume_once;
mod retention;
mod run;
mod service;
mod sessions;
mod several;
mod silent_socket;
mod stalled;
mod stop_kill;
mod stop_races;
mod store;
mod suspending;
mod terminal;
mod trimmed_meanwhile;
mod undelivered;
#[path = "../../../tests/shared/unkillable.rs"]
mod unkillable;
mod unrecorded;
mod unserved;
mod without_daemon;
