//! What scopes allow, in words: those of the WLCG profile (section 2.2.1), of `SciTokens`, and of `HTCondor`.

/// What a scope with a path, or one for computing, allows. `None`: one that says it itself, such as `openid`.
pub fn in_words(scope: &str) -> Option<String> {
    let (name, path) = scope.split_once(':').map_or((scope, None), |(name, path)| (name, Some(path)));
    let below = |what: &str| {
        path.map(|path| match path {
            "/" => format!("{what} everything"),
            path => format!("{what} {path} and everything below"),
        })
    };
    match name {
        "storage.read" | "read" => below("read"),
        "storage.create" => below("create new files, but change none, in"),
        "storage.modify" => below("create, change and delete"),
        "storage.stage" => below("bring from tape to disk"),
        "storage.poll" => below("ask about the staging of"),
        "write" => below("write"),
        "compute.read" => without(path, "look at jobs"),
        "compute.modify" => without(path, "change jobs"),
        "compute.create" | "queue" => without(path, "submit jobs"),
        "compute.cancel" => without(path, "remove jobs"),
        "execute" => without(path, "run jobs"),
        "condor" => match path? {
            "/READ" => Some("HTCondor: look at jobs and machines".to_owned()),
            "/WRITE" => Some("HTCondor: submit and change jobs".to_owned()),
            "/DAEMON" => Some("HTCondor: act as a daemon of the pool".to_owned()),
            "/ADMINISTRATOR" => Some("HTCondor: administer the pool".to_owned()),
            _ => None,
        },
        "host.auth" => Some("prove that it is this host".to_owned()),
        "offline_access" => without(path, "get access tokens while nobody is there"),
        "wlcg.capabilityset" => path.map(|set| format!("the capabilities of {set}")),
        _ => None,
    }
}

fn without(path: Option<&str>, what: &str) -> Option<String> {
    path.is_none().then(|| what.to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn scopes_say_what_they_allow() {
        for (scope, words) in [
            ("storage.read:/", Some("read everything")),
            (
                "storage.modify:/store/user",
                Some("create, change and delete /store/user and everything below"),
            ),
            ("storage.read", None),
            ("read:/home", Some("read /home and everything below")),
            ("compute.create", Some("submit jobs")),
            ("compute.create:/x", None),
            ("condor:/WRITE", Some("HTCondor: submit and change jobs")),
            ("openid", None),
            ("", None),
        ] {
            assert_eq!(in_words(scope).as_deref(), words, "{scope}");
        }
    }
}
