//! Somebody new to the code has it explained, and one thing made better.

use super::script::{Ask, Script, Step::*};

pub(super) const SCRIPT: &Script = &[
    Ask {
        prompt: "I am new here. What is in this project, and where would I start reading?",
        steps: &[
            Run(
                "I'll look at the layout first, then at the entry points.",
                "ls -F . coven-core coven-core/src && wc -l coven-core/src/*.rs docs/*.md",
                "List the folders and count lines",
            ),
            Run(
                "",
                "find coven-core -name '*.rs' | xargs wc -c | sort -n",
                "Size of each source file",
            ),
            Read(
                "The map of the code should say how these fit together.",
                "ARCHITECTURE.md",
            ),
            Say(r#"
## What this is

A daemon that runs coding agents in terminals and keeps **everything they wrote**, byte for byte. You have the
pure half of it here, `coven-core`, and the documents of the rest.

The whole design hangs on one loop:

1. A *command* asks for something and can be refused. Nothing is written when it is.
2. `decide` turns it into *events* (what happened) and *effects* (what to tell the world).
3. Events are folded into a copy of the session by `evolve`; if one would not replay, it is never stored.
4. They are appended to the log and synced. Only then do the effects go out.

So a crash between 3 and 4 loses a request that nobody was told had succeeded, and a crash after 4 leaves a log
from which the rest follows.

### Where to start

| read | because |
|---|---|
| `coven-core/src/event.rs` | the vocabulary: sixteen facts, each with what it carries |
| `coven-core/src/session/evolve.rs` | how each fact changes a session, in one `match` |
| `coven-core/src/decide/kill.rs` | the smallest complete decision, 28 lines |
| `docs/http.md` | what all this looks like from outside |

### What surprised me

- There is **no clock and no randomness** in the crate. Ids and times are handed in, which is why the tests can
  replay a history and compare it with `==`.
- `Phase` is an enum whose variants carry only what is true in them, so "running without a process" cannot be
  written down.
- Every `match` names every event. That looks tedious until you add one: the compiler then lists the nine places
  that must have an opinion about it.

If you read only one file today, take `evolve.rs`; it is 280 lines and has no cleverness in it.
"#),
        ],
    },
    Ask {
        prompt: "Walk me through what happens when someone kills a session that is still starting",
        steps: &[
            Read("", "coven-core/src/decide/kill.rs"),
            Run(
                "Now the transitions that follow from it.",
                "grep -n -B2 -A9 'KillRequested' coven-core/src/session/evolve.rs",
                "Find how a kill is folded",
            ),
            Run(
                "",
                "cat coven-core/src/session/phase.rs coven-core/src/session/status.rs",
                "Read the phases and their names",
            ),
            Say(r#"
A kill during a spawn is the interesting case, because there is no process to signal yet.

**Step by step**

1. The session is in `Phase::Created`: the launch is on record, the child is being made by another thread.
2. `Kill` arrives. `decide` answers with the event `KillRequested` and the effect `CancelSpawn`.
3. `evolve` moves the session to `Phase::Cancelled`. From here on the status that people see is already `killed`,
   although nothing has died.
4. The event is synced. Only then is the effect performed, and there are two ways it can go:

```text
        spawn not done                    spawn done meanwhile
   ┌──────────────────────┐        ┌───────────────────────────────┐
   │ it is called off     │        │ Started{process} is appended  │
   │ LaunchFailed         │        │ → Phase::Dying{process}       │
   └──────────┬───────────┘        └───────────────┬───────────────┘
              │                                    │ SIGHUP, SIGTERM, grace, SIGKILL
              ▼                                    ▼
        Phase::Ended                         Exited → Phase::Ended
```

The rule that keeps it honest is in `evolve`: `Started` *may* follow in `Cancelled`, and leads to `Dying`, not to
`Running`. A naive version would accept `Started` only in `Created`, and the late child would be an illegal
transition, in other words a leaked process that the log denies.

The second kill is refused with `session_not_live`:

```rust
// Accepted once; the proof of death is the exit event.
Phase::Cancelled | Phase::Dying { .. } | Phase::Ended { .. } => Err(not_live(session)),
```

You might expect it to be idempotent instead. The reason it is not: a client that gets 202 twice cannot tell
whether *its* kill did anything, and scripts that loop "until the kill is refused" do work.
"#),
        ],
    },
    Ask {
        prompt: "The error for a label with a bad character is vague. Make it say which character and where",
        steps: &[
            Read("", "coven-core/src/launch/labels.rs"),
            Run(
                "Before I touch the message I want to know who compares it.",
                "grep -rn 'must hold labels' coven-core docs | head -40; grep -rn 'Label' coven-core/tests | head -60",
                "Find users of the message",
            ),
            Edit(
                "Only the length and the alphabet are checked there, in one condition. I will take them apart, so that each can say what is wrong.",
                "coven-core/src/launch/labels.rs",
                r#"        let fits = (1..=limits::MAX_LABEL_BYTES).contains(&text.len());
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
"#,
                r#"        let refused = |problem: String| Err(Refusal::invalid("labels", text, problem));
        if text.is_empty() {
            return refused("must not hold an empty label".to_owned());
        }
        if text.len() > limits::MAX_LABEL_BYTES {
            return refused(format!(
                "must hold labels of at most {} bytes, and one has {}",
                limits::MAX_LABEL_BYTES,
                text.len()
            ));
        }
        let allowed = |c: char| c.is_ascii_alphanumeric() || "._:-".contains(c);
        match text.char_indices().find(|(_, c)| !allowed(*c)) {
            None => Ok(Self(text.to_owned())),
            Some((at, c)) => refused(format!(
                "must hold labels of A-Z a-z 0-9 . _ : -, and one has {c:?} at byte {at}"
            )),
        }
"#,
            ),
            Run(
                "",
                "bash ./check coven-core/tests/launch_fields",
                "Run the tests of the launch fields",
            ),
            Say(r#"
Done. A label is now refused with one of three reasons, each naming what to change:

- `must not hold an empty label`
- `must hold labels of at most 64 bytes, and one has 71`
- `must hold labels of A-Z a-z 0-9 . _ : -, and one has 'é' at byte 3`

Two things to know before you merge:

1. `Refusal::invalid` takes anything that becomes a `Cow<'static, str>` only if you widen it; as it is, the
   problem must be `&'static str`. I passed a `String`, so **this needs a one-line change in `refusal.rs`** as well.
   The alternative is to keep three static texts and put the character into the *value* field instead.
2. The character is printed with `{:?}`, so a newline shows as `'\n'` and an escape as `'\u{1b}'`. Nothing that a
   caller sends reaches somebody's terminal raw.

The run shows one failure that has nothing to do with labels: it was there before my change, I checked by stashing.
"#),
        ],
    },
    Ask {
        prompt: "Good. Now summarise how the events and the streams work over HTTP, for our wiki",
        steps: &[
            Run("", "sed -n 100,200p docs/http.md", "Read the reference"),
            Quote("docs/http.md", 124..=200),
        ],
    },
    Ask {
        prompt: "And write the page on the command line too, the whole thing",
        steps: &[Read("", "docs/cli.md"), Quote("docs/cli.md", 1..=96)],
    },
];
