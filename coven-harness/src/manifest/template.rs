//! Argument templates: a command line with places for what a launch brings.

use std::fmt;
use std::ops::Range;

use coven_core::{ConversationId, Model, Refusal};
use serde::de::{SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, de};
use toml::Spanned;

use crate::{CommandLine, Wiring};

const PROMPT: &str = "{prompt}";
const MODEL: &str = "{model}";
const CONVERSATION: &str = "{conversation}";
const TWO_HYPHENS: &str = "--";

/// The most arguments, and the most bytes of one: far over any real need.
const MAX_ARGUMENTS: usize = 256;
pub(super) const MAX_ARGUMENT_BYTES: usize = 4096;

/// Arguments with places for the prompt, the model and the conversation's id.
#[derive(Debug)]
pub(super) struct Template {
    items: Vec<Item>,
    takes_model: bool,
    takes_conversation: bool,
}

#[derive(Debug)]
enum Item {
    /// An argument; it may hold [`CONVERSATION`].
    Word(String),
    /// The whole prompt, and what stands right before it.
    Prompt {
        /// What keeps it from being read as an option.
        guard: Guard,
    },
    /// Arguments that hold [`MODEL`]; left out where a launch names no model.
    WithModel(Vec<String>),
}

/// What keeps a prompt that starts with a hyphen from being read as an option.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Guard {
    /// `--`, which goes where the prompt goes.
    TwoHyphens,
    /// Nothing.
    None,
}

/// How the prompt is to be in a template.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PromptPlace {
    /// Once, as an argument of its own.
    Argument,
    /// Not at all: it comes by stdin.
    Stdin,
}

/// An element of an `args` list: a string, or a list of strings.
#[derive(Debug)]
pub(super) enum Element {
    Word(String),
    Group(Vec<String>),
}

/// What is wrong with a template, and where.
#[derive(Debug)]
pub(super) struct Flaw {
    pub(super) span: Range<usize>,
    pub(super) problem: String,
}

impl Template {
    /// Checks a list of elements. `whole` is the place of the list.
    pub(super) fn parse(
        list: Spanned<Vec<Spanned<Element>>>,
        prompt: PromptPlace,
    ) -> Result<Self, Flaw> {
        let whole = list.span();
        let flaw = |span: Range<usize>, problem: &str| Flaw {
            span,
            problem: problem.to_owned(),
        };
        let mut items = Vec::new();
        for element in list.into_inner() {
            let span = element.span();
            let item =
                Item::parse(element.into_inner()).map_err(|problem| Flaw { span, problem })?;
            match (items.last(), item) {
                (Some(Item::Word(word)), Item::Prompt { .. }) if word == TWO_HYPHENS => {
                    items.pop();
                    let guard = Guard::TwoHyphens;
                    items.push(Item::Prompt { guard });
                }
                (_, item) => items.push(item),
            }
        }
        let count = |wanted: fn(&Item) -> bool| items.iter().filter(|item| wanted(item)).count();
        if items.len() > MAX_ARGUMENTS {
            return Err(flaw(whole, "has more than 256 elements"));
        }
        match (prompt, count(|item| matches!(item, Item::Prompt { .. }))) {
            (PromptPlace::Argument, 1) | (PromptPlace::Stdin, 0) => {}
            (PromptPlace::Argument, 0) => {
                let problem = "must hold \"{prompt}\", or the mode must say prompt = \"stdin\"";
                return Err(flaw(whole, problem));
            }
            (PromptPlace::Argument, _) => {
                return Err(flaw(whole, "must hold \"{prompt}\" only once"));
            }
            (PromptPlace::Stdin, _) => {
                let problem = "must not hold \"{prompt}\", since the prompt comes by stdin";
                return Err(flaw(whole, problem));
            }
        }
        Ok(Self {
            takes_model: count(|item| matches!(item, Item::WithModel(_))) > 0,
            takes_conversation: count(Item::holds_conversation) > 0,
            items,
        })
    }

    /// Whether a launch may name a model.
    pub(super) const fn takes_model(&self) -> bool {
        self.takes_model
    }

    /// Whether the harness is told which conversation it is.
    pub(super) const fn takes_conversation(&self) -> bool {
        self.takes_conversation
    }

