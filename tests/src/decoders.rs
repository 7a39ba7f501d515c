//! What the fuzz targets check of each decoder: one function for each kind of bytes that come from outside. Any bytes are
//! decoded or refused, and what was understood holds together. `fuzz/` feeds them with what a fuzzer invents,
//! `tests/tests/decoders.rs` with the seeds and with what was found before.

#![allow(clippy::missing_panics_doc, reason = "a panic is a finding")]

use oidc_agent::{
    accounts::HandedOn,
    login::redirected::Redirected,
    process::succession::state::State,
    provider::{ProviderData, ProviderMetadata},
    settings::options::Options,
};
use oidc_proto::{
    account::AccountConfig,
    channel::{AgentChannel, AgentStep, ClientChannel, ClientStep},
    client_key::ClientKey,
    config,
    custom_parameters::{CustomParameters, RequestKind},
    destination::{self, Operation},
    distinguished_name::DistinguishedName,
    files::{Surroundings, TokenFiles, entry::Entry},
    framing::{Expected, Frame, Scanner},
    helpers::{HelperHosts, HelpersError},
    home::Home,
    issuers::{self, Issuers},
    message::{AccountReport, AgentStatus, IssuerInfos, ProviderReport, Reply, Request, ResetReport},
    rotation,
    secret::{RefreshToken, SecretText},
    shortname::Shortname,
    token::{KeySet, Kind, check_signature, find, in_words, judge},
    vault::{self, FileKey, Phrase, VaultError},
};
use serde_json::{Value, json};
use tempfile::TempDir;

#[path = "../../client/src/cli/getopt.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of the client, which is no library")]
mod getopt;

#[path = "../../client/src/command/helper/git/attributes.rs"]
#[allow(dead_code, unreachable_pub, reason = "a module of the client, which is no library")]
mod attributes;

/// A decoder's name, as of its fuzz target, and its check.
pub type Check = (&'static str, fn(&[u8]));

/// Every decoder.
pub const CHECKS: &[Check] = &[
    ("account", account),
    ("agent_state", agent_state),
    ("beside", beside),
    ("client_key", client_key),
    ("config", config),
    ("custom_parameters", custom_parameters),
    ("destination", destination),
    ("distinguished_name", distinguished_name),
    ("files", files),
    ("framing", framing),
    ("getopt", getopt),
    ("git_credential", git_credential),
    ("helper_hosts", helper_hosts),
    ("issuer_data", issuer_data),
    ("message", message),
    ("provider_metadata", provider_metadata),
    ("redirected", redirected),
    ("token", token),
    ("vault", vault),
];

/// A `config` file: any bytes are a configuration or not, and what guards something never becomes laxer by what cannot be
/// read.
pub fn config(text: &[u8]) {
    let directory = TempDir::new().expect("a directory");
    let path = directory.path().join("config");
    fs_err::write(&path, text).expect("written");
    let read = config::Config::read([path], None);
    for key in config::KEYS {
        let setting = read.setting(key);
        assert!(setting.value == key.built_in() || setting.source.is_some(), "{key}");
        if setting.is_guess {
            assert!(key.guard != config::Guard::None && !read.problems().is_empty(), "{key}");
        }
    }
}

/// The JSON text of an account: any bytes parse or are refused, and what is written reads back the same.
pub fn account(text: &[u8]) {
    let Ok(account) = AccountConfig::parse(text) else { return };
    let again = AccountConfig::parse(account.to_json().as_bytes()).expect("our own text parses");
    assert_eq!(again, account);
    let _ = format!("{account:?}");
}

/// What one version of the agent hands on to the next: any bytes are a state or not, and what is understood says the same when it is
/// written again.
pub fn agent_state(text: &[u8]) {
    let Ok(state) = State::parse(text) else { return };
    if let Ok(options) = Options::default().handed_on(&state.options) {
        assert_eq!(Options::default().handed_on(&options.hand_on()), Ok(options));
    }
    for connection in &state.connections {
        let Some(channel) = connection.object("channel").as_ref().and_then(AgentChannel::handed_on) else {
            continue;
        };
        let again = channel.hand_on().expect("it goes on");
        let mut channel = AgentChannel::handed_on(&again).expect("its own words");
        let _ = channel.receive(b"{}");
    }
    if let Some(accounts) = state.handler.object("accounts") {
        let _ = HandedOn::read(accounts);
    }
    let again = state.into_object().to_json();
    let state = State::parse(again.as_bytes()).expect("its own words");
    assert_eq!(state.into_object().to_json(), again);
}

/// The address of a service: any text is one or none, its normal form stays as it is and says the same, and what is derived can stand in a list of scopes.
pub fn destination(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let wishes = [Operation::Read, Operation::Create].map(Into::into);
    let Ok(derived) = destination::derive(text, &wishes, &[]) else { return };
    let again = destination::derive(&derived.address.to_string(), &wishes, &[]).expect("an address");
    assert_eq!((&again.audience, &again.scopes), (&derived.audience, &derived.scopes));
    for word in derived.scopes.iter().chain([&derived.audience]) {
        assert!(word.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"\\".contains(&byte)), "{word}");
        assert!(!word.split('/').any(|component| component == ".."), "{word}");
    }
}

