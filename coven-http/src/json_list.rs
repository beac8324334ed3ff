//! A JSON list that is built item by item up to a bound in bytes.

use serde::Serialize;

/// Bytes there is room for at first: most lists fit, and a long one is not moved often.
const FIRST_BYTES: usize = 16 << 10;

/// A list, written as it grows, at its place in a JSON text.
#[derive(Debug)]
pub(crate) struct JsonList {
    json: Vec<u8>,
    items: usize,
    /// Of the text up to here, the list's closing bracket not counted.
    max_bytes: usize,
}

/// The item would pass the bound; the list is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl JsonList {
    /// A list of at most `max_bytes`, its brackets included, that comes after `before`.
    pub(crate) fn new(before: &str, max_bytes: usize) -> Self {
        let mut json = Vec::with_capacity(FIRST_BYTES);
        json.extend_from_slice(before.as_bytes());
        json.push(b'[');
        Self {
            json,
            items: 0,
            max_bytes: before.len() + max_bytes - 1,
        }
    }

    /// Adds an item.
    pub(crate) fn push<T: Serialize>(&mut self, item: &T) -> Result<(), Full> {
        let before = self.json.len();
        if self.items > 0 {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, item).expect("a wire type has a JSON form");
        if self.json.len() > self.max_bytes {
            self.json.truncate(before);
            return Err(Full);
        }
        self.items += 1;
        Ok(())
    }

    pub(crate) const fn len(&self) -> usize {
        self.items
    }

    /// The whole text: what came before, the list, and `after`.
    pub(crate) fn finish(mut self, after: &str) -> Vec<u8> {
        self.json.push(b']');
        self.json.extend_from_slice(after.as_bytes());
        self.json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_never_passes_its_bound_and_stays_json() {
        for max_bytes in 2..40 {
            let mut list = JsonList::new("{\"list\":", max_bytes);
            let taken = (0..20).take_while(|n| list.push(n).is_ok()).count();
            assert_eq!(list.len(), taken);
            let json = list.finish("}");
            assert!(json.len() <= max_bytes + "{\"list\":}".len());
            let read: serde_json::Value = serde_json::from_slice(&json).unwrap();
            assert_eq!(
                read["list"],
                serde_json::json!((0..taken).collect::<Vec<_>>())
            );
        }
    }
}