    /// The command line with everything in its place. The prompt is put in where the template has
    /// a place for it; without one the place is left out, and `--` right before it with it.
    ///
    /// # Errors
    /// [`Refusal::Invalid`] naming `prompt` or `conversation.id` where it starts with a hyphen and
    /// would be read as an option.
    pub(super) fn fill(
        &self,
        wiring: Wiring,
        prompt: Option<&str>,
        model: Option<&Model>,
        conversation: &ConversationId,
    ) -> Result<CommandLine, Refusal> {
        if self.takes_conversation && conversation.as_str().starts_with('-') {
            let problem = "must not start with a hyphen for this harness";
            return Err(Refusal::invalid(
                "conversation.id",
                conversation.as_str(),
                problem,
            ));
        }
        let mut line = CommandLine::new(wiring);
        for item in &self.items {
            line = match item {
                Item::Word(word) => line.args([word.replace(CONVERSATION, conversation.as_str())]),
                Item::Prompt { guard } => match (guard, prompt) {
                    (_, None) => line,
                    (Guard::TwoHyphens, Some(prompt)) => line.args([TWO_HYPHENS]).prompt(prompt),
                    (Guard::None, Some(prompt)) if prompt.starts_with('-') => {
                        let problem = "must not start with a hyphen for this harness: its \
                                       manifest has no \"--\" before the prompt";
                        return Err(Refusal::invalid("prompt", prompt, problem));
                    }
                    (Guard::None, Some(prompt)) => line.prompt(prompt),
                },
                Item::WithModel(words) => match model {
                    Some(model) => {
                        line.args(words.iter().map(|w| w.replace(MODEL, model.as_str())))
                    }
                    None => line,
                },
            };
        }
        Ok(line)
    }
}

impl Item {
    fn parse(element: Element) -> Result<Self, String> {
        match element {
            Element::Word(word) if word == PROMPT => Ok(Self::Prompt { guard: Guard::None }),
            Element::Word(word) => {
                check_word(&word)?;
                if word.contains(MODEL) {
                    return Err("must have {model} in a list of its own, such as \
                                [\"--model\", \"{model}\"], which is left out without a model"
                        .to_owned());
                }
                Ok(Self::Word(word))
            }
            Element::Group(words) => {
                words.iter().try_for_each(|word| check_word(word))?;
                if words.iter().any(|word| word.contains(CONVERSATION)) {
                    return Err("must not have {conversation} in an inner list".to_owned());
                }
                if !words.iter().any(|word| word.contains(MODEL)) {
                    return Err(
                        "must have {model} in every inner list: one is left out where a \
                                launch names no model"
                            .to_owned(),
                    );
                }
                Ok(Self::WithModel(words))
            }
        }
    }

    fn holds_conversation(&self) -> bool {
        matches!(self, Self::Word(word) if word.contains(CONVERSATION))
    }
}

fn check_word(word: &str) -> Result<(), String> {
    if word.contains('\0') || word.len() > MAX_ARGUMENT_BYTES {
        return Err("must not hold a NUL, nor be over 4096 bytes long".to_owned());
    }
    if word.contains(PROMPT) {
        return Err("must have {prompt} as a whole argument, not as a part of one".to_owned());
    }
    match placeholders(word).find(|place| ![MODEL, CONVERSATION].contains(place)) {
        Some(other) => Err(format!(
            "has {other}, which is no place: there are {PROMPT}, {MODEL} and {CONVERSATION}"
        )),
        None => Ok(()),
    }
}

/// What looks like a place: lower-case letters and underscores in braces.
fn placeholders(word: &str) -> impl Iterator<Item = &str> {
    word.match_indices('{').filter_map(|(open, _)| {
        let close = open + word[open..].find('}')?;
        let name = &word[open + 1..close];
        let is_place =
            !name.is_empty() && name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_');
        is_place.then_some(&word[open..=close])
    })
}

impl<'de> Deserialize<'de> for Element {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct ElementVisitor;

        impl<'de> Visitor<'de> for ElementVisitor {
            type Value = Element;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a string, or a list of strings")
            }

            fn visit_str<E: de::Error>(self, word: &str) -> Result<Element, E> {
                Ok(Element::Word(word.to_owned()))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut words: A) -> Result<Element, A::Error> {
                let mut group = Vec::new();
                while let Some(word) = words.next_element()? {
                    group.push(word);
                }
                Ok(Element::Group(group))
            }
        }

        deserializer.deserialize_any(ElementVisitor)
    }
}
