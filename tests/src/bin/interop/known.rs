//! What does not work yet, and where: server, step, and a sentence for the table in `docs/providers.md`. The run fails on a
//! defect that is not listed here, and on an entry whose step works.

/// One defect.
pub struct Known {
    pub server: &'static str,
    pub step: &'static str,
    pub what: &'static str,
}

const NO_AUTHORITY_OPTION: &str =
    "An authority that is not known is told in the TLS library's words, without `--cp`.";
const OPENID_IN_REGISTRATION: &str =
    "Keycloak's policy refuses the scope `openid` in a registration; it is not tried again without.";

pub const KNOWN: &[Known] = &[
    Known {
        server: "Keycloak",
        step: "wrong CA: the text names `--cp`, nothing is left",
        what: NO_AUTHORITY_OPTION,
    },
    Known {
        server: "Hydra",
        step: "wrong CA: the text names `--cp`, nothing is left",
        what: NO_AUTHORITY_OPTION,
    },
    Known {
        server: "Dex",
        step: "wrong CA: the text names `--cp`, nothing is left",
        what: NO_AUTHORITY_OPTION,
    },
    Known {
        server: "oidc-provider",
        step: "wrong CA: the text names `--cp`, nothing is left",
        what: NO_AUTHORITY_OPTION,
    },
    Known {
        server: "Keycloak",
        step: "newcomer without a client: an account, or the way to one",
        what: "Told that registration is refused, but not that an initial access token (`--at`) would help.",
    },
    Known { server: "Keycloak", step: "`gen` by code, registered client", what: OPENID_IN_REGISTRATION },
    Known { server: "Keycloak", step: "`gen` by device, registered client", what: OPENID_IN_REGISTRATION },
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
