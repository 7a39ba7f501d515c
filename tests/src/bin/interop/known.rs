//! What does not work yet, and where: server, step, and a sentence for the table in `docs/providers.md`. The run fails on a
//! defect that is not listed here, and on an entry whose step works.

/// One defect.
pub struct Known {
    pub server: &'static str,
    pub step: &'static str,
    pub what: &'static str,
}

pub const KNOWN: &[Known] = &[];
