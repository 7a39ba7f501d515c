//! Generators of messages: every variant, with texts full of quotes, backslashes and control characters. Boxed where
//! they would outgrow the stack of a test thread.

use oidc_proto::{
    account::AccountConfig,
    error_code::ErrorCode,
    json::Object,
    message::*,
    secret::{
        AccessToken, ClientSecret, DeviceCode, IdToken, Password, RefreshToken, RegistrationAccessToken,
        SecretText,
    },
};
use proptest::{collection::vec, option, prelude::*, sample::select};

/// Any text but those that mean "absent".
pub fn text() -> impl Strategy<Value = String> {
    let awkward = prop_oneof![any::<String>(), "[\"\\\\\n\t\u{1}{}\\[\\]: a-z€]{1,12}"];
    awkward.prop_filter("absent", |text| !matches!(text.as_str(), "" | "null" | "(null)"))
}

fn maybe() -> impl Strategy<Value = Option<String>> {
    option::of(text())
}

/// A time or duration, which the wire carries as a signed number.
fn seconds() -> impl Strategy<Value = u64> {
    0..=i64::MAX.unsigned_abs()
}

fn object() -> BoxedStrategy<Object> {
    vec((text(), text()), 1..4)
        .prop_map(|members| {
            let mut object = Object::default();
            for (key, value) in members {
                object.insert(format!("x{key}"), value);
            }
            object
        })
        .boxed()
}

fn config() -> BoxedStrategy<AccountConfig> {
    let names = (maybe(), maybe(), maybe(), maybe(), maybe(), maybe());
    let secrets = (maybe(), maybe(), maybe(), maybe());
    (names, secrets, vec(text(), 0..3), any::<[bool; 3]>(), object())
        .prop_map(
            |(
                (name, client_name, issuer_url, client_id, scope, cert_path),
                secrets,
                redirect_uris,
                flags,
                other,
            )| AccountConfig {
                name,
                client_name,
                issuer_url,
                client_id,
                auth_scope: scope.clone(),
                scope,
                cert_path,
                client_secret: secrets.0.map(ClientSecret::new),
                refresh_token: secrets.1.map(RefreshToken::new),
                registration_access_token: secrets.2.map(RegistrationAccessToken::new),
                password: secrets.3.map(Password::new),
                redirect_uris,
                oauth: flags[0],
                uses_pub_client: flags[1],
                device_authorization_endpoint_set_by_user: flags[2],
                other,
                ..AccountConfig::default()
            },
        )
        .boxed()
}

fn target() -> impl Strategy<Value = Target> {
    prop_oneof![text().prop_map(Target::Account), text().prop_map(Target::Issuer)]
}

fn sources() -> impl Strategy<Value = PasswordSources> {
    use PasswordSources as S;
    vec(select(vec![S::MEMORY, S::KEYRING, S::COMMAND, S::PROMPT, S::FILE, S::GPG]), 1..6)
        .prop_map(|bits| bits.iter().skip(1).fold(bits[0], |all, bit| all.with(*bit)))
}

fn pw_entry() -> BoxedStrategy<PasswordEntry> {
    let times = (option::of(seconds()), option::of(seconds()));
    (text(), sources(), maybe(), times, maybe(), maybe(), maybe())
        .prop_map(|(account, sources, password, (expires_at, expires_after), command, pw_file, gpg_key)| {
            PasswordEntry {
                account,
                sources,
                password: password.map(Password::new),
                expires_at,
                expires_after,
                command: command.map(SecretText::new),
                pw_file,
                gpg_key,
            }
        })
        .boxed()
}

fn flows() -> impl Strategy<Value = Vec<Flow>> {
    vec(
        select(vec![
            Flow::Refresh,
            Flow::Password,
            Flow::Code,
            Flow::Device,
            Flow::MytokenOidc,
            Flow::TokenExchange,
        ]),
        1..4,
    )
}

fn device() -> BoxedStrategy<DeviceAuthorization> {
    (text(), text(), text(), maybe(), option::of(seconds()), seconds())
        .prop_map(|(code, user_code, verification_uri, verification_uri_complete, expires_in, interval)| {
            DeviceAuthorization {
                device_code: DeviceCode::new(code),
                user_code,
                verification_uri,
                verification_uri_complete,
                expires_in,
                interval,
            }
        })
        .boxed()
}

fn query() -> impl Strategy<Value = ProviderQuery> {
    (text(), maybe(), maybe()).prop_map(|(issuer, config_endpoint, cert_path)| ProviderQuery {
        issuer: Some(issuer),
        config_endpoint,
        cert_path,
    })
}

