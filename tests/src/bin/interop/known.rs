//! What does not work yet, and where: server, step, and a sentence for the table in `docs/providers.md`. The run fails on a
//! defect that is not listed here, and on an entry whose step works.

/// One defect.
pub struct Known {
    pub server: &'static str,
    pub step: &'static str,
    pub what: &'static str,
}

pub const KNOWN: &[Known] = &[
    Known {
        server: "Dex",
        step: "`gen` by device, given client with a secret",
        what: "Dex wants the client's secret in the form of the device request; it is sent in a header.",
    },
    Known {
        server: "Dex",
        step: "logins revoked by an administrator: exit 7 and the way back",
        what: "Dex answers `invalid_request` for a refresh token that is gone, which is not recognised.",
    },
];
