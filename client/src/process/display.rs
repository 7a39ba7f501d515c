//! Whether this process belongs to a desktop session.

use std::env;

/// Whether a program can show a window here: where `DISPLAY` or `WAYLAND_DISPLAY` is set and not empty, and always on
/// macOS.
pub fn has_display() -> bool {
    let is_set = |name: &str| env::var_os(name).is_some_and(|value| !value.is_empty());
    cfg!(target_os = "macos") || is_set("DISPLAY") || is_set("WAYLAND_DISPLAY")
}
