//! `oidc config show|check`: what the configuration says, which file says it, and what of it cannot be used.

mod check;

use clap::{Parser, ValueEnum};
use oidc_proto::config::{Config, KEYS, Key, Problem, Setting, Value};
use serde_json::{Value as Json, json};

use crate::{
    cli::{
        options::Common,
        usage::{UsageError, closest},
    },
    context::{Command, Context, error::Error},
};

/// Show what counts of the configuration and where it comes from, or check its files
#[derive(Debug, Clone, Parser)]
#[command(after_help = "\
The files are /etc/oidc-agent/config and `config` in the oidc-agent directory, or the one that OIDC_USER_CONFIG names; the \
person's wins, key by key. `check` also looks at issuer.config, issuer.config.d, pubclients.config, custom_parameters.config, \
helpers.toml, files.toml and files.d; its exit status is 0 where everything can be used, else 12.")]
pub struct ConfigArgs {
    /// What to do
    #[arg(value_enum)]
    pub action: ConfigAction,

    /// The key to show, such as `oidc-agent.lifetime` or `lifetime`; all, if none is given
    #[arg(value_name = "KEY")]
    pub key: Option<String>,

    #[command(flatten)]
    pub common: Common,
}

/// What to do with the configuration.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub enum ConfigAction {
    /// Show each key's value, and which file says so
    Show,
    /// Say what in these files and the others cannot be used
    Check,
}

impl Command for ConfigArgs {
    fn common(&self) -> &Common {
        &self.common
    }

    fn run(&self, context: &mut Context) -> Result<(), Error> {
        let home = context.home().ok();
        let config = Config::load(home.as_ref().map(oidc_proto::home::Home::path));
        match (self.action, &self.key) {
            (ConfigAction::Show, name) => show(&config, name.as_deref(), context),
            (ConfigAction::Check, None) => check::run(&config, context),
            (ConfigAction::Check, Some(_)) => Err(UsageError::new("`oidc config check` takes no key").into()),
        }
    }
}

fn show(config: &Config, name: Option<&str>, context: &mut Context) -> Result<(), Error> {
    let keys = chosen(name)?;
    if context.output.json {
        return Ok(context.output.json(&as_json(config, &keys))?);
    }
    let rows: Vec<_> = keys.iter().map(|key| (key, config.setting(key))).collect();
    let name_width = rows.iter().map(|(key, _)| key.to_string().len()).max().unwrap_or(0);
    let value_width =
        rows.iter().map(|(_, setting)| setting.value.to_string().len()).max().unwrap_or(0).min(40);
    for (key, setting) in &rows {
        let (name, value) = (key.to_string(), setting.value.to_string());
        let why = why(key, setting);
        context.output.line(&format!("{name:name_width$}  {value:value_width$}  {why}"))?;
    }
    for problem in config.problems() {
        context.output.warning(&problem.to_string());
    }
    Ok(())
}

/// Who says so, and whether it does anything.
fn why(key: &Key, setting: &Setting) -> String {
    let mut why = match &setting.source {
        Some(path) => path.display().to_string(),
        None => "built in".to_owned(),
    };
    if setting.is_guess {
        why.push_str(", which cannot be read: the careful value");
    }
    if let Some(reason) = key.without_effect {
        why = format!("{why}; no effect: {reason}");
    }
    why
}

/// The keys of this name, in whichever sections.
fn chosen(name: Option<&str>) -> Result<Vec<&'static Key>, Error> {
    let Some(name) = name else { return Ok(KEYS.iter().collect()) };
    let is_meant = |key: &&Key| match name.split_once('.') {
        Some((section, name)) => key.section == section && key.is_called(name),
        None => key.is_called(name) || key.section == name,
    };
    let keys: Vec<_> = KEYS.iter().filter(is_meant).collect();
    if !keys.is_empty() {
        return Ok(keys);
    }
    let meant = closest(name, KEYS.iter().map(|key| key.name));
    let meant = meant.map_or_else(String::new, |meant| format!("; did you mean '{meant}'?"));
    Err(UsageError::new(format!("the configuration has no key '{name}'{meant}")).into())
}