/// What git asks its credential helper: it is read or refused, and values are single lines within bounds.
pub fn git_credential(text: &[u8]) {
    let Ok(asked) = attributes::Attributes::parse(text) else { return };
    let _ = format!("{asked:?}");
    for name in ["host", "protocol", "username", "password", "path"] {
        let Some(value) = asked.get(name) else { continue };
        assert!(value.len() <= 65535 && !value.contains(['\n', '\0']), "{name}");
    }
    assert!(asked.all("state[]").len() <= 256);
}

/// Which account is for which host: the file is read as a whole or refused with a line that it has, and no entry fits everything.
pub fn helper_hosts(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    match HelperHosts::parse(text) {
        Ok(hosts) => {
            for host in &hosts.hosts {
                assert!(
                    !host.account.trim().is_empty()
                        && host.host.bytes().any(|byte| byte.is_ascii_alphanumeric())
                );
            }
            assert_eq!(hosts.find(""), None);
            let _ = (hosts.find("git.example:8443"), hosts.find("[::1]:1"));
        }
        Err(HelpersError::Line(line, problem)) => {
            assert!(line >= 1 && line <= text.lines().count().max(1) + 1 && !problem.is_empty(), "{line}");
        }
        Err(other) => panic!("{other}"),
    }
}

/// What a site adds to requests: entries are used or told with a line that the text has, and what a request is made of is none.
pub fn custom_parameters(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let (parameters, problems) = CustomParameters::parse(text);
    for (line, problem) in problems {
        assert!(line >= 1 && line <= text.lines().count().max(1) + 1 && !problem.is_empty(), "{line}");
    }
    let found = parameters.matching("https://op.example", Some("x"), RequestKind::Refresh);
    assert!(found.iter().all(|entry| entry.parameter != "client_id"));
}

/// The subject of a certificate as LDAP writes it: it is read or refused, and what is shown is one line of printable ASCII.
pub fn distinguished_name(text: &[u8]) {
    let Some(name) = std::str::from_utf8(text).ok().and_then(DistinguishedName::parse) else { return };
    let shown = name.with_slashes();
    assert!(shown.starts_with('/') && shown.bytes().all(|byte| matches!(byte, b' '..=b'~')), "{shown}");
}

/// A configuration of managed token files: it is read, with one origin for each entry and each name once, or refused with problems that show no control characters. The same text as the OSG renewer's configuration.
pub fn files(text: &[u8]) {
    let Ok(text) = std::str::from_utf8(text) else { return };
    let directory = std::path::Path::new("/home/me/.config/oidc-agent");
    let surroundings = Surroundings {
        uid: 1000,
        user: Some("me".into()),
        home: Some("/home/me".into()),
        runtime_dir: Some("/run/user/1000".into()),
        system: "/nonexistent".into(),
    };
    if let Ok(osg) = oidc_proto::files::osg::parse(text) {
        let _ = oidc_proto::files::to_toml(&osg);
    }
    match TokenFiles::parse(&directory.join("files.toml"), text, directory, &surroundings) {
        Ok(files) => {
            assert_eq!(files.entries.len(), files.origins.len());
            let names: std::collections::HashSet<_> = files.entries.iter().map(|entry| &entry.name).collect();
            assert_eq!(names.len(), files.entries.len());
            for entry in &files.entries {
                let json = serde_json::to_string(entry).expect("an entry as JSON");
                assert_eq!(serde_json::from_str::<Entry>(&json).expect("the same entry"), *entry);
            }
        }
        Err(problems) => {
            assert!(!problems.0.is_empty());
            assert!(!problems.to_string().contains('\u{1b}'), "{problems}");
        }
    }
}

