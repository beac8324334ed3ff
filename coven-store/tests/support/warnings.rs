//! Warnings of the log, counted.
#![allow(unreachable_pub)] // each test is a crate of its own

use std::sync::atomic::{AtomicUsize, Ordering};

/// Counts the warnings of a test that has this process to itself.
pub struct Warnings;

pub static WARNINGS: AtomicUsize = AtomicUsize::new(0);

/// How often it was found that the log is suspended still.
pub static STILL: AtomicUsize = AtomicUsize::new(0);

/// Where that is told, to who debugs it.
const SUSPENSION: &str = "coven_store::writer::suspension";

impl tracing::Subscriber for Warnings {
    fn enabled(&self, metadata: &tracing::Metadata<'_>) -> bool {
        *metadata.level() <= tracing::Level::WARN
            || *metadata.level() == tracing::Level::DEBUG && metadata.target() == SUSPENSION
    }

    fn new_span(&self, _: &tracing::span::Attributes<'_>) -> tracing::span::Id {
        tracing::span::Id::from_u64(1)
    }

    fn record(&self, _: &tracing::span::Id, _: &tracing::span::Record<'_>) {}

    fn record_follows_from(&self, _: &tracing::span::Id, _: &tracing::span::Id) {}

    fn event(&self, event: &tracing::Event<'_>) {
        let counter = match *event.metadata().level() {
            tracing::Level::DEBUG => &STILL,
            _ => &WARNINGS,
        };
        counter.fetch_add(1, Ordering::Relaxed);
    }

    fn enter(&self, _: &tracing::span::Id) {}

    fn exit(&self, _: &tracing::span::Id) {}
}
