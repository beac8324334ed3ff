//! Every bound of the domain, with its unit and its reason.

/// Bytes of one `input`: a large paste, and little enough to hold in memory.
pub const MAX_INPUT_BYTES: usize = 1 << 20;

/// Bytes of input accepted but not yet taken by the session's process. Over it, input is refused.
pub const MAX_UNDELIVERED_INPUT_BYTES: usize = 1 << 20;

/// Bytes of answers to terminal queries that wait for the session's process to read: more than any asks for
/// before it reads. What one asks over it is not answered.
pub const MAX_WAITING_ANSWER_BYTES: usize = 64 << 10;

/// Inputs accepted but not yet taken by the session's process, however small: each takes some memory
/// beside its bytes. Over it, input is refused.
pub const MAX_UNDELIVERED_INPUTS: usize = 4096;

/// Bytes of a prompt that can be one argument: Linux's `MAX_ARG_STRLEN` (128 KiB) less the NUL.
pub const MAX_ARGUMENT_BYTES: usize = 131_071;

/// Bytes of a prompt by whatever route: what the harnesses take on stdin.
pub const MAX_PROMPT_BYTES: usize = 1 << 20;

/// Characters of a title made from a prompt's first line.
pub const TITLE_CHARS: usize = 80;

/// Bytes of a title that somebody gave.
pub const MAX_TITLE_BYTES: usize = 1024;

/// Characters of the prompt that a record carries; the whole is in the `created` event.
pub const PROMPT_HEAD_CHARS: usize = 200;

/// Labels of one session.
pub const MAX_LABELS: usize = 16;

/// Bytes of one label.
pub const MAX_LABEL_BYTES: usize = 64;

/// Bytes of a session's id.
pub const MAX_ID_BYTES: usize = 128;

/// Bytes of a conversation's id: the harnesses' own are UUIDs, callers may say more.
pub const MAX_CONVERSATION_ID_BYTES: usize = 256;

/// Bytes of a client's name.
pub const MAX_CLIENT_NAME_BYTES: usize = 256;

/// Bytes of an idempotency key.
pub const MAX_IDEMPOTENCY_KEY_BYTES: usize = 128;

/// Variables of a launch's environment: far over any real one.
pub const MAX_ENV_VARS: usize = 4096;

/// Directories a launch policy may add: each is looked at, and is an argument.
pub const MAX_ADDED_DIRS: usize = 64;

/// Bytes of one output event's data when encoded as JSON (`payload_json`): known clients ignore
/// larger ones. The cut is made when the event is written, see
/// [`decide::output_cut`](crate::decide::output_cut).
pub const MAX_OUTPUT_PAYLOAD_BYTES: usize = 60_000;
