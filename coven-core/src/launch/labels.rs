//! Labels: words a caller pins to a session.

use crate::{Refusal, limits};

/// One label: 1 to 64 bytes of `[A-Za-z0-9._:-]`.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Label(String);

impl Label {
    fn parse(text: &str) -> Result<Self, Refusal> {
        let fits = (1..=limits::MAX_LABEL_BYTES).contains(&text.len());
        if fits
            && text
                .bytes()
                .all(|b| b.is_ascii_alphanumeric() || b"._:-".contains(&b))
        {
            Ok(Self(text.to_owned()))
        } else {
            let problem = "must hold labels of 1 to 64 characters of A-Z a-z 0-9 . _ : -";
            Err(Refusal::invalid("labels", text, problem))
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

/// All labels of a session: at most 16, no two the same, in the caller's order.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Labels(Vec<Label>);

impl Labels {
    /// Checks labels that came from outside.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `labels`.
    pub fn parse<T: AsRef<str>>(texts: &[T]) -> Result<Self, Refusal> {
        if texts.len() > limits::MAX_LABELS {
            let problem = "must hold at most 16 labels";
            return Err(Refusal::invalid_list("labels", texts, problem));
        }
        let mut labels: Vec<Label> = Vec::with_capacity(texts.len());
        for text in texts {
            let label = Label::parse(text.as_ref())?;
            if labels.contains(&label) {
                return Err(Refusal::invalid(
                    "labels",
                    label.as_str(),
                    "must not hold a label twice",
                ));
            }
            labels.push(label);
        }
        Ok(Self(labels))
    }

    /// Each, in order.
    pub fn iter(&self) -> impl Iterator<Item = &Label> {
        self.0.iter()
    }

    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }
}
