//! `oidc helper kubectl`: a credential plugin of Kubernetes' clients (`ExecCredential`, `client.authentication.k8s.io`), in `v1`
//! and `v1beta1`, as the client asks.

use std::env;

use clap::Parser;
use jiff::Timestamp;
use oidc_proto::json::Object;
use serde_json::{Value, json};
use zeroize::Zeroizing;

use super::{
    arguments::HelperArgs,
    hand_over::{For, asking_process, hand_over},
    pasted,
};
use crate::{
    cli::options::Common,
    context::{Command, Context, error::Error},
    say::exit::Exit,
};

/// Where the client says what it wants.
const EXEC_INFO: &str = "KUBERNETES_EXEC_INFO";
/// The longest such text that is read, in bytes.
const MAX_INFO: usize = 1024 * 1024;
const GROUP: &str = "client.authentication.k8s.io/";
/// What is answered to a client that says nothing.
const NEWEST: &str = "client.authentication.k8s.io/v1";
/// Seconds before its end at which the client shall ask again: clocks differ, and requests are under way for a while.
const MARGIN: u64 = 30;

/// Give kubectl the token for a cluster, as an exec credential plugin
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
Example: what this prints belongs into ~/.kube/config; many clusters want the ID token:
  oidc helper kubectl --account ACCOUNT --id-token --print-config

Kubectl runs the helper for https servers only, and once more when the server refuses the token.")]
pub struct KubectlArgs {
    #[command(flatten)]
    pub helper: HelperArgs,
}

impl Command for KubectlArgs {
    fn common(&self) -> &Common {
        &self.helper.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        if self.helper.print_config {
            return self.print_config(context);
        }
        let asked = Asked::read(env::var(EXEC_INFO).ok().as_deref())?;
        let host = asked.server.as_deref().and_then(authority);
        let chosen = self.helper.require(host, context)?;
        let wanted = For {
            program: "kubectl",
            destination: asked.server.as_deref().unwrap_or("kubectl"),
            sign: asking_process(),
            may_ask: asked.may_ask,
        };
        let handed = hand_over(&self.helper, &chosen, wanted, context)?;
        let ends = handed.expires_at.map(|at| at.saturating_sub(MARGIN));
        let ends = ends.and_then(|at| Timestamp::from_second(at.try_into().ok()?).ok());
        // Only what cannot break out of the text is in the token.
        let text = Zeroizing::new(format!(
            "{{\"apiVersion\":{},\"kind\":\"ExecCredential\",\"status\":{{{}\"token\":\"{}\"}}}}\n",
            Value::from(asked.api_version.as_str()),
            ends.map(|ends| format!("\"expirationTimestamp\":\"{ends}\",")).unwrap_or_default(),
            *handed.token
        ));
        Ok(context.output.result(&text)?)
    }
}

impl KubectlArgs {
    /// YAML takes JSON's texts.
    fn print_config(&self, context: &mut Context) -> Result<(), Error> {
        let account = pasted::require_account(&self.helper)?;
        let words = pasted::words("kubectl", &self.helper)?;
        let quoted = |text: &str| json!(text).to_string();
        let arguments: Vec<_> = words[1..].iter().map(|word| format!("      - {}\n", quoted(word))).collect();
        let text = format!(
            "users:\n- name: {}\n  user:\n    exec:\n      apiVersion: {NEWEST}\n      command: {}\n      args:\n{}      \
             interactiveMode: IfAvailable\n      provideClusterInfo: true\n",
            quoted(&format!("oidc-{account}")),
            quoted(&words[0]),
            arguments.concat()
        );
        Ok(context.output.result(&text)?)
    }
}

/// What a client wants.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Asked {
    api_version: String,
    /// With `provideClusterInfo`.
    server: Option<String>,
    may_ask: bool,
}

impl Asked {
    fn read(info: Option<&str>) -> Result<Self, Error> {
        let Some(info) = info.filter(|info| !info.is_empty()) else {
            return Ok(Self { api_version: NEWEST.to_owned(), server: None, may_ask: true });
        };
        let wrong = |what: &str| Error::Other(Exit::Usage, format!("{EXEC_INFO} {what}"));
        if info.len() > MAX_INFO {
            return Err(wrong("is too long"));
        }
        let object = Object::parse(info.as_bytes()).map_err(|_| wrong("is no JSON object"))?;
        if object.text("kind").as_deref() != Some("ExecCredential") {
            return Err(wrong("asks for something else than an ExecCredential"));
        }
        let api_version = object.text("apiVersion").unwrap_or_default();
        if !matches!(api_version.strip_prefix(GROUP), Some("v1" | "v1beta1")) {
            return Err(wrong(&format!(
                "asks for apiVersion '{api_version}'; {GROUP}v1 and {GROUP}v1beta1 are known: write one of them into the kubeconfig"
            )));
        }
        let spec = object.members().get("spec").cloned().unwrap_or_default();
        let server = spec["cluster"]["server"].as_str().filter(|server| server.len() <= 1024);
        // Older clients do not say.
        let may_ask = spec["interactive"].as_bool().unwrap_or(true);
        Ok(Self { api_version: api_version.into_owned(), server: server.map(str::to_owned), may_ask })
    }
}

/// The host of an address, with its port where one is named.
fn authority(address: &str) -> Option<&str> {
    let rest = address.strip_prefix("https://")?;
    rest.split(['/', '?', '#']).next().filter(|host| !host.is_empty())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_version_asked_for_is_answered() {
        let v1 = r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1","spec":{"interactive":false,
                     "cluster":{"server":"https://k.example:6443"}}}"#;
        let beta =
            r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1beta1","spec":{}}"#;
        for (info, version, server, may_ask) in [
            (None, "v1", None, true),
            (Some(""), "v1", None, true),
            (Some(v1), "v1", Some("https://k.example:6443"), false),
            (Some(beta), "v1beta1", None, true),
        ] {
            let asked = Asked::read(info).expect("known");
            assert_eq!(asked.api_version, format!("{GROUP}{version}"));
            assert_eq!((asked.server.as_deref(), asked.may_ask), (server, may_ask));
        }
        for (info, says) in [
            ("x", "JSON"),
            ("[]", "JSON"),
            (r#"{"kind":"Pod"}"#, "something else"),
            (r#"{"kind":"ExecCredential","apiVersion":"client.authentication.k8s.io/v1alpha1"}"#, "v1alpha1"),
        ] {
            let error = Asked::read(Some(info)).expect_err(info);
            assert!(error.to_string().contains(says), "{error}");
        }
        assert_eq!(authority("https://k.example:6443/x"), Some("k.example:6443"));
        assert_eq!(authority("http://k.example"), None);
    }
}
