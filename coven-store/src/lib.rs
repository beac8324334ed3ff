//! The log: every event of every session, append-only and durable, and the records derived from
//! it, in two redb files: a journal that takes every commit, and a cold file it is folded into.
//!
//! ```text
//! append ──queue──▶ writer thread ──one transaction──▶ journal ──▶ tail in memory ──▶ answers, wake-ups
//!                                                                    │      │
//!                            cold file ◀──one transaction── folder ◀─┘      ▼
//!                                └─────────────────────────────────────▶ read, list, output …
//! ```
//!
//! Start reading at [`Store`]; `layout.rs` has the tables, `writer.rs` the thread that commits,
//! `folder.rs` the one that folds, `stored.rs` what the bytes mean.
#![forbid(unsafe_code)]

mod batch;
mod checkup;
mod cold;
mod compact;
mod database;
mod error;
#[cfg(test)]
mod failing_disk;
mod fault;
mod file;
mod fit;
mod folder;
#[cfg(test)]
mod golden;
mod health;
mod import;
mod inspect;
mod journal;
mod layout;
pub mod limits;
mod opening;
mod options;
mod pages;
mod pool;
#[cfg(test)]
mod power_loss;
mod projection;
mod raw;
mod read;
mod rows;
mod salvage;
mod store;
mod stored;
mod tail;
#[cfg(test)]
mod test_support;
mod wake;
mod writer;

// The tests' shared support speaks of this crate by its name.
#[cfg(test)]
extern crate self as coven_store;

pub use batch::{Appended, Batch, NewEvent, Urgency};
pub use checkup::{glance, inspect, is_unfinished};
pub use database::catches_panics;
pub use error::{AppendError, Damage, OpenError, ReadError, StorageFault};
pub use health::{StoreHealth, WriterState};
pub use import::{Import, ImportError};
pub use inspect::{Finding, Findings, LogFile, Loss, Progress};
pub use options::{AtClose, Options};
pub use read::{
    AllPage, Archived, Listing, Lost, OutputChunk, OutputEvent, Page, Position, ReadLimit,
};
pub use salvage::{Changed, SalvageError, Salvaged, SetAside, Untied, salvage};
pub use store::Store;

/// The format of the log's file that this version writes, and the newest it reads.
pub const FORMAT: u32 = 3;
