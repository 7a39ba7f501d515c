use proptest::prelude::*;

use super::*;

fn derive(url: &str, operations: &[Operation], rules: &[Rule]) -> Result<Derived, DestinationError> {
    let wishes: Vec<Wish> = operations.iter().copied().map(Wish::from).collect();
    super::derive(url, &wishes, rules)
}

fn rules(json: &str) -> Vec<Rule> {
    serde_json::from_str(json).expect("rows")
}

#[test]
fn every_service_has_its_audience() {
    for (url, audience) in [
        ("https://se.example", "https://se.example"),
        ("https://se.example/", "https://se.example"),
        ("https://SE.example:443/x", "https://se.example"),
        ("https://se.example:8443/x", "https://se.example:8443"),
        ("davs://se.example:443/x", "https://se.example"),
        ("davs://se.example:2880/x", "https://se.example:2880"),
        ("dav://se.example:80/x", "https://se.example"),
        ("http://se.example:8080/x", "https://se.example:8080"),
        ("https://[2001:DB8::0001]:8443/x", "https://[2001:db8::1]:8443"),
        ("root://se.example//x", "root://se.example"),
        ("root://se.example:1094//x", "root://se.example"),
        ("xroot://se.example:1095//x", "root://se.example:1095"),
        ("roots://se.example//x", "roots://se.example"),
        ("xroots://se.example:1094//x", "roots://se.example"),
        ("condor://ce.example", "ce.example:9619"),
        ("condor://ce.example:9620", "ce.example:9620"),
        ("nfs4://se.example:2049/x", "nfs4://se.example:2049"),
    ] {
        let derived = derive(url, &[], &[]).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(derived.audience, audience, "{url}");
        assert!(derived.scopes.is_empty(), "{url}");
    }
}

#[test]
fn operations_become_scopes() {
    use Operation::{Create, Exec, Modify, Poll, Read, Stage};
    for (url, operations, scopes) in [
        ("https://se.example/a/b/", &[Read][..], &["storage.read:/a/b"][..]),
        (
            "root://se.example//store/x",
            &[Read, Create, Read],
            &["storage.read:/store/x", "storage.create:/store/x"],
        ),
        ("davs://se.example", &[Modify], &["storage.modify:/"]),
        ("davs://se.example/a%20b", &[Stage, Poll], &["storage.stage:/a%20b", "storage.poll:/a%20b"]),
        ("davs://se.example/a/../b?x=/c", &[Read], &["storage.read:/b"]),
        ("condor://ce.example/x", &[Exec], &COMPUTE),
        ("https://arc.example/arex", &[Exec], &COMPUTE),
    ] {
        let derived = derive(url, operations, &[]).unwrap_or_else(|error| panic!("{url}: {error}"));
        assert_eq!(derived.scopes, scopes, "{url}");
    }
}

