//! A person as people read it.

use jiff::{Timestamp, tz::TimeZone};

use super::person::{Certificate, Person};

/// The whole of it: a name, and below it what is known.
pub fn whole(account: &str, person: &Person) -> String {
    let mut lines = vec![heading(person)];
    let mut add = |label: &str, values: Vec<String>| {
        for (at, value) in values.into_iter().enumerate() {
            lines.push(format!("  {:13}{}", if at == 0 { label } else { "" }, one_line(&value)));
        }
    };
    add("account", vec![account.to_owned()]);
    add("issuer", vec![person.issuer.clone()]);
    add("subject", person.subject.clone().into_iter().collect());
    add("email", person.email.clone().into_iter().collect());
    add("groups", person.groups.clone());
    add("roles", person.roles.clone());
    add("entitlements", person.entitlements.clone());
    add("certificates", person.certificates.iter().flat_map(certificate).collect());
    let linked = person
        .linked
        .iter()
        .map(|linked| format!("{} at {} ({})", linked.subject, linked.issuer, linked.kind));
    add("linked", linked.collect());
    add(
        "usage policy",
        person.aup_signed_at.map(|time| format!("signed on {}", day(time))).into_iter().collect(),
    );
    add("membership", person.ends_at.map(|time| format!("ends on {}", day(time))).into_iter().collect());
    if person.active == Some(false) {
        add("state", vec!["not active at the provider".to_owned()]);
    }
    lines.join("\n")
}

fn heading(person: &Person) -> String {
    match (&person.name, &person.username) {
        (Some(name), Some(username)) => one_line(&format!("{name} ({username})")),
        (Some(name), None) | (None, Some(name)) => one_line(name),
        (None, None) => "The provider tells no name.".to_owned(),
    }
}

/// In both notations, and what else is known.
fn certificate(certificate: &Certificate) -> Vec<String> {
    let mut lines: Vec<_> = certificate.subject_with_slashes.clone().into_iter().collect();
    lines.push(certificate.subject.clone());
    let issuer = certificate.issuer.as_ref().map(|issuer| format!("issued by {issuer}"));
    let expires = certificate.expires_at.map(|time| format!("expires on {}", day(time)));
    let more: Vec<_> = issuer.into_iter().chain(expires).collect();
    if !more.is_empty() {
        lines.push(format!("  {}", more.join("; ")));
    }
    lines
}

fn day(seconds: i64) -> String {
    let time = Timestamp::from_second(seconds).ok();
    time.map_or_else(
        || "an unknown day".to_owned(),
        |time| time.to_zoned_datetime(TimeZone::system()).strftime("%Y-%m-%d").to_string(),
    )
}

/// A table with a row for each account: who it is, or why that is not known.
pub fn table(rows: &[(&str, Result<Person, String>)]) -> String {
    let cells: Vec<_> = rows
        .iter()
        .map(|(account, known)| match known {
            Ok(person) => {
                let groups = if person.groups.is_empty() { "-".to_owned() } else { person.groups.join(",") };
                let subject = person.subject.as_deref().unwrap_or("-");
                [account, subject, &heading(person), &groups].map(one_line).to_vec()
            }
            Err(reason) => vec![one_line(account), one_line(&format!("! {reason}"))],
        })
        .collect();
    // A reason takes the rest of its line.
    let width = |column: usize| {
        let whole = cells.iter().filter(|row| row.len() > column + 1 && (column == 0 || row.len() == 4));
        whole.map(|row| row[column].chars().count()).max().unwrap_or(0)
    };
    let widths: Vec<_> = (0..3).map(width).collect();
    let line = |row: &Vec<String>| {
        let (last, others) = row.split_last().expect("a row is not empty");
        let others = others.iter().zip(&widths).map(|(cell, width)| format!("{cell:width$}  "));
        others.chain([last.clone()]).collect::<String>()
    };
    cells.iter().map(line).collect::<Vec<_>>().join("\n")
}

/// Text of others does not go on in another line.
pub fn one_line(text: &str) -> String {
    text.chars().fold(String::with_capacity(text.len()), |mut line, c| {
        if c.is_control() {
            line.extend(c.escape_unicode());
        } else {
            line.push(c);
        }
        line
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ada() -> Person {
        Person {
            issuer: "https://op".into(),
            subject: Some("s1".into()),
            name: Some("Ada".into()),
            groups: vec!["cms".into(), "cms/pilot".into()],
            certificates: vec![Certificate {
                subject: "CN=Ada,DC=ch".into(),
                subject_with_slashes: Some("/DC=ch/CN=Ada".into()),
                issuer: Some("CN=CA".into()),
                expires_at: Some(0),
                primary: true,
            }],
            ..Person::default()
        }
    }

    #[test]
    fn everything_has_its_line() {
        let text = whole("acc", &ada());
        assert!(
            text.starts_with("Ada\n  account      acc\n  issuer       https://op\n  subject      s1\n"),
            "{text}"
        );
        assert!(text.contains("  groups       cms\n               cms/pilot\n"), "{text}");
        assert!(text.contains("  certificates /DC=ch/CN=Ada\n               CN=Ada,DC=ch\n"), "{text}");
        assert!(text.contains("issued by CN=CA; expires on 19"), "{text}");
    }

    #[test]
    fn a_table_has_a_row_for_each_account() {
        let rows = [("first", Ok(ada())), ("b", Err("nobody\nthere".to_owned()))];
        assert_eq!(table(&rows), "first  s1  Ada  cms,cms/pilot\nb      ! nobody\\u{a}there");
        assert_eq!(table(&[]), "");
    }

    #[test]
    fn nobody_can_add_a_line() {
        let person = Person { name: Some("Ada\n  groups  root".into()), ..Person::default() };
        assert_eq!(whole("acc", &person).lines().count(), 3);
    }
}
