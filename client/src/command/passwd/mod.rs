//! `oidc passwd`: a new password for an account file, with the old one or from the agent's unlocked copy.

pub mod arguments;
mod recovery;
mod rewrite;

use oidc_proto::{
    error_code::ErrorCode,
    message::{FileFormat, NewProtection, PasswdRequest, Request},
    shortname::Shortname,
};

use self::{
    arguments::PasswdArgs,
    rewrite::{new_password, report, rewrite},
};
use crate::{
    account::{error::AccountError, file::Sealed},
    cli::options::{Common, FormatArg},
    context::{
        Command, Context,
        error::{Error, Held},
    },
};

impl Command for PasswdArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        run(self, context)
    }
}

/// Sets the new password.
fn run(args: &PasswdArgs, context: &mut Context) -> Result<(), Error> {
    let name: Shortname = args.account.parse()?;
    if args.recovery.is_wanted() {
        return recovery::change(args, &name, context);
    }
    if args.recovery.recover.is_some() {
        return recovery::recover(args, &name, context);
    }
    if args.from_agent {
        confirm_copy(args, &name, context)?;
        return from_agent(args, &name, context);
    }
    let home = context.home()?;
    let opened = Sealed::read(&home, &name).and_then(|sealed| {
        let opened = sealed.open(&home, &args.keyring.with(args.old.sources()), context.asker.as_mut())?;
        Ok((sealed, opened))
    });
    match opened {
        Ok((sealed, opened)) => rewrite(args, &home, &sealed, &opened, context),
        Err(error @ (AccountError::WrongPassword { .. } | AccountError::Vault { .. })) => {
            offer_copy(args, &name, error.into(), context)?;
            from_agent(args, &name, context)
        }
        Err(error) => Err(error.into()),
    }
}

/// Lets the agent write the file from its copy.
fn from_agent(args: &PasswdArgs, name: &Shortname, context: &mut Context) -> Result<(), Error> {
    let before = recovery::ways_of(name, context);
    let password = new_password(args, name, context)?;
    let format = Some(match args.format {
        FormatArg::Native => FileFormat::Native,
        FormatArg::OidcAgent => FileFormat::OidcAgent,
    });
    request(name, NewProtection::Password { password, format }, context)?;
    recovery::tell_lost(before, name, context);
    report(name, args.format, None, context)
}

fn request(name: &Shortname, protection: NewProtection, context: &mut Context) -> Result<(), Error> {
    let request = Request::Passwd(PasswdRequest { account: name.to_string(), protection });
    context
        .expect_success(&request)
        .map(drop)
        .map_err(|error| if error.is_unknown_request() { Error::UnexpectedReply("passwd") } else { error })
}

/// After three wrong passwords, or with a damaged file: the agent's copy, if there is one and the person wants it.
/// Otherwise the error stands.
fn offer_copy(args: &PasswdArgs, name: &Shortname, error: Error, context: &mut Context) -> Result<(), Error> {
    let copy = match context.loaded_accounts() {
        Ok(loaded) if !loaded.iter().any(|other| other == name.as_str()) => Some(Held::Not),
        Ok(_) => (!context.asker.is_there()).then_some(Held::Unasked),
        Err(error) if error.failure_code() == Some(ErrorCode::AgentLocked) => Some(Held::Locked),
        Err(_) => Some(Held::Not),
    };
    if let Some(copy) = copy {
        return Err(Error::NoCopy { name: name.clone(), error: Box::new(error), copy });
    }
    context.output.note(&format!("{error}."));
    confirm_copy(args, name, context)
}

fn confirm_copy(args: &PasswdArgs, name: &Shortname, context: &mut Context) -> Result<(), Error> {
    let question = format!("Write the file of '{name}' anew from the copy that the agent holds unlocked?");
    if args.force || context.confirm(&question, "using the agent's copy")? {
        Ok(())
    } else {
        Err(Error::Declined)
    }
}

#[cfg(test)]
mod tests {
    use oidc_proto::{
        account::AccountConfig,
        message::{Failure, Reply},
        secret::Password,
        vault::{self, FileKey, Format, Phrase, Protection, Recovery},
    };

    use super::*;
    use crate::{
        account::password::NEW_TRIES,
        say::exit::Exit,
        testing::{Bench, PASSWORD, account, loaded},
    };

