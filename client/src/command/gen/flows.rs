//! Which way to log in, when nobody says.

use oidc_proto::message::Flow;

use super::arguments::{FlowArg, GenArgs};

/// The ways to log in, the best first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Choice {
    /// For the agent, in order.
    pub flows: Vec<Flow>,
    /// Why the device flow comes first, if nobody asked for it.
    pub reason: Option<&'static str>,
}

/// The ways for an account. `client` are those that the client is known to be good for; empty when not known.
pub fn choose(args: &GenArgs, client: &[String], is_mytoken: bool, has_display: bool) -> Choice {
    let given = |flows: Vec<Flow>| Choice { flows, reason: None };
    if !args.login.flow.is_empty() {
        return given(args.login.flow.iter().map(|flow| flow.wire()).collect());
    }
    if has_refresh_token(args) {
        return given(vec![Flow::Refresh]);
    }
    if is_mytoken {
        return given(vec![Flow::MytokenOidc]);
    }
    if wants_password(args) {
        return given(vec![Flow::Password]);
    }
    let mut flows: Vec<_> = client.iter().filter_map(|name| Flow::parse(name)).collect();
    if flows.is_empty() {
        flows = vec![Flow::Code, Flow::Device];
    }
    let browser_here = has_display && !args.login.no_url_call;
    if !has_display {
        flows.sort_by_key(|flow| *flow != Flow::Device);
    }
    let reason = (!browser_here && flows.first() == Some(&Flow::Device) && flows.len() > 1)
        .then_some("there is no display here for a browser (--flow=code logs in by a browser all the same)");
    Choice { flows, reason }
}

/// Whether the refresh token is given instead of a login.
pub fn has_refresh_token(args: &GenArgs) -> bool {
    args.login.rt.is_some()
}

/// Whether the login may spend the refresh token that the account has.
pub fn spends_stored_token(args: &GenArgs) -> bool {
    args.login.flow.contains(&FlowArg::Refresh) && !has_refresh_token(args)
}

/// Whether the password grant (RFC 6749 section 4.3) is asked for; it is never chosen by itself.
pub fn wants_password(args: &GenArgs) -> bool {
    let login = &args.login;
    if login.flow.is_empty() {
        login.op_username.is_some() || login.op_password.is_some()
    } else {
        login.flow.contains(&FlowArg::Password)
    }
}

/// Whether the login may come to need a redirect URI.
pub fn may_use_browser(args: &GenArgs) -> bool {
    if args.login.flow.is_empty() {
        !has_refresh_token(args) && !wants_password(args)
    } else {
        args.login.flow.contains(&FlowArg::Code)
    }
}

impl FlowArg {
    /// The same for the agent.
    pub fn wire(self) -> Flow {
        match self {
            Self::Code => Flow::Code,
            Self::Device => Flow::Device,
            Self::Password => Flow::Password,
            Self::Refresh => Flow::Refresh,
            Self::ClientCredentials => Flow::ClientCredentials,
            Self::TokenExchange => Flow::TokenExchange,
            Self::JwtBearer => Flow::JwtBearer,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn choice(args: &GenArgs, client: &[&str], has_display: bool) -> Vec<Flow> {
        let client: Vec<_> = client.iter().map(|name| (*name).to_owned()).collect();
        choose(args, &client, false, has_display).flows
    }

    #[test]
    fn a_browser_is_used_where_there_is_one() {
        let args = GenArgs::default();
        assert_eq!(choice(&args, &[], true), [Flow::Code, Flow::Device]);
        assert_eq!(choice(&args, &[], false), [Flow::Device, Flow::Code]);
        assert_eq!(choice(&args, &["device"], true), [Flow::Device]);
        assert_eq!(choice(&args, &["code"], false), [Flow::Code]);
        assert!(choose(&args, &[], false, false).reason.is_some());
        assert!(choose(&args, &[], false, true).reason.is_none());
    }

    #[test]
    fn what_is_asked_for_is_done() {
        let mut args = GenArgs::default();
        args.login.op_username = Some("u".to_owned());
        assert_eq!(choice(&args, &[], true), [Flow::Password]);
        args.login.rt = Some("r".into());
        assert_eq!(choice(&args, &[], true), [Flow::Refresh]);
        args.login.flow = vec![FlowArg::Device, FlowArg::Code];
        assert_eq!(choice(&args, &["code"], true), [Flow::Device, Flow::Code]);
        assert!(!wants_password(&args) && may_use_browser(&args));
    }
}