/// Bytes from a socket: where a message ends does not depend on how they were cut, and both sides of a channel survive whatever comes. The first byte says where to cut.
pub fn framing(bytes: &[u8]) {
    let Some((cut, stream)) = bytes.split_first() else { return };
    let at = usize::from(*cut).min(stream.len());
    for expected in [Expected::Opening, Expected::Sealed, Expected::SealedOrObject] {
        let whole = Scanner::new(expected, 0).scan(stream);
        let mut scanner = Scanner::new(expected, 0);
        let in_parts = match scanner.scan(&stream[..at]) {
            Ok(None) => scanner.scan(stream),
            done => done,
        };
        assert_eq!(in_parts, whole);
        if let Ok(Some(frame)) = whole {
            let (Frame::Object(range) | Frame::PublicKey(range) | Frame::Sealed { cipher: range, .. }) =
                frame;
            assert!(range.end <= stream.len());
        }
    }
    let chunks = [&stream[..at], &stream[at..]];
    agent(AgentChannel::new(), &chunks);
    let mut keyed = AgentChannel::new();
    keyed.receive(&ClientChannel::sealed(Request::Check.to_json()).1);
    agent(keyed, &chunks);
    client(ClientChannel::sealed(Request::Check.to_json()).0, &chunks);
    client(ClientChannel::in_clear(Request::Check.to_json()).0, &chunks);
}

fn agent(mut channel: AgentChannel, chunks: &[&[u8]]) {
    for chunk in chunks {
        if let AgentStep::Send(_) = channel.receive(chunk) {
            channel.receive(b"");
        }
    }
    let _ = channel.end_of_stream();
}

fn client(mut channel: ClientChannel, chunks: &[&[u8]]) {
    for chunk in chunks {
        if let Ok(ClientStep::Send(_)) = channel.receive(chunk) {
            let _ = channel.receive(b"");
        }
    }
    let _ = channel.end_of_stream();
}

/// The text of a request or reply: any bytes parse or are refused, what is written is strict JSON and reads back the same, and a reply has `error` exactly when it is a failure.
pub fn message(text: &[u8]) {
    match Request::parse(text) {
        Ok(request) => {
            assert_eq!(Request::parse(request.to_json().as_bytes()).as_ref(), Ok(&request));
            let _ = format!("{request:?}");
        }
        Err(failure) => check(&failure.into()),
    }
    if let Ok(reply) = Reply::parse(text) {
        check(&reply);
    }
}

fn check(reply: &Reply) {
    let json = reply.to_json();
    let strict: Value = serde_json::from_str(&json).expect("strict JSON");
    assert_eq!(strict.get("error").is_some(), matches!(reply, Reply::Failure(_)));
    assert_eq!(Reply::parse(json.as_bytes()).as_ref(), Ok(reply));
    if let Reply::Success { info: Some(info) } = reply {
        let _ = (AgentStatus::from_info(info), IssuerInfos::from_info(info), ResetReport::from_info(info));
        let _ = (AccountReport::from_info(info), ProviderReport::from_info(info));
    }
    let _ = format!("{reply:?}");
}

/// What is shipped; read once.
static PROVIDERS: std::sync::LazyLock<ProviderData> = std::sync::LazyLock::new(ProviderData::default);

