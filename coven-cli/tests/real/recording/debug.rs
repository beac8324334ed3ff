//! A fault is looked for in logs, and found.

use super::script::{Ask, Script, Step::*};

pub(super) const SCRIPT: &Script = &[
    Ask {
        prompt: "One of the property tests fails about once in fifty runs on CI. Find out which and why",
        steps: &[
            Run(
                "Let me see it for myself before I read anything.",
                "for i in 1 2 3; do bash ./check coven-core/tests; done",
                "Run the tests three times",
            ),
            Run(
                "",
                "cat coven-core/tests/properties.rs",
                "Read the properties",
            ),
            Run(
                "The histories come from a generator; that is where chance gets in.",
                "ls coven-core/tests/*/ && cat coven-core/tests/support/*.rs | head -300",
                "Read the generator",
            ),
            Say(r#"
I have a suspect, and it is not the code under test.

**Observation.** The run fails only together with a *shrunk* history that has an `Output` of zero bytes. The generator
makes those with probability 1/256 per event, and a history has about eight events, of which three are output: one
history in ninety has one. With 64 histories per run and the failure needing an `Exited` right after it, "once in
fifty runs" is about right.

**Theory.** A property says that the outputs of a history are contiguous: `offset + bytes` is the next offset. With an
empty output that still holds. But the check folds with `windows(2)` over the *outputs only*, and an empty one makes
two neighbours with the same offset, so the "strictly increasing" half fails:

```rust
for pair in outputs.windows(2) {
    let [before, after] = pair else { unreachable!() };
    assert_eq!(before.offset + before.bytes, after.offset);   // holds
    assert!(before.offset < after.offset);                    // does not, where before.bytes == 0
}
```

**Test of the theory.** If I am right, then forbidding empty output in the generator makes the failure vanish, and
forcing one makes it certain. I would do the second: a certain failure is worth more than an absent one.

What should happen is a question for you. Either

- an empty output is *legal*, and the property should say `<=`; or
- it is a bug to record one, and `decide` should drop it before it becomes an event.

The documents lean to the second: "what came" is recorded, and nothing came.
"#),
        ],
    },
    Ask {
        prompt: "It should never be recorded. Where would you refuse it? Compare the candidates",
        steps: &[
            Read("", "coven-core/src/decide/observe.rs"),
            Run(
                "",
                "cat coven-core/src/event.rs; cat coven-core/src/command.rs | head -80",
                "What an output event carries",
            ),
            Say(r#"
There are four places, from the outside in:

| where | catches | costs | verdict |
|---|---|---|---|
| the reader of the terminal | a read of 0 bytes, which means the end, not "nothing" | nothing, it must tell the two apart anyway | already right |
| `gather` in the session's task | a batch whose reads were all queries that were answered for the agent | one `is_empty` | **where it comes from** |
| `decide::observe` | every caller, also tests and the demo | one line | **where the law belongs** |
| `Event::Output`'s constructor | everything, even replay | old logs that hold one would not open | no |

The last is tempting, since it would make the illegal state impossible to write down. But a log is for ever: if any
version ever wrote an empty output, refusing to read it turns a blemish into a session that cannot be opened. *Be
strict in what you decide, lenient in what you fold.*

So: filter in `observe`, and let the generator go on making empty output, now as a **command** that must come to
nothing:

```rust
#[test]
fn output_of_nothing_is_no_event() {
    given([created(), started(7)])
        .when(observed(b""))
        .then_nothing();
}
```

A word on `OutputClosed`: it carries the total, so a closed session with no output at all has `bytes: 0` there. That
is a fact about the *end*, not an empty output, and stays.

By the way, reading `observe.rs` I noticed that its header promises the cut happens "between characters", while the
function it calls says "at most three bytes back". Both are true for UTF-8, and only the second for anything else.
"#),
        ],
    },
    Ask {
        prompt: "Raise the label limit to 32 while you are there and tell me everything that notices",
        steps: &[
            Read("", "coven-core/src/limits.rs"),
            Edit(
                "",
                "coven-core/src/limits.rs",
                "/// Labels of one session.\npub const MAX_LABELS: usize = 16;\n",
                "/// Labels of one session: sixteen for people, and as many again for the tools that pin their own.\npub const MAX_LABELS: usize = 32;\n",
            ),
            Run(
                "",
                "grep -rn -i '16 labels\\|at most 16\\|MAX_LABELS' . --include=*.rs --include=*.md",
                "Find what states the old limit",
            ),
            Run("", "bash ./check .", "Run everything"),
            Say(r#"
Three places state the number in words and would now lie:

1. `coven-core/src/launch/labels.rs`, the doc comment of `Labels`: *"at most 16, no two the same"*.
2. The same file, the refusal: `"must hold at most 16 labels"`. Clients show this to people.
3. `docs/http.md`, the row of `labels` in the launch request.

And one place notices without saying so: the row of a record in the log holds its labels as a list, so 32 labels of
64 bytes make it 2.1 kB instead of 1.1 kB. A page of the record table holds half as many such records. That is only
true of sessions that use them, and nobody does today, so I would not worry; but the benchmark of "newest 100 of a
million sessions" should get a variant with full labels, else we will not notice if this ever matters.

- [x] the constant and its reason
- [ ] the two texts in `labels.rs`; better made from the constant, so that they cannot lie again
- [ ] the table in `docs/http.md`
- [ ] the benchmark

Text made from a constant is a little awkward as `concat!` does not take `const`s. What works without a dependency:

```rust
fn too_many() -> String {
    format!("must hold at most {} labels", limits::MAX_LABELS)
}
```

which is made only when it is needed, on the path that fails anyway.
"#),
        ],
    },
    Ask {
        prompt: "Explain the log format to me as if I had to write a reader in Python",
        steps: &[
            Run("", "cat docs/log-format.md", "Read the format"),
            Say(r##"
Think of two key-value files that belong together. You need a redb reader for Python (there is none; you would bind
the Rust one), and after that it is only bytes.

```python
import struct, zlib, lz4.block

def varint(buffer, at):
    shift = value = 0
    while True:
        byte = buffer[at]; at += 1
        value |= (byte & 0x7F) << shift
        if byte < 0x80:
            return value, at
        shift += 7

def sealed(value: bytes, place: bytes) -> bytes:
    body, crc = value[:-4], struct.unpack("<I", value[-4:])[0]
    if zlib.crc32(place + body) != crc:
        raise ValueError(f"damaged at {place.hex()}")
    return body

def segment(slot: int, first: int, value: bytes):
    body = sealed(value, struct.pack(">QQ", slot, first))
    assert body[0] == 1, "another version"
    codec, at = body[1], 2
    last, at = varint(body, at)
    count, at = varint(body, at)
    size, at = varint(body, at)
    has_output, at = body[at], at + 1
    if has_output:
        offset, at = varint(body, at)
    raw = body[at:]
    if codec == 1:
        raw = lz4.block.decompress(raw, uncompressed_size=size)
    seq, at = first, 0
    for _ in range(count):
        step, at = varint(raw, at)
        length, at = varint(raw, at)
        seq += step
        yield seq, raw[at:at + length]
        at += length
```

The order of reading matters more than the code:

1. Open the **cold file** first and remember its `folded` mark.
2. Then the **journal**; skip every group at or before that position. It was folded already and merely not removed.
3. Between 1 and 2 nobody may write. Take the home's lock, or read a copy.

What you must *not* do is to trust the indexes. `by_created`, `output` and the like can be made again from the rest,
so a reader that wants to be right walks `segments`, and uses an index only to be fast.

> If you find a segment under a key that its checksum does not accept, stop and say which. The place is a part of the
> checksum exactly so that a value which wandered is not taken for its neighbour.
"##),
        ],
    },
    Ask {
        prompt: "Last one: what are we exposed to security-wise? A full write-up",
        steps: &[Read("", "SECURITY.md"), Quote("SECURITY.md", 1..=75)],
    },
];
