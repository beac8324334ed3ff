//! The variables a session does not inherit.

use std::ffi::OsStr;

/// Families of variables: Coven's own, and what terminals and multiplexers say of themselves.
/// A harness that believes them speaks to a terminal that is not there.
const PREFIXES: [&str; 12] = [
    "COVEN_",
    "TMUX",
    "ZELLIJ",
    "TERM_PROGRAM",
    "KITTY_",
    "WEZTERM_",
    "GHOSTTY_",
    "GNOME_TERMINAL_",
    "ALACRITTY_",
    "KONSOLE_",
    "ITERM_",
    "WT_",
];

/// Single variables.
const NAMES: [&str; 47] = [
    // Terminals and multiplexers, as above.
    "STY",
    "VTE_VERSION",
    "LC_TERMINAL",
    "LC_TERMINAL_VERSION",
    "INSIDE_EMACS",
    "CURSOR_TRACE_ID",
    "TERMINAL_EMULATOR",
    "TERMINATOR_UUID",
    "TERM_SESSION_ID",
    "TILIX_ID",
    "VSCODE_INJECTION",
    "WINDOWID",
    "XTERM_VERSION",
    "ZED_TERM",
    // The size and place of another terminal and directory.
    "COLUMNS",
    "LINES",
    "OLDPWD",
    // What Claude Code tells its own children: inside of one, it behaves differently.
    "AI_AGENT",
    "CLAUDECODE",
    "CLAUDE_CODE_CHILD_SESSION",
    "CLAUDE_CODE_ENTRYPOINT",
    "CLAUDE_CODE_EXECPATH",
    "CLAUDE_CODE_REMOTE_SESSION_ID",
    "CLAUDE_CODE_SESSION_ID",
    "CLAUDE_CODE_SESSION_KIND",
    "CLAUDE_CODE_SESSION_NAME",
    "CLAUDE_CODE_SPAWN_TIMESTAMP_MS",
    "CLAUDE_CODE_SSE_PORT",
    "CLAUDE_CODE_TMUX_SESSION",
    "CLAUDE_EFFORT",
    "CLAUDE_PROJECT_DIR",
    // What Codex tells its own children.
    "CODEX_CI",
    "CODEX_INTERNAL_ORIGINATOR_OVERRIDE",
    "CODEX_MANAGED_BY_BUN",
    "CODEX_MANAGED_BY_NPM",
    "CODEX_MANAGED_BY_PNPM",
    "CODEX_MANAGED_BY_VITE_PLUS",
    "CODEX_MANAGED_PACKAGE_ROOT",
    "CODEX_NETWORK_ALLOW_LOCAL_BINDING",
    "CODEX_NETWORK_PROXY_ACTIVE",
    "CODEX_NETWORK_PROXY_ATTRIBUTION",
    "CODEX_PERMISSION_PROFILE",
    "CODEX_SANDBOX",
    "CODEX_SANDBOX_NETWORK_DISABLED",
    "CODEX_SESSION_ID",
    "CODEX_THREAD_ID",
    "CODEX_TOOL_CALL_ID",
];

/// Whether a session does not inherit the variable of this name.
pub(super) fn contains(name: &OsStr) -> bool {
    let name = name.as_encoded_bytes();
    PREFIXES
        .iter()
        .any(|prefix| name.starts_with(prefix.as_bytes()))
        || NAMES.iter().any(|removed| name == removed.as_bytes())
}
