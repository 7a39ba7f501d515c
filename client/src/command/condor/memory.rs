//! What was stored, in `files.d/condor.toml` of the oidc-agent directory: `[[condor]]` entries, from which the agent keeps it
//! fresh. People may add keys to them; those stay.

use std::{
    fs::Permissions,
    io,
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    time::Duration,
};

use oidc_proto::{
    files::{FILES_D, Surroundings, TokenFiles, entry::CondorSink, text_of},
    home::Home,
    private_file::{self, Target},
    shortname::Shortname,
};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::specification::{Specification, list};
use crate::{context::error::Error, say::exit::Exit};

/// What it is called, in `files.d` of the oidc-agent directory.
const FILE: &str = "condor.toml";
/// How long another program may take to change it.
const PATIENCE: Duration = Duration::from_secs(10);

const HEADER: &str = "# Written by `oidc condor store` and condor_submit's storer; the agent keeps these fresh. Other keys may be added, and\n\
                      # `oidc condor forget SERVICE` takes an entry out.\n\n";

/// What the file holds.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    /// What is there now; `None`: no file.
    before: Option<String>,
    document: DocumentMut,
}

impl Memory {
    /// Reads it, as strictly as the agent does.
    pub fn read(home: &Home) -> Result<Self, Error> {
        let path = Self::path(home);
        let before = text_of(&path, &surroundings()).map_err(|problem| failed(&path, &problem.what))?;
        let text = before.as_deref().unwrap_or_default();
        let document = text.parse::<DocumentMut>().map_err(|error| {
            let line = error.to_string();
            failed(&path, line.lines().next().unwrap_or("it is no TOML"))
        })?;
        Ok(Self { path, before, document })
    }

    /// Changes it, and nobody else does meanwhile; so `change` must not wait for anything. Nothing is written where the whole
    /// configuration of managed files would not count.
    pub fn change<T>(home: &Home, change: impl FnOnce(&mut Self) -> Result<T, Error>) -> Result<T, Error> {
        let _lock = home.lock_configuration(PATIENCE)?;
        let mut memory = Self::read(home)?;
        let done = change(&mut memory)?;
        if memory.is_changed() {
            memory.check(home)?;
            memory.write()?;
        }
        Ok(done)
    }

    /// Where it is.
    pub fn path(home: &Home) -> PathBuf {
        home.path().join(FILES_D).join(FILE)
    }

    /// Whether the configuration of managed files would count with what is in here now.
    pub fn check(&self, home: &Home) -> Result<(), Error> {
        let read = TokenFiles::read_instead(home, &surroundings(), Some((&self.path, &self.text())));
        read.map(drop).map_err(|problems| {
            let text = format!(
                "nothing was changed: nothing of the configuration of managed files counts while something is wrong with it\n{problems}"
            );
            Error::Other(Exit::Problems, text)
        })
    }

    /// What is remembered for a service and a handle. `None` also for what this program did not write.
    pub fn find(&self, sink: &CondorSink) -> Option<Specification> {
        let table = self.tables().find(|table| is_of(table, sink))?;
        Some(Specification {
            account: text(table, "account")?.parse().ok()?,
            sink: CondorSink {
                program: text(table, "program").map(PathBuf::from),
                condor_config: text(table, "condor_config"),
                ..sink.clone()
            },
            scope: texts(table, "scope"),
            audience: texts(table, "audience"),
        })
    }

    /// The account of any entry for this service, whatever its handle.
    pub fn account_of(&self, service: &str) -> Option<Shortname> {
        let mut of_service = self.tables().filter(|table| text(table, "service").as_deref() == Some(service));
        text(of_service.next()?, "account")?.parse().ok()
    }