#[test]
fn an_operation_may_have_a_path_of_its_own() {
    let rules = rules(r#"[{"path_begins_at":"/store"}]"#);
    let wish = |operation, path: &str| Wish { operation, path: Some(path.parse().expect("a path")) };
    let wishes =
        [wish(Operation::Read, "/"), wish(Operation::Create, "/dpm/store/temp"), Operation::Modify.into()];
    let derived = super::derive("davs://se.example/dpm/store/user/me", &wishes, &rules).expect("derived");
    assert_eq!(
        derived.scopes,
        ["storage.read:/", "storage.create:/store/temp", "storage.modify:/store/user/me"]
    );
}

#[test]
fn what_cannot_be_is_told() {
    for (url, operations, text) in [
        ("s3://bucket/x", &[Operation::Read][..], "AssumeRoleWithWebIdentity"),
        ("srm://se.example/x", &[], "davs://"),
        ("condor://ce.example", &[Operation::Read], "HTCondor-CE does nothing with files"),
        ("root://se.example//x", &[Operation::Exec], "XRootD does nothing with jobs"),
        ("se.example", &[], "no scheme"),
        ("https://se.example/../x", &[], "leads out of it"),
    ] {
        let error = derive(url, operations, &[]).expect_err(url).to_string();
        assert!(error.contains(text), "{url}: {error}");
    }
}

#[test]
fn an_issuer_has_rules_of_its_own() {
    let rules = rules(
        r#"[{"name":"CMS","path_begins_at":"/store","source":"a file"},
            {"hosts":["eoscms.example"],"prefix":"/eos/cms","audience":"https://eos.example","source":"b"},
            {"hosts":["*.t2.example"],"audience":"se-{host}-{port}","default_port":8443}]"#,
    );
    for (url, audience, scope) in [
        ("root://eoscms.example//eos/cms/store/x", "https://eos.example", "storage.read:/store/x"),
        ("root://eoscms.example//eos/cms/other", "https://eos.example", "storage.read:/other"),
        ("root://eoscms.example//eos/cmsx", "root://eoscms.example", "storage.read:/eos/cmsx"),
        ("davs://dpm.example/dpm/x/store/y", "https://dpm.example", "storage.read:/store/y"),
        ("davs://a.t2.example/restore/y", "se-a.t2.example-8443", "storage.read:/restore/y"),
    ] {
        let derived = derive(url, &[Operation::Read], &rules).expect(url);
        assert_eq!((derived.audience.as_str(), derived.scopes[0].as_str()), (audience, scope), "{url}");
    }
    let derived =
        derive("root://eoscms.example//eos/cms/store/x", &[Operation::Read], &rules).expect("derived");
    let path = derived.steps.iter().find(|step| step.topic == Topic::Path).expect("a step");
    assert!(path.how.contains("without /eos/cms") && path.source == "b", "{path:?}");
    let refusing = self::rules(r#"[{"schemes":["https"],"refuses":"closed for today"}]"#);
    assert_eq!(
        derive("https://se.example", &[], &refusing),
        Err(DestinationError::NoTokens("closed for today".into()))
    );
}

#[test]
fn secrets_in_an_address_are_not_repeated() {
    let derived = derive("https://me:secret@se.example/x?authz=secret#secret", &[Operation::Read], &[]);
    assert!(!format!("{derived:?}").contains("secret"));
    assert_eq!(derived.expect("derived").steps[0].topic, Topic::Address);
}

#[test]
fn every_step_names_its_source() {
    let all = [Operation::Read, Operation::Create, Operation::Modify, Operation::Stage, Operation::Poll];
    for (url, operations) in [("davs://se.example/x", &all[..]), ("condor://ce.example", &[Operation::Exec])]
    {
        let derived = derive(url, operations, &[]).expect(url);
        assert!(derived.steps.iter().all(|step| !step.source.is_empty()), "{derived:?}");
        assert!(derived.scopes.iter().all(|scope| derived.steps.iter().any(|step| step.result == *scope)));
    }
}

proptest! {
    #[test]
    fn derived_again_it_is_the_same(host in "[a-zA-Z0-9]{1,8}(\\.[a-z]{1,5}){0,2}", port in 1u16.., path in "(/[a-z.%A0-9]{0,5}){0,5}",
                                    scheme in "(https|davs|root|roots|HTTPS)") {
        let url = format!("{scheme}://{host}:{port}{path}");
        if let Ok(derived) = derive(&url, &[Operation::Read], &[]) {
            let again = derive(&derived.address.to_string(), &[Operation::Read], &[]).expect("an address");
            prop_assert_eq!((&again.audience, &again.scopes), (&derived.audience, &derived.scopes));
            prop_assert!(!derived.audience.ends_with('/') && !derived.audience.contains(char::is_uppercase));
        }
    }

    #[test]
    fn any_text_is_an_address_or_none(url in ".{0,60}") {
        let _ = derive(&url, &[Operation::Read], &[]);
    }
}
