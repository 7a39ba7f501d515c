//! Descriptors that this program was given and has no use for.

/// Closes whatever is open but the standard streams, so that nobody waits for the end of a pipe that a program in the
/// background holds. To be called before anything is opened.
pub fn close_inherited() {
    let Ok(entries) = fs_err::read_dir("/proc/self/fd") else { return };
    let open: Vec<i32> = entries
        .flatten()
        .filter_map(|entry| entry.file_name().to_str()?.parse().ok())
        .filter(|descriptor| *descriptor > 2)
        .collect();
    for descriptor in open {
        // The one that listed them is closed already.
        let _ = nix::unistd::close(descriptor);
    }
}