    fn agent(names: &'static [&'static str]) -> impl FnMut(&Request) -> Reply {
        move |request| match request {
            Request::LoadedAccounts => loaded(names),
            _ => Reply::success(),
        }
    }

    fn unlocks(bench: &Bench, password: &str) -> Option<Format> {
        let bytes = fs_err::read(bench.file("acc")).expect("a file");
        let unlocked = vault::unlock(&bytes, &Password::from(password)).ok()?;
        assert_eq!(unlocked.account.refresh_token, account("acc").refresh_token);
        Some(unlocked.format)
    }

    #[test]
    fn converts_the_file_and_tells_the_agent_the_new_key() {
        let bench = Bench::new()
            .with_account("acc")
            .with_agent(agent(&["acc"]))
            .with_person(&[PASSWORD, "new", "new"]);
        let ran = bench.run(&["oidc", "passwd", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert_eq!((unlocks(&bench, "new"), unlocks(&bench, PASSWORD)), (Some(Format::Native), None));
        let told = bench.requests().pop();
        let protection = match told {
            Some(Request::Passwd(request)) => request.protection,
            other => panic!("the agent was not told: {other:?}"),
        };
        let NewProtection::FileKey(key) = protection else { panic!("a file key") };
        let bytes = fs_err::read(bench.file("acc")).expect("a file");
        assert!(FileKey::from_text(&key).and_then(|key| key.open(&bytes)).is_ok());
    }

    /// What the agent or another program does while the person types the new password.
    fn with_other_writer(bench: Bench, write: impl Fn() + 'static) -> Bench {
        bench.with_person_who(&[PASSWORD, "new", "new"], move |prompt| {
            if prompt.starts_with("Confirm new") {
                write();
            }
        })
    }

    fn newer() -> AccountConfig {
        AccountConfig { refresh_token: Some("NEWER".into()), ..account("acc") }
    }

    #[test]
    fn a_file_that_the_c_suite_wrote_meanwhile_keeps_its_newer_token() {
        let bench = Bench::new().with_account("acc");
        let file = bench.file("acc");
        // Under the same password, which means under another salt.
        let bench = with_other_writer(bench, move || {
            let password = Password::from(PASSWORD);
            let (bytes, _) = vault::seal_new(&newer(), &Protection::OidcAgent(&password)).expect("sealed");
            fs_err::write(&file, bytes).expect("written");
        });
        let ran = bench.run(&["oidc", "passwd", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        let bytes = fs_err::read(bench.file("acc")).expect("a file");
        let unlocked = vault::unlock(&bytes, &"new".into()).expect("the new password");
        assert_eq!(unlocked.account.refresh_token, newer().refresh_token);
    }

    #[test]
    fn a_file_that_got_another_password_meanwhile_is_left() {
        let bench = Bench::new().with_account("acc");
        let file = bench.file("acc");
        let bench = with_other_writer(bench, move || {
            let (bytes, _) = vault::seal_new(&newer(), &Protection::Native(&"other".into())).expect("sealed");
            fs_err::write(&file, bytes).expect("written");
        });
        let error = bench.run(&["oidc", "passwd", "acc"]).result.expect_err("refused");
        assert!(matches!(error, Error::Account(AccountError::Reencrypted { .. })), "{error}");
        assert_eq!((error.exit(), error.code()), (Exit::File, "file_changed"));
        let bytes = fs_err::read(bench.file("acc")).expect("a file");
        let unlocked = vault::unlock(&bytes, &"other".into()).expect("as the other program left it");
        assert_eq!(unlocked.account.refresh_token, newer().refresh_token);
    }

    #[test]
    fn a_locked_agent_cannot_be_told_and_that_is_said() {
        let bench = Bench::new()
            .with_account("acc")
            .with_agent(|_| Failure::agent_locked().into())
            .with_person(&[PASSWORD, "new", "new"]);
        let ran = bench.run(&["oidc", "passwd", "acc"]);
        assert!(ran.result.is_ok() && ran.stderr.contains("oidc add --force acc"), "{ran:?}");
    }

    #[test]
    fn goes_back_to_the_format_of_the_c_suite_without_an_agent() {
        let bench = Bench::new().with_account("acc");
        let old = format!("--pw-cmd=echo {PASSWORD}");
        let ran = bench.run(&["oidc", "passwd", "--format=oidc-agent", &old, "--new-pw-cmd=echo new", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert_eq!(unlocks(&bench, "new"), Some(Format::OidcAgent));
    }

    fn recoverable(phrase: &Phrase) -> Vec<u8> {
        let (password, recovery) = (Password::from(PASSWORD), Recovery::default().with_phrase(phrase));
        vault::seal_new(&account("acc"), &Protection::Recoverable(&password, &recovery)).expect("sealed").0
    }

    #[test]
    fn a_forgotten_password_is_replaced_by_the_phrase_which_goes_on() {
        let phrase = Phrase::random();
        let bench = Bench::new().with_account("acc");
        fs_err::write(bench.file("acc"), recoverable(&phrase)).expect("written");
        let wrong = Phrase::random().expose();
        let bench = bench.with_person(&["abandon abandon", &wrong, &phrase.expose(), "new", "new"]);
        let ran = bench.run(&["oidc", "passwd", "--recover", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        let told = ran.asked.join("\n");
        assert!(
            told.contains("has 12 words, and this has 2") && told.contains("not the recovery phrase"),
            "{told}"
        );
        assert_eq!((unlocks(&bench, "new"), unlocks(&bench, PASSWORD)), (Some(Format::Native), None));
        // Another password with the old one: the phrase goes along again.
        let bench = bench.with_person(&["new", "newer", "newer"]);
        assert!(bench.run(&["oidc", "passwd", "acc"]).result.is_ok());
        let bytes = fs_err::read(bench.file("acc")).expect("a file");
        let unlocked = vault::unlock_with_phrase(&bytes, &phrase).expect("the phrase");
        assert_eq!(unlocked.account.refresh_token, account("acc").refresh_token);
    }

    #[test]
    fn what_a_phrase_needs_is_said_of_the_phrase() {
        let bench = Bench::new().with_account("acc");
        for options in [&["--add-recovery"][..], &["--recovery-gpg", "x"]] {
            let ran = bench.run(&[&["oidc", "passwd", "acc"][..], options].concat());
            let error = ran.result.expect_err("a file of the C suite");
            assert_eq!((error.exit(), error.code()), (Exit::Password, "no_recovery"));
            let told = format!("{error} {}", error.hint().unwrap_or_default());
            assert!(told.contains("a file of the C suite") && told.contains("`oidc passwd acc`"), "{told}");
            assert!(!told.contains("--recovery-gpg") && !told.contains("--add-recovery"), "{told}");
        }
        fs_err::write(bench.file("acc"), recoverable(&Phrase::random())).expect("written");
        let old = format!("--pw-cmd=echo {PASSWORD}");
        let error = bench.run(&["oidc", "passwd", "--add-recovery", &old, "acc"]).result.expect_err("nobody");
        assert_eq!((error.exit(), error.code()), (Exit::Refused, "prompt_unavailable"));
        let told = format!("{error} {}", error.hint().unwrap_or_default());
        assert!(told.contains("recovery phrase is shown on a terminal only"), "{told}");
        assert!(told.contains("--recovery-gpg") && !told.contains("--pw-env"), "{told}");
        let line = ["oidc", "passwd", "--recover", "--phrase-file", "/no/such", "acc"];
        let error = bench.run(&line).result.expect_err("no file");
        assert!(error.to_string().contains("cannot read the recovery phrase from --phrase-file"), "{error}");
    }

    #[test]
    fn whoever_recovers_in_a_script_learns_the_issuer() {
        let phrase = Phrase::random();
        let bench = Bench::new().with_account("acc");
        fs_err::write(bench.file("acc"), recoverable(&phrase)).expect("written");
        let words = bench.file("acc").with_extension("words");
        fs_err::write(&words, phrase.expose().as_bytes()).expect("written");
        let words = words.to_str().expect("text");
        let line =
            ["oidc", "passwd", "--recover", "--phrase-file", words, "--new-pw-cmd=echo new", "--json", "acc"];
        let ran = bench.run(&line);
        assert!(ran.result.is_ok(), "{ran:?}");
        let said: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(said["issuer"].as_str(), account("acc").issuer_url.as_deref(), "{said}");
    }

    #[test]
    fn a_phrase_that_is_taken_away_opens_neither_the_file_nor_what_is_written_later() {
        let phrase = Phrase::random();
        let bench = Bench::new().with_account("acc").with_person(&[PASSWORD]);
        let before = recoverable(&phrase);
        fs_err::write(bench.file("acc"), &before).expect("written");
        let ran = bench.run(&["oidc", "passwd", "--remove-recovery", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        assert!(unlocks(&bench, PASSWORD).is_some());
        let bytes = fs_err::read(bench.file("acc")).expect("a file");
        assert!(vault::unlock_with_phrase(&bytes, &phrase).is_err());
        let old = vault::unlock_with_phrase(&before, &phrase).expect("the copy from before").key;
        assert!(old.open(&bytes).is_err(), "the data key is another one");
        let bench = bench.with_person(&[]);
        let error = bench.run(&["oidc", "passwd", "--recover", "acc"]).result.expect_err("no phrase");
        assert_eq!((error.exit(), error.code()), (Exit::Password, "no_recovery"));
    }

    #[test]
    fn a_forgotten_password_names_the_phrase_where_the_file_has_one() {
        let bench = Bench::new().with_account("acc").with_person(&["a", "b", "c"]);
        fs_err::write(bench.file("acc"), recoverable(&Phrase::random())).expect("written");
        let hint =
            bench.run(&["oidc", "passwd", "acc"]).result.expect_err("wrong").hint().unwrap_or_default();
        assert!(hint.contains("`oidc passwd --recover acc`"), "{hint}");
    }

    #[test]
    fn what_has_no_way_in_is_told_how_it_gets_that_one() {
        for (with, option) in [("phrase", "--add-recovery acc"), ("gpg", "KEY_ID")] {
            let bench = Bench::new().with_account("acc");
            let with = format!("--recover={with}");
            let error = bench.run(&["oidc", "passwd", &with, "acc"]).result.expect_err("none");
            assert_eq!(error.code(), "no_recovery", "{error}");
            assert!(error.hint().unwrap_or_default().contains(option), "{with}: {:?}", error.hint());
        }
        let line = ["oidc", "passwd", "--recover", "--phrase-file", "-", "--new-pw-file", "-", "acc"];
        let error = Bench::new().with_account("acc").run(&line).result.expect_err("one input for two");
        assert_eq!(error.exit(), Exit::Usage);
    }

    #[test]
    fn a_file_of_the_c_suite_has_no_place_for_a_phrase() {
        for command in ["--recover", "--add-recovery", "--remove-recovery"] {
            let bench = Bench::new().with_account("acc").with_person(&[PASSWORD]);
            let password = Password::from(PASSWORD);
            let (bytes, _) = vault::seal_new(&newer(), &Protection::OidcAgent(&password)).expect("sealed");
            fs_err::write(bench.file("acc"), &bytes).expect("written");
            let error = bench.run(&["oidc", "passwd", command, "acc"]).result.expect_err("no place");
            assert_eq!(error.code(), "no_recovery", "{error}");
            assert!(error.hint().unwrap_or_default().contains("`oidc passwd acc`"), "{error:?}");
            assert_eq!(fs_err::read(bench.file("acc")).expect("a file"), bytes);
        }
    }

    #[test]
    fn a_forgotten_password_is_replaced_from_the_agents_copy() {
        let bench = Bench::new()
            .with_account("acc")
            .with_agent(agent(&["acc"]))
            .with_person(&["a", "b", "c", "yes", "new", "new"]);
        let ran = bench.run(&["oidc", "passwd", "acc"]);
        assert!(ran.result.is_ok(), "{ran:?}");
        let Some(Request::Passwd(request)) = bench.requests().pop() else {
            panic!("the agent was not asked")
        };
        let expected = NewProtection::Password { password: "new".into(), format: Some(FileFormat::Native) };
        assert_eq!(request.protection, expected);
        assert!(unlocks(&bench, PASSWORD).is_some(), "the file is the agent's to write");
    }

    #[test]
    fn nothing_changes_without_a_yes_or_two_equal_inputs() {
        let bench =
            Bench::new().with_account("acc").with_agent(agent(&["acc"])).with_person(&["a", "b", "c", "no"]);
        assert_eq!(bench.run(&["oidc", "passwd", "acc"]).result.expect_err("no").exit(), Exit::Refused);
        let answers: Vec<_> = [PASSWORD].into_iter().chain(["a", "b"].repeat(NEW_TRIES)).collect();
        let bench = Bench::new().with_account("acc").with_person(&answers);
        let ran = bench.run(&["oidc", "passwd", "acc"]);
        assert!(matches!(ran.result, Err(Error::PasswordsDiffer)));
        // The error that ends the command says it the last time.
        let reasons = ran.asked.iter().filter(|asked| asked.contains("did not match"));
        assert_eq!(reasons.count(), NEW_TRIES - 1, "{:?}", ran.asked);
        assert!(unlocks(&bench, PASSWORD).is_some());
    }

    #[test]
    fn without_a_copy_the_way_out_is_not_the_command_that_failed() {
        let locked = |_: &Request| Failure::new(ErrorCode::AgentLocked, "Agent locked").into();
        let typed = ["a", "b", "c"];
        let bench = || Bench::new().with_account("acc").with_person(&typed);
        for (bench, hint) in [
            (bench(), "No agent holds the account"),
            (bench().with_agent(agent(&[])), "No agent holds the account"),
            (bench().with_agent(locked), "run `oidc unlock` first"),
        ] {
            let error = bench.run(&["oidc", "passwd", "acc"]).result.expect_err("wrong");
            assert_eq!((error.exit(), error.code()), (Exit::Password, "wrong_password"));
            assert!(error.to_string().contains("wrong password"), "{error}");
            let told = error.hint().unwrap_or_default();
            assert!(told.contains(hint), "{told}");
            assert_eq!(told.contains("oidc passwd"), hint.contains("unlock"), "{told}");
        }
    }
}