/// A provider's metadata document: any bytes parse or are refused, and what was understood reads back the same.
pub fn provider_metadata(document: &[u8]) {
    let Ok(metadata) = ProviderMetadata::parse(document) else { return };
    let understood = json!({
        "issuer": metadata.issuer,
        "authorization_endpoint": metadata.authorization_endpoint,
        "token_endpoint": metadata.token_endpoint,
        "registration_endpoint": metadata.registration_endpoint,
        "revocation_endpoint": metadata.revocation_endpoint,
        "device_authorization_endpoint": metadata.device_authorization_endpoint,
        "userinfo_endpoint": metadata.userinfo_endpoint,
        "introspection_endpoint": metadata.introspection_endpoint,
        "jwks_uri": metadata.jwks_uri,
        "scim_endpoint": metadata.scim_endpoint,
        "scopes_supported": metadata.scopes_supported,
        "grant_types_supported": metadata.grant_types_supported,
        "response_types_supported": metadata.response_types_supported,
        "token_endpoint_auth_methods_supported": metadata.token_endpoint_auth_methods_supported,
        "id_token_signing_alg_values_supported": metadata.id_token_signing_alg_values_supported,
        "code_challenge_methods_supported": metadata.code_challenge_methods_supported,
        "authorization_response_iss_parameter_supported": metadata.authorization_response_iss_parameter_supported,
    });
    let again = ProviderMetadata::parse(understood.to_string().as_bytes()).expect("our own text parses");
    assert_eq!(again, metadata);
    let quirks = |metadata: &ProviderMetadata| PROVIDERS.quirks(&metadata.issuer, metadata);
    assert_eq!(quirks(&metadata), quirks(&again));
}

/// Keys that no file in the seeds has.
const KEYS: [&str; 3] = [
    r#"{"kind":"native","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","slots":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","generation":1}"#,
    r#"{"kind":"oidc-agent","salt":"AAAAAAAAAAAAAAAAAAAAAA","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
    r#"{"kind":"oidc-agent-hex","hex_key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA","salt":"AAAAAAAAAAAAAAAAAAAAAA","key":"AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA"}"#,
];

/// Account files of every format, without key derivations: telling the format, all parsers, and opening with kept keys and
/// with a recovery phrase; and the phrase itself.
pub fn vault(bytes: &[u8]) {
    let format = vault::format_of(bytes);
    let inspected = vault::inspect(bytes);
    if let (Ok(format), Ok(inspected)) = (&format, &inspected) {
        assert_eq!(format, inspected);
    }
    if vault::header(bytes).is_some() {
        assert_eq!(format, Ok(vault::Format::Native));
    }
    let phrase =
        Phrase::parse(&format!("{} wrong", ["zoo"; 11].join(" "))).expect("BIP-39's vector of 128 ones");
    assert!(vault::unlock_with_phrase(bytes, &phrase).is_err(), "opened by chance");
    for text in KEYS {
        let key = FileKey::from_text(&SecretText::from(text)).expect("a key");
        if let Ok(account) = key.open(bytes) {
            panic!("opened by chance: {account:?}");
        }
    }
    if let Ok(text) = std::str::from_utf8(bytes) {
        if let Ok(phrase) = Phrase::parse(text) {
            assert_eq!(*Phrase::parse(&phrase.expose()).expect("our own words").expose(), *phrase.expose());
        }
        match FileKey::from_text(&SecretText::from(text)) {
            Ok(key) => assert!(FileKey::from_text(&key.to_text()).is_ok()),
            Err(error) => assert!(matches!(error, VaultError::Damaged(_))),
        }
    }
}

/// The issuer data of a person, as text and as JSON: they load or are a problem, and adding and removing an account changes
/// nothing else, whatever stands there.
pub fn issuer_data(text: &[u8]) {
    let (_place, home) = home_with("issuer.config", text);
    let name: Shortname = "acc".parse().expect("a name");
    let load = || Issuers::load_from(Some(&home), std::path::Path::new("/nonexistent"));
    let before = load();
    let was_there = String::from_utf8_lossy(text).contains("acc");
    if matches!(issuers::add_account(&home, "https://op.example/", &name), Ok(true)) {
        let after = load();
        assert_eq!(after.problems().len(), before.problems().len(), "what could be read can still be read");
        for issuer in before.iter() {
            assert!(after.get(&issuer.issuer).is_some(), "{} is lost", issuer.issuer);
        }
        if !was_there {
            assert!(
                matches!(issuers::remove_account(&home, &name), Ok(true)),
                "what was added can be removed"
            );
        }
    } else {
        assert_eq!(
            fs_err::read(home.path().join("issuer.config")).expect("the file"),
            text,
            "a failure changes nothing"
        );
    }
}

