//! A request's query: raw text, no percent-decoding, the first `key=value` of a key wins.

use coven::Refusal;

/// A query as it came.
#[derive(Clone, Copy, Debug, Default)]
pub(crate) struct Query<'a>(&'a str);

impl<'a> Query<'a> {
    pub(crate) fn new(raw: Option<&'a str>) -> Self {
        Self(raw.unwrap_or_default())
    }

    /// The value of `key`, if it is there.
    pub(crate) fn get(self, key: &str) -> Option<&'a str> {
        self.0
            .split('&')
            .filter_map(|pair| pair.split_once('='))
            .find_map(|(name, value)| (name == key).then_some(value))
    }

    /// A whole number, zero or more.
    pub(crate) fn number(self, key: &'static str) -> Result<Option<u64>, Refusal> {
        self.get(key).map(|text| number(key, text)).transpose()
    }

    /// `true` or `false`.
    pub(crate) fn flag(self, key: &'static str) -> Result<Option<bool>, Refusal> {
        let parse = |text: &str| match text {
            "true" => Ok(true),
            "false" => Ok(false),
            other => Err(Refusal::invalid(key, other, "must be true or false")),
        };
        self.get(key).map(parse).transpose()
    }
}

/// A whole number, zero or more, of the field `field`: digits and nothing else.
pub(crate) fn number(field: &'static str, text: &str) -> Result<u64, Refusal> {
    let digits = !text.is_empty() && text.bytes().all(|b| b.is_ascii_digit());
    digits
        .then(|| text.parse().ok())
        .flatten()
        .ok_or_else(|| Refusal::invalid(field, text, "must be a whole number"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_first_value_of_a_key_wins_and_nothing_is_decoded() {
        let query = Query::new(Some("a=1&b&=x&a=2&c=%41&d="));
        assert_eq!(query.get("a"), Some("1"));
        assert_eq!(query.get("b"), None);
        assert_eq!(query.get("c"), Some("%41"));
        assert_eq!(query.get("d"), Some(""));
        assert_eq!(Query::new(None).get("a"), None);
    }

    #[test]
    fn a_number_is_digits_and_nothing_else() {
        for bad in [
            "",
            "-1",
            "+1",
            " 1",
            "1.0",
            "0x1",
            "99999999999999999999",
            "%31",
        ] {
            let raw = format!("limit={bad}");
            let refused = Query::new(Some(&raw)).number("limit").unwrap_err();
            assert!(refused.to_string().starts_with("limit "), "{bad}");
        }
        let number = Query::new(Some("limit=007")).number("limit");
        assert_eq!(number, Ok(Some(7)));
    }

    #[test]
    fn a_flag_is_one_of_two_words() {
        assert_eq!(Query::new(Some("f=true")).flag("f"), Ok(Some(true)));
        assert_eq!(Query::new(Some("f=false")).flag("f"), Ok(Some(false)));
        assert_eq!(Query::new(Some("g=1")).flag("f"), Ok(None));
        assert!(Query::new(Some("f=1")).flag("f").is_err());
    }
}