    /// Remembers; an entry for the same service and handle is changed.
    pub fn put(&mut self, wanted: &Specification) -> Result<(), Error> {
        let path = self.path.clone();
        if let Some(other) = self.tables().find_map(|table| same_file(table, &wanted.sink)) {
            return Err(taken(&wanted.sink, &other));
        }
        let item = self.document.entry("condor").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let tables = item
            .as_array_of_tables_mut()
            .ok_or_else(|| failed(&path, "'condor' is no list of tables begun by [[condor]]"))?;
        let known = tables.iter().position(|table| is_of(table, &wanted.sink));
        let index = known.unwrap_or_else(|| {
            tables.push(Table::new());
            tables.len() - 1
        });
        let table = tables.get_mut(index).expect("it is there");
        if !table.contains_key("name") {
            table.insert("name", value(wanted.entry()));
        }
        let mut set = |key: &str, text: Option<&str>| match text {
            Some(text) => drop(table.insert(key, value(text))),
            None => drop(table.remove(key)),
        };
        set("account", Some(wanted.account.as_str()));
        set("service", Some(&wanted.sink.service));
        set("handle", wanted.sink.handle.as_deref());
        set("program", wanted.sink.program.as_deref().and_then(Path::to_str));
        set("condor_config", wanted.sink.condor_config.as_deref());
        set("scope", wanted.scope.as_deref());
        // Another audience than that of an address would come of these.
        set("for", None);
        set("operations", None);
        match wanted.audience.as_deref() {
            Some(audience) => {
                let list: toml_edit::Array = audience.split(' ').collect();
                table.insert("audience", value(list));
            }
            None => drop(table.remove("audience")),
        }
        Ok(())
    }

    /// Takes an entry out. Whether there was one.
    pub fn remove(&mut self, sink: &CondorSink) -> bool {
        let Some(tables) = self.document.get_mut("condor").and_then(Item::as_array_of_tables_mut) else {
            return false;
        };
        let before = tables.len();
        tables.retain(|table| !is_of(table, sink));
        before != tables.len()
    }

    fn text(&self) -> String {
        let header = if self.before.is_none() { HEADER } else { "" };
        format!("{header}{}", self.document)
    }

    fn is_changed(&self) -> bool {
        self.document.to_string() != self.before.as_deref().unwrap_or_default()
    }

    fn write(&self) -> Result<(), Error> {
        let directory = self.path.parent().unwrap_or(&self.path);
        make(directory).map_err(|error| failed(directory, &error.to_string()))?;
        let written = private_file::write(&Target::private(&self.path), self.text().as_bytes());
        written.map(drop).map_err(|error| Error::Other(Exit::File, error.to_string()))
    }

    fn tables(&self) -> impl Iterator<Item = &Table> {
        let tables = self.document.get("condor").and_then(Item::as_array_of_tables);
        tables.into_iter().flat_map(ArrayOfTables::iter)
    }
}

fn is_of(table: &Table, sink: &CondorSink) -> bool {
    text(table, "service").as_deref() == Some(&sink.service) && text(table, "handle") == sink.handle
}

/// Another service and handle of the same name at the credd: `a_b` with `c`, and `a` with `b_c`.
fn same_file(table: &Table, sink: &CondorSink) -> Option<CondorSink> {
    let (service, handle) = (text(table, "service")?, text(table, "handle"));
    let other = CondorSink { service, handle, ..CondorSink::default() };
    (!is_of(table, sink) && other.credential() == sink.credential()).then_some(other)
}

fn taken(sink: &CondorSink, other: &CondorSink) -> Error {
    let handle =
        other.handle.as_ref().map(|handle| format!(" with the handle '{handle}'")).unwrap_or_default();
    let text = format!(
        "nothing was stored: {}.use is that of the service '{}'{handle} already; take another handle, or `oidc condor forget` that one",
        sink.credential(),
        other.service
    );
    Error::Other(Exit::Failure, text)
}

fn text(table: &Table, key: &str) -> Option<String> {
    table.get(key).and_then(Item::as_str).map(str::to_owned)
}

/// A text, or a list of texts.
fn texts(table: &Table, key: &str) -> Option<String> {
    let item = table.get(key)?;
    let texts: Vec<String> = match (item.as_str(), item.as_array()) {
        (Some(text), _) => vec![text.to_owned()],
        (None, Some(array)) => array.iter().filter_map(|item| item.as_str().map(str::to_owned)).collect(),
        (None, None) => return None,
    };
    list(&texts)
}

fn make(directory: &Path) -> io::Result<()> {
    match fs_err::create_dir(directory) {
        Ok(()) => fs_err::set_permissions(directory, Permissions::from_mode(0o700)),
        Err(error) if error.kind() == io::ErrorKind::AlreadyExists => Ok(()),
        Err(error) => Err(error),
    }
}

/// As this user's agent has them; where `condor_submit` runs there may be less.
fn surroundings() -> Surroundings {
    let here = Surroundings::of_process();
    let runtime_dir = here.runtime_dir.clone().or_else(|| Some(format!("/run/user/{}", here.uid).into()));
    Surroundings { runtime_dir, ..here }
}