/// A private key in PEM or as a JWK: one that is understood signs, and its public part is no private key.
pub fn client_key(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    let Ok(key) = ClientKey::parse(&SecretText::from(text)) else { return };
    for algorithm in key.algorithms() {
        assert!(key.sign(algorithm, b"x").is_ok(), "{algorithm}");
    }
    let public = key.public_jwk().to_string();
    assert!(ClientKey::parse(&SecretText::new(public)).is_err(), "the public part is a private key");
}

/// The file beside an account's, and what it gives for a token that it was not made for.
pub fn beside(bytes: &[u8]) {
    let (_place, home) = home_with(".acc.rotated", bytes);
    let found = rotation::beside(&home, &"acc".parse().expect("a name"), &RefreshToken::from("rt"));
    assert!(!matches!(found, Ok(Some(_))), "opened by chance");
}

/// The address that a browser was sent to.
pub fn redirected(bytes: &[u8]) {
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    for redirected in
        [Redirected::parse_url(&SecretText::from(text)), Redirected::parse_query(text)].into_iter().flatten()
    {
        assert!(text.len() >= redirected.state.expose().len());
        let _ = format!("{redirected:?}");
    }
}

/// Command lines by the rules of GNU getopt: each argument on a line.
pub fn getopt(bytes: &[u8]) {
    use clap::{Arg, ArgAction, Command};
    use std::{ffi::OsStr, os::unix::ffi::OsStrExt};

    let command = Command::new("x").no_binary_name(true).args([
        Arg::new("flag").short('f').long("flag").action(ArgAction::SetTrue),
        Arg::new("value").short('v').long("value").num_args(1),
        Arg::new("optional")
            .short('o')
            .long("optional")
            .num_args(0..=1)
            .require_equals(true)
            .default_missing_value("x"),
        Arg::new("rest").num_args(0..),
    ]);
    let arguments = bytes.split(|byte| *byte == b'\n').map(|argument| OsStr::from_bytes(argument).to_owned());
    let Ok(getopt::Rewritten::Arguments(rewritten)) = getopt::rewrite(&command, arguments, false) else {
        return;
    };
    // What was rewritten is in the one spelling that stays as it is.
    let again = getopt::rewrite(&command, rewritten.clone(), true);
    assert_eq!(again, Ok(getopt::Rewritten::Arguments(rewritten)));
}

/// An oidc-agent directory with one file in it.
fn home_with(file: &str, bytes: &[u8]) -> (TempDir, Home) {
    let place = TempDir::new().expect("a directory");
    fs_err::write(place.path().join(file), bytes).expect("a file");
    let home = Home::at(place.path());
    (place, home)
}

/// What somebody inspects: any bytes hold tokens or something else, a token that was found is one by itself, and nothing
/// that is said of it holds its signature. The same bytes as keys are a set or none.
pub fn token(text: &[u8]) {
    let keys = KeySet::parse(text);
    let found = match find(text) {
        Ok(found) => found,
        Err(instead) => {
            assert!(!instead.to_string().is_empty());
            return;
        }
    };
    for found in &found.tokens {
        let bare = found.token.expose();
        let again = find(bare.as_bytes()).expect("a token by itself");
        assert_eq!(again.tokens[0].token.expose(), bare);
        let kind = Kind::of(&found.token, found.found_as);
        let expected = oidc_proto::token::Expected {
            now: 1_795_600_060,
            issuer: Some("https://op.example"),
            audiences: &[],
        };
        let mut problems = judge(&found.token, &kind, expected);
        problems.extend(keys.as_ref().and_then(|keys| check_signature(&found.token, keys)));
        let said = format!("{kind} {problems:?} {found:?}");
        if let Some((_, signature)) =
            bare.rsplit_once('.').filter(|(rest, end)| end.len() > 40 && rest.contains('.'))
        {
            assert!(found.token.signed().is_none() || !said.contains(signature));
        }
        let scopes = found.token.signed().map(|jwt| jwt.scopes().into_iter().filter_map(in_words).count());
        assert!(scopes.is_none_or(|count| count <= bare.len()));
    }
}
