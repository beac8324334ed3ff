//! Medians, and the lines that `benches/run` makes a table of.

use std::time::Duration;

/// One line: what, figure, verdict; separated by tabs.
pub(crate) fn line(what: &str, figure: &str, verdict: &str) {
    println!("{what}\t{figure}\t{verdict}");
}

pub(crate) fn median(values: &[f64]) -> f64 {
    quantile(values, 0.5)
}

pub(crate) fn quantile(values: &[f64], at: f64) -> f64 {
    let mut sorted = values.to_vec();
    sorted.sort_by(f64::total_cmp);
    let last = sorted.len() - 1;
    sorted[(last as f64 * at).round() as usize]
}

pub(crate) fn millis(time: Duration) -> f64 {
    time.as_secs_f64() * 1e3
}