fn token_request() -> BoxedStrategy<Request> {
    (target(), validity(), maybe(), maybe(), maybe(), any::<bool>())
        .prop_map(|(target, validity, scope, audience, application_hint, prompt)| {
            Request::AccessToken(TokenRequest { target, validity, scope, audience, application_hint, prompt })
        })
        .boxed()
}

fn add_request() -> BoxedStrategy<Request> {
    (config(), option::of(pw_entry()), option::of(seconds()), any::<[bool; 5]>(), maybe())
        .prop_map(|(config, pw_entry, lifetime, flags, file_key)| {
            Request::Add(Box::new(AddRequest {
                config,
                pw_entry,
                lifetime,
                confirm: flags[0],
                always_allow_id_token: flags[1],
                plain_add: flags[2],
                replace: flags[3],
                file_key: file_key.map(SecretText::new),
                asks_itself: flags[4],
            }))
        })
        .boxed()
}

fn gen_request() -> BoxedStrategy<Request> {
    (config(), flows(), option::of(pw_entry()), any::<[bool; 3]>())
        .prop_map(|(config, flows, pw_entry, flags)| {
            Request::Gen(Box::new(GenRequest {
                config,
                flows,
                pw_entry,
                no_webserver: flags[0],
                no_scheme: flags[1],
                only_at: flags[2],
            }))
        })
        .boxed()
}

fn passwd_request() -> BoxedStrategy<Request> {
    let format = option::of(select(vec![FileFormat::Native, FileFormat::OidcAgent]));
    let protection = prop_oneof![
        (text(), format).prop_map(|(password, format)| NewProtection::Password {
            password: Password::new(password),
            format
        }),
        text().prop_map(|key| NewProtection::FileKey(SecretText::new(key))),
    ];
    (text(), protection)
        .prop_map(|(account, protection)| Request::Passwd(PasswdRequest { account, protection }))
        .boxed()
}

fn validity() -> BoxedStrategy<Validity> {
    prop_oneof![Just(Validity::ForceNew), seconds().prop_map(Validity::AtLeast)].boxed()
}

fn bare_request() -> BoxedStrategy<Request> {
    select(vec![
        Request::Check,
        Request::Status,
        Request::StatusJson,
        Request::LoadedAccounts,
        Request::AccountInfo,
        Request::RemoveAll,
    ])
    .boxed()
}

fn small_request() -> BoxedStrategy<Request> {
    prop_oneof![
        (target(), validity(), maybe(), maybe(), any::<bool>()).prop_map(
            |(target, validity, scope, application_hint, prompt)| {
                Request::IdToken(IdTokenRequest { target, validity, scope, application_hint, prompt })
            }
        ),
        (text(), option::of(object().prop_map(MytokenProfile::Object)), maybe(), any::<bool>()).prop_map(
            |(account, profile, application_hint, prompt)| Request::Mytoken(MytokenRequest {
                prompt,
                account,
                profile,
                application_hint
            })
        ),
        text().prop_map(|account| Request::Remove { account }),
        text().prop_map(|account| Request::Reauthenticate { account }),
        text().prop_map(|account| Request::Examine { account }),
        text().prop_map(|account| Request::Reminder { account }),
        ".+".prop_map(|text| Request::Lock { password: Password::new(text) }),
        any::<String>().prop_map(|text| Request::Unlock { password: Password::new(text) }),
        (text(), any::<bool>())
            .prop_map(|(account, keep_remote)| Request::Reset(ResetRequest { account, keep_remote })),
        any::<bool>().prop_map(|stop| Request::Page(PageRequest { stop })),
    ]
    .boxed()
}