fn failed(path: &Path, what: &str) -> Error {
    Error::Other(Exit::File, format!("{} cannot be used: {what}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(handle: Option<&str>, scope: Option<&str>) -> Specification {
        Specification {
            account: "demo".parse().expect("a name"),
            sink: CondorSink {
                service: "cms".to_owned(),
                handle: handle.map(str::to_owned),
                program: Some("/opt/bin/condor_store_cred".into()),
                condor_config: handle.map(|_| "/opt/condor_config".to_owned()),
            },
            scope: scope.map(str::to_owned),
            audience: Some("https://a https://b".to_owned()),
        }
    }

    fn put(home: &Home, wanted: &Specification) -> Result<(), Error> {
        Memory::change(home, |memory| memory.put(wanted))
    }

    #[test]
    fn what_is_remembered_comes_back_and_what_people_added_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let (one, two) = (wanted(None, Some("a b")), wanted(Some("w"), None));
        let find = |sink: &CondorSink| Memory::read(&home).expect("read").find(sink);
        assert_eq!(find(&one.sink), None);
        put(&home, &one).expect("put");
        put(&home, &two).expect("put");
        let path = Memory::path(&home);
        let text = fs_err::read_to_string(&path).expect("text");
        assert_eq!(fs_err::metadata(&path).expect("a file").permissions().mode() & 0o777, 0o600);
        assert!(
            text.starts_with("# Written") && text.contains("[[condor]]\nname = \"condor-cms\"\n"),
            "{text}"
        );
        fs_err::write(
            &path,
            text.replace("name = \"condor-cms\"", "name = \"mine\" # so\nmin_lifetime = \"1h\""),
        )
        .expect("written");
        assert_eq!((find(&one.sink), find(&two.sink)), (Some(one.clone()), Some(two.clone())));
        let memory = Memory::read(&home).expect("read");
        assert_eq!(memory.account_of("cms").as_ref().map(Shortname::as_str), Some("demo"));
        let changed = Specification { audience: None, ..one.clone() };
        put(&home, &changed).expect("put");
        let forget = || Memory::change(&home, |memory| Ok(memory.remove(&two.sink))).expect("changed");
        assert!(forget() && !forget());
        let text = fs_err::read_to_string(&path).expect("text");
        assert!(
            text.contains("name = \"mine\" # so\nmin_lifetime = \"1h\"") && !text.contains("audience"),
            "{text}"
        );
        assert_eq!((find(&one.sink), find(&two.sink)), (Some(changed), None));
    }

    #[test]
    fn what_is_no_such_file_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let path = Memory::path(&home);
        fs_err::create_dir(directory.path().join(FILES_D)).expect("made");
        fs_err::write(&path, "condor = ").expect("written");
        assert!(Memory::read(&home).expect_err("no TOML").to_string().contains("condor.toml"));
        fs_err::write(&path, "condor = 1").expect("written");
        put(&home, &wanted(None, None)).expect_err("no list of tables");
        fs_err::write(&path, "").expect("written");
        fs_err::set_permissions(&path, Permissions::from_mode(0o666)).expect("set");
        assert!(Memory::read(&home).expect_err("anybody's").to_string().contains("can be written by others"));
        fs_err::set_permissions(&path, Permissions::from_mode(0o600)).expect("set");
        fs_err::write(&path, "x".repeat(1 << 21)).expect("written");
        assert!(Memory::read(&home).expect_err("too large").to_string().contains("1 MiB"));
    }

    #[test]
    fn what_would_not_count_is_refused_before_it_is_written() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let sink = |service: &str, handle: &str| CondorSink {
            service: service.to_owned(),
            handle: Some(handle.to_owned()),
            ..CondorSink::default()
        };
        let first = Specification { sink: sink("x_y", "z"), ..wanted(None, None) };
        put(&home, &first).expect("put");
        let text = fs_err::read_to_string(Memory::path(&home)).expect("text");
        let same = Specification { sink: sink("x", "y_z"), ..wanted(None, None) };
        let refused = put(&home, &same).expect_err("the same file").to_string();
        assert!(refused.contains("x_y_z.use") && refused.contains("'x_y' with the handle 'z'"), "{refused}");
        fs_err::write(directory.path().join(FILES_D).join("zz.toml"), "[[condor").expect("written");
        let refused = put(&home, &wanted(None, None)).expect_err("a mistake");
        assert!(refused.exit() == Exit::Problems && refused.to_string().contains("zz.toml"), "{refused}");
        Memory::change(&home, |memory| Ok(memory.remove(&first.sink))).expect_err("a mistake");
        assert_eq!(fs_err::read_to_string(Memory::path(&home)).expect("text"), text);
    }
}
