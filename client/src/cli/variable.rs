//! Names of variables that a token is put into.

/// Names that decide which programs and libraries are run, or what is sent where, each with what they do; `*` ends those that
/// only begin so. Mostly those that sudo keeps from programs (sudoers(5), its list of bad variables).
const REFUSED: [(&str, &str); 8] = [
    (
        "PATH IFS ENV SHELL CDPATH PS4 BASHOPTS BASH_* SHELLOPTS GLOBIGNORE FPATH NULLCMD READNULLCMD ZDOTDIR",
        "shells find their programs or files by it",
    ),
    (
        "LD_* DYLD_* LDR_* _RLD* LIBPATH SHLIB_PATH GLIBC_TUNABLES GCONV_PATH NLSPATH LOCPATH",
        "it decides which libraries and tables a program loads",
    ),
    (
        "PYTHONPATH PYTHONHOME PYTHONSTARTUP PYTHONINSPECT PYTHONUSERBASE PERL5* PERLLIB PERLIO_DEBUG RUBYLIB RUBYOPT NODE_OPTIONS \
         NODE_PATH CLASSPATH JAVA_HOME JAVA_TOOL_OPTIONS _JAVA_OPTIONS JDK_JAVA_OPTIONS",
        "it decides which code an interpreter runs",
    ),
    (
        "EDITOR VISUAL PAGER BROWSER GIT_SSH GIT_SSH_COMMAND GIT_ASKPASS GIT_EDITOR GIT_PAGER GIT_PROXY_COMMAND GIT_EXEC_PATH \
         GIT_CONFIG* SSH_ASKPASS SUDO_ASKPASS",
        "programs run what it names",
    ),
    (
        "HOME USER LOGNAME PWD OLDPWD TMPDIR TERM TERMCAP TERMINFO* LANG LC_* TZ XDG_* DISPLAY DBUS_SESSION_BUS_ADDRESS \
         SSH_AUTH_SOCK KRB5_CONFIG KRB5CCNAME KRB5_KTNAME",
        "programs find their files or settings by it",
    ),
    (
        "HTTP_PROXY HTTPS_PROXY ALL_PROXY FTP_PROXY NO_PROXY HOSTALIASES LOCALDOMAIN RES_OPTIONS SSL_CERT_FILE SSL_CERT_DIR \
         CURL_CA_BUNDLE REQUESTS_CA_BUNDLE NODE_EXTRA_CA_CERTS",
        "it says which hosts are talked to, or trusted",
    ),
    (
        "OIDC_SOCK OIDC_SOCK_UID OIDC_REMOTE_SOCK OIDC_CONFIG_DIR OIDC_USER_CONFIG OIDC_PINENTRY OIDC_AGENT* OIDCD_PID",
        "the agent and its files are found by it",
    ),
    (
        "BEARER_TOKEN_FILE* AWS_WEB_IDENTITY_TOKEN_FILE AWS_ROLE_ARN AWS_ROLE_SESSION_NAME",
        "it names a file or a role, not a token",
    ),
];

/// Reads the name of a variable that a token may be put into: it can stand before a `=` in a shell, and no program takes its value
/// for anything else.
pub fn variable_name(text: &str) -> Result<String, String> {
    let is_valid = text.bytes().all(|byte| byte == b'_' || byte.is_ascii_alphanumeric());
    if !is_valid || text.is_empty() || text.starts_with(|c: char| c.is_ascii_digit()) {
        return Err("not a variable's name: letters, digits and _ only, and no digit first".to_owned());
    }
    match REFUSED.iter().find(|(names, _)| names.split_whitespace().any(|name| fits(name, text))) {
        Some((_, why)) => Err(format!("{text} must not be set so: {why}; choose another name")),
        None => Ok(text.to_owned()),
    }
}

/// Proxies are also named in lower case.
fn fits(known: &str, name: &str) -> bool {
    match known.strip_suffix('*') {
        Some(prefix) => name.starts_with(prefix),
        None if known.ends_with("_PROXY") => name.eq_ignore_ascii_case(known),
        None => name == known,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_for_the_shell_cannot_carry_commands() {
        assert!(variable_name("OIDC_AT").is_ok());
        for text in ["", "1A", "A;reboot", "A B", "A=1", "$(x)"] {
            assert!(variable_name(text).is_err(), "{text}");
        }
    }

    #[test]
    fn names_with_another_meaning_are_refused_with_the_reason() {
        for (name, why) in [
            ("PATH", "shells find"),
            ("IFS", "shells find"),
            ("BASH_ENV", "shells find"),
            ("ENV", "shells find"),
            ("LD_PRELOAD", "libraries"),
            ("LD_LIBRARY_PATH", "libraries"),
            ("PYTHONPATH", "interpreter"),
            ("PERL5OPT", "interpreter"),
            ("NODE_OPTIONS", "interpreter"),
            ("GIT_SSH_COMMAND", "run what it names"),
            ("HOME", "files or settings"),
            ("https_proxy", "hosts"),
            ("OIDC_SOCK", "agent"),
            ("BEARER_TOKEN_FILE", "not a token"),
        ] {
            let error = variable_name(name).expect_err(name);
            assert!(error.contains(why) && error.contains(name), "{name}: {error}");
        }
        for name in [
            "BEARER_TOKEN",
            "TOKEN",
            "OIDC_ACCESS_TOKEN",
            "ACCESS_TOKEN",
            "_CONDOR_TOKEN",
            "EOS_TOKEN",
            "XrdSecTOKEN",
            "MY_PATH",
            "GITHUB_TOKEN",
            "GIT_TOKEN",
            "NODE_AUTH_TOKEN",
            "PYTHON_TOKEN",
            "AWS_SESSION_TOKEN",
            "path",
            "ENVIRONMENT",
        ] {
            assert_eq!(variable_name(name).as_deref(), Ok(name));
        }
    }
}