fn as_json(config: &Config, keys: &[&Key]) -> Json {
    json!({
        "status": "success",
        "files": config.paths().map(|path| path.display().to_string()).collect::<Vec<_>>(),
        "problems": config.problems().iter().map(problem_as_json).collect::<Vec<_>>(),
        "settings": keys.iter().map(|key| setting_as_json(key, &config.setting(key))).collect::<Vec<_>>(),
    })
}

fn problem_as_json(problem: &Problem) -> Json {
    json!({
        "file": problem.path.display().to_string(),
        "section": problem.section,
        "key": problem.key,
        "problem": problem.what,
    })
}

fn setting_as_json(key: &Key, setting: &Setting) -> Json {
    json!({
        "section": key.section,
        "key": key.name,
        "value": Json::from(Value::clone(&setting.value)),
        "file": setting.source.as_ref().map(|path| path.display().to_string()),
        "is_guess": setting.is_guess,
        "without_effect": key.without_effect,
    })
}

#[cfg(test)]
mod tests {
    use crate::{say::exit::Exit, testing::Bench};

    fn bench(text: &str) -> Bench {
        Bench::new().with_file("config", text.as_bytes())
    }

    #[test]
    fn shows_what_counts_and_who_says_so() {
        let bench = bench(r#"{"oidc-agent": {"lifetime": 60, "auto-gen": true}}"#);
        let ran = bench.run(&["oidc", "config", "show"]);
        let line =
            |name: &str| ran.stdout.lines().find(|line| line.contains(name)).expect("a line").to_owned();
        let file = bench.file("config").display().to_string();
        assert!(
            line("oidc-agent.lifetime").contains("60") && line("oidc-agent.lifetime").contains(&file),
            "{ran:?}"
        );
        assert!(line("oidc-agent.autoload").ends_with("built in"), "{ran:?}");
        assert!(line("stats_collect_local").contains("no effect: "), "{ran:?}");
        let one = bench.run(&["oidc", "config", "show", "oidc-agent.lifetime"]);
        assert_eq!(one.stdout.lines().count(), 1);
        assert_eq!(bench.run(&["oidc", "config", "show", "prompt"]).stdout.lines().count(), 2);
    }

    #[test]
    fn a_key_that_is_none_is_a_mistake_of_the_command_line() {
        let error = bench("{}").run(&["oidc", "config", "show", "lifetme"]).result.expect_err("no key");
        assert_eq!(error.exit(), Exit::Usage);
        assert!(error.to_string().contains("lifetime"), "{error}");
    }

    #[test]
    fn what_cannot_be_used_is_said_and_ends_the_check_badly() {
        let bench = bench("{\"oidc-agent\": {\"confirm\": true},\n \"oidc-add\": {\"skip\": 1},\n}");
        let ran = bench.run(&["oidc", "config", "check"]);
        assert_eq!(ran.result.expect_err("broken").exit(), Exit::File);
        assert!(ran.stdout.contains("line 3"), "{}", ran.stdout);
        let shown = bench.run(&["oidc", "config", "show", "confirm"]);
        assert!(shown.stdout.contains("true") && shown.stdout.contains("careful"), "{shown:?}");
        assert!(shown.stderr.contains("line 3"), "{shown:?}");
    }

    #[test]
    fn json_has_the_same() {
        let bench = bench(r#"{"oidc-agent": {"group": "staff", "nonsense": 1}}"#);
        let ran = bench.run(&["oidc", "config", "show", "group", "--json"]);
        let object: serde_json::Value = serde_json::from_str(&ran.stdout).expect("JSON");
        assert_eq!(
            (&object["settings"][0]["key"], &object["settings"][0]["value"]),
            (&"group".into(), &"staff".into())
        );
        assert_eq!(object["problems"][0]["key"], "nonsense");
        assert!(bench.run(&["oidc", "config", "check", "--json"]).result.is_err());
    }

    #[test]
    fn no_file_is_as_it_should_be() {
        let ran = Bench::new().run(&["oidc", "config", "check"]);
        assert!(ran.result.is_ok() && ran.stdout.ends_with("nothing is wrong\n"), "{ran:?}");
    }
}
