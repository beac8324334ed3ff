//! A JSON list that is built item by item up to a bound in bytes.

use serde::Serialize;

/// A list, written as it grows.
#[derive(Debug)]
pub(crate) struct JsonList {
    json: Vec<u8>,
    items: usize,
    max_bytes: usize,
}

/// The item would pass the bound; the list is as it was.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Full;

impl JsonList {
    /// A list of at most `max_bytes`, its brackets included.
    pub(crate) fn new(max_bytes: usize) -> Self {
        Self {
            json: vec![b'['],
            items: 0,
            max_bytes,
        }
    }

    /// Adds an item.
    pub(crate) fn push<T: Serialize>(&mut self, item: &T) -> Result<(), Full> {
        let before = self.json.len();
        if self.items > 0 {
            self.json.push(b',');
        }
        serde_json::to_writer(&mut self.json, item).expect("a wire type has a JSON form");
        // Its closing bracket counts too.
        if self.json.len() + 1 > self.max_bytes {
            self.json.truncate(before);
            return Err(Full);
        }
        self.items += 1;
        Ok(())
    }

    pub(crate) const fn len(&self) -> usize {
        self.items
    }

    /// The list as JSON.
    pub(crate) fn finish(mut self) -> Vec<u8> {
        self.json.push(b']');
        self.json
    }

    /// The list between `before` and `after`, as one JSON text.
    pub(crate) fn within(self, before: &str, after: &str) -> Vec<u8> {
        let mut json = before.as_bytes().to_vec();
        json.extend_from_slice(&self.finish());
        json.extend_from_slice(after.as_bytes());
        json
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_never_passes_its_bound_and_stays_json() {
        for max_bytes in 2..40 {
            let mut list = JsonList::new(max_bytes);
            let taken = (0..20).take_while(|n| list.push(n).is_ok()).count();
            assert_eq!(list.len(), taken);
            let json = list.finish();
            assert!(json.len() <= max_bytes);
            let read: Vec<usize> = serde_json::from_slice(&json).unwrap();
            assert_eq!(read, (0..taken).collect::<Vec<_>>());
        }
    }
}
