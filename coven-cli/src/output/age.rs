//! How long ago something was.

/// The time since `then` in its largest unit: `12s`, `5m`, `3h`, `2d`. Both are nanoseconds since
/// the epoch; a moment ahead of us (a clock that was set back) is `0s`. The epoch itself stands for a moment
/// that is not known, as of a session that was salvaged without its beginning: `?`.
pub(crate) fn age(then: i64, now: i64) -> String {
    if then == 0 {
        return "?".to_owned();
    }
    let seconds = now.saturating_sub(then).max(0) / 1_000_000_000;
    match seconds {
        0..60 => format!("{seconds}s"),
        60..3_600 => format!("{}m", seconds / 60),
        3_600..86_400 => format!("{}h", seconds / 3_600),
        _ => format!("{}d", seconds / 86_400),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_age_is_told_in_its_largest_unit() {
        for (seconds, text) in [
            (-5, "0s"),
            (59, "59s"),
            (60, "1m"),
            (3_599, "59m"),
            (86_399, "23h"),
            (8_640_000, "100d"),
        ] {
            assert_eq!(age(1, seconds * 1_000_000_000 + 1), text);
        }
    }

    #[test]
    fn how_old_is_what_has_no_time_is_not_known() {
        assert_eq!(age(0, 5_000_000_000), "?");
    }
}