fn login_request() -> BoxedStrategy<Request> {
    prop_oneof![
        (config(), flows(), maybe(), any::<bool>()).prop_map(|(config, flows, authorization, no_scheme)| {
            let authorization = authorization.map(SecretText::new);
            Request::Register(Box::new(RegisterRequest { config, flows, authorization, no_scheme }))
        }),
        (text(), any::<bool>()).prop_map(|(uri, from_gen)| {
            Request::CodeExchange(CodeExchangeRequest { redirect_uri: SecretText::new(uri), from_gen })
        }),
        text().prop_map(|state| Request::StateLookup { state: format!("0:0{state}") }),
        (device(), any::<bool>())
            .prop_map(|(device, only_at)| Request::Device(DeviceRequest { device, only_at })),
        maybe().prop_map(|state| Request::TermHttpServer { state }),
        query().prop_map(Request::Scopes),
        (query(), any::<bool>(), any::<bool>(), any::<bool>(), maybe()).prop_map(
            |(query, probe, at_hand, spare_registration, account)| {
                Request::Provider(ProviderRequest { query, probe, at_hand, spare_registration, account })
            }
        ),
        person().prop_map(Request::Userinfo),
        person().prop_map(Request::Clients),
        (text(), maybe(), any::<bool>(), maybe()).prop_map(|(issuer, kid, named, cert_path)| {
            Request::IssuerKeys(IssuerKeysRequest { issuer, kid, named, cert_path })
        }),
        (text(), text()).prop_map(|(account, token)| {
            Request::Introspect(IntrospectRequest { account, token: SecretText::new(token) })
        }),
        query().prop_map(Request::MytokenSupportedProviders),
        config().prop_map(|config| Request::Delete(Box::new(config))),
        (text(), text(), maybe()).prop_map(|(uri, token, cert_path)| {
            Request::DeleteClient(DeleteClientRequest {
                registration_client_uri: uri,
                registration_access_token: RegistrationAccessToken::new(token),
                cert_path,
            })
        }),
        (text(), any::<String>()).prop_map(|(filename, data)| {
            Request::FileWrite(FileWriteRequest { filename, data: SecretText::new(data) })
        }),
        text().prop_map(|filename| Request::FileRead { filename }),
        text().prop_map(|filename| Request::FileRemove { filename }),
    ]
    .boxed()
}

fn person() -> impl Strategy<Value = PersonRequest> {
    (text(), maybe(), any::<bool>()).prop_map(|(account, application_hint, prompt)| PersonRequest {
        account,
        application_hint,
        prompt,
    })
}

/// Any request that a client can mean.
pub fn request() -> BoxedStrategy<Request> {
    prop_oneof![
        bare_request(),
        token_request(),
        add_request(),
        gen_request(),
        passwd_request(),
        small_request(),
        login_request()
    ]
    .boxed()
}

fn failure() -> BoxedStrategy<Failure> {
    (select(ErrorCode::ALL), text(), maybe(), maybe(), option::of(object()))
        .prop_map(|(code, error, description, info, client)| {
            let mut failure = Failure::new(code, error);
            failure.description = description;
            failure.info = info;
            failure.client = client.map(Box::new);
            failure
        })
        .boxed()
}

/// Any reply that an agent can mean.
pub fn reply() -> BoxedStrategy<Reply> {
    prop_oneof![
        Just(Reply::success()),
        any::<String>().prop_map(Reply::success_with),
        vec(text(), 0..4).prop_map(Reply::success_with),
        (text(), text(), option::of(1..=i64::MAX.unsigned_abs()), maybe(), vec(text(), 0..3), maybe())
            .prop_map(|(token, issuer, expires_at, scope, warnings, refresh_token)| {
                Reply::Token(TokenReply {
                    access_token: AccessToken::new(token),
                    issuer,
                    expires_at,
                    scope,
                    warnings,
                    refresh_token: refresh_token.map(RefreshToken::new),
                })
            }),
        (text(), text(), vec(text(), 0..3)).prop_map(|(token, issuer, warnings)| Reply::IdToken(
            IdTokenReply { id_token: IdToken::new(token), issuer, warnings }
        )),
        (text(), object()).prop_map(|(token, mut answer)| {
            answer.insert("mytoken", token);
            Reply::Mytoken(answer)
        }),
        config().prop_map(|config| Reply::Config(Box::new(config))),
        (text(), text()).prop_map(|(uri, state)| Reply::AcceptedCode { uri, state }),
        device().prop_map(Reply::AcceptedDevice),
        (object(), maybe(), vec(text(), 0..3), maybe()).prop_map(
            |(client, max_scopes, left_out, left_out_because)| {
                Reply::Registered(Registration { client, max_scopes, left_out, left_out_because })
            },
        ),
        (select(vec![LookupStatus::NotFound, LookupStatus::FoundButReceived]), text())
            .prop_map(|(status, info)| Reply::StateLookup { status, info }),
        (text(), seconds(), seconds(), text()).prop_map(|(address, opens_until, ends_at, host)| {
            Reply::Page(PageReply { address: SecretText::new(address), opens_until, ends_at, host })
        }),
        any::<String>().prop_map(|data| Reply::FileData(SecretText::new(data))),
        failure().prop_map(Reply::Failure),
    ]
    .boxed()
}
