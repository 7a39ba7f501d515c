//! What was stored, in `files.d/condor.toml` of the oidc-agent directory: `[[condor]]` entries, from which the agent keeps it
//! fresh. People may add keys to them; those stay.

use std::{
    fs::Permissions,
    io::{self, Read},
    os::unix::fs::PermissionsExt,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use fs_err::File;
use oidc_proto::{
    files::entry::CondorSink,
    home::Home,
    private_file::{self, Target},
    shortname::Shortname,
};
use rustix::fs::{FlockOperation, flock};
use toml_edit::{ArrayOfTables, DocumentMut, Item, Table, value};

use super::specification::{Specification, list};
use crate::{context::error::Error, say::exit::Exit};

/// Where it is, in the oidc-agent directory.
const DIRECTORY: &str = "files.d";
const FILE: &str = "condor.toml";
/// The longest file that is read, in bytes.
const MAX_LEN: u64 = 1 << 20;
/// How long another program may take to change it.
const PATIENCE: Duration = Duration::from_secs(10);

const HEADER: &str = "# Written by `oidc condor store` and condor_submit's storer; the agent keeps these fresh. Other keys may be added, and\n\
                      # `oidc condor forget SERVICE` takes an entry out.\n\n";

/// The file, held against other programs that change it.
#[derive(Debug)]
pub struct Memory {
    path: PathBuf,
    /// What is there now; `None`: no file.
    before: Option<String>,
    document: DocumentMut,
    _lock: File,
}

impl Memory {
    /// Waits until nobody else changes it, and reads it.
    pub fn open(home: &Home) -> Result<Self, Error> {
        let directory = home.path().join(DIRECTORY);
        let path = directory.join(FILE);
        make(&directory).map_err(|error| failed(&directory, &error))?;
        let lock = locked(&directory).map_err(|error| failed(&directory, &error))?;
        let before = read(&path).map_err(|error| failed(&path, &error))?;
        let text = before.as_deref().unwrap_or_default();
        let document = text.parse::<DocumentMut>().map_err(|error| {
            let line = error.to_string();
            failed(&path, &io::Error::other(line.lines().next().unwrap_or("it is no TOML").to_owned()))
        })?;
        Ok(Self { path, before, document, _lock: lock })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// What is remembered for a service and a handle. `None` also for what this program did not write.
    pub fn find(&self, sink: &CondorSink) -> Option<Specification> {
        let table = self.tables().find(|table| is_of(table, sink))?;
        Some(Specification {
            account: text(table, "account")?.parse().ok()?,
            sink: sink.clone(),
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
        let item = self.document.entry("condor").or_insert_with(|| Item::ArrayOfTables(ArrayOfTables::new()));
        let tables = item.as_array_of_tables_mut().ok_or_else(|| {
            failed(&path, &io::Error::other("'condor' is no list of tables begun by [[condor]]"))
        })?;
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

    /// Writes it, if anything has changed; [`Memory::undo`] takes it back.
    pub fn save(&self) -> Result<(), Error> {
        let header = if self.before.is_none() { HEADER } else { "" };
        let text = format!("{header}{}", self.document);
        if self.before.as_deref() == Some(&text) {
            return Ok(());
        }
        self.write(&text)
    }

    /// Has the file as it was.
    pub fn undo(&self) -> Result<(), Error> {
        match &self.before {
            Some(text) => self.write(text),
            None => fs_err::remove_file(&self.path).map_err(|error| failed(&self.path, &error)),
        }
    }

    fn write(&self, text: &str) -> Result<(), Error> {
        let written = private_file::write(&Target::private(&self.path), text.as_bytes());
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

/// The directory, held until the file is closed.
fn locked(directory: &Path) -> io::Result<File> {
    let file = File::open(directory)?;
    let end = Instant::now() + PATIENCE;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(file),
            Err(rustix::io::Errno::WOULDBLOCK) if Instant::now() < end => {
                thread::sleep(Duration::from_millis(20));
            }
            Err(rustix::io::Errno::WOULDBLOCK) => {
                return Err(io::Error::other("another program is changing it; try again in a moment"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn read(path: &Path) -> io::Result<Option<String>> {
    let file = match File::open(path) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    if !file.metadata()?.is_file() {
        return Err(io::Error::other("it is no regular file"));
    }
    let mut text = String::new();
    file.take(MAX_LEN + 1).read_to_string(&mut text)?;
    if text.len() as u64 > MAX_LEN {
        return Err(io::Error::other("it is larger than 1 MiB"));
    }
    Ok(Some(text))
}

fn failed(path: &Path, error: &io::Error) -> Error {
    Error::Other(Exit::File, format!("{} cannot be used: {error}", path.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn wanted(handle: Option<&str>, scope: Option<&str>) -> Specification {
        Specification {
            account: "demo".parse().expect("a name"),
            sink: CondorSink { service: "cms".to_owned(), handle: handle.map(str::to_owned) },
            scope: scope.map(str::to_owned),
            audience: Some("https://a https://b".to_owned()),
        }
    }

    #[test]
    fn what_is_remembered_comes_back_and_what_people_added_stays() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let (one, two) = (wanted(None, Some("a b")), wanted(Some("w"), None));
        let mut memory = Memory::open(&home).expect("opened");
        assert_eq!(memory.find(&one.sink), None);
        memory.put(&one).expect("put");
        memory.put(&two).expect("put");
        memory.save().expect("saved");
        let path = memory.path().to_owned();
        drop(memory);
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
        let mut memory = Memory::open(&home).expect("opened");
        assert_eq!((memory.find(&one.sink), memory.find(&two.sink)), (Some(one.clone()), Some(two.clone())));
        assert_eq!(memory.account_of("cms").as_ref().map(Shortname::as_str), Some("demo"));
        let changed = Specification { audience: None, ..one.clone() };
        memory.put(&changed).expect("put");
        assert!(memory.remove(&two.sink) && !memory.remove(&two.sink));
        memory.save().expect("saved");
        drop(memory);
        let text = fs_err::read_to_string(&path).expect("text");
        assert!(
            text.contains("name = \"mine\" # so\nmin_lifetime = \"1h\"") && !text.contains("audience"),
            "{text}"
        );
        let memory = Memory::open(&home).expect("opened");
        assert_eq!((memory.find(&one.sink), memory.find(&two.sink)), (Some(changed), None));
        memory.undo().expect("as it was");
        assert_eq!(fs_err::read_to_string(&path).expect("text"), text);
    }

    #[test]
    fn what_is_no_such_file_is_left_alone() {
        let directory = tempfile::tempdir().expect("a directory");
        let home = Home::at(directory.path());
        let path = directory.path().join(DIRECTORY).join(FILE);
        fs_err::create_dir(directory.path().join(DIRECTORY)).expect("made");
        fs_err::write(&path, "condor = ").expect("written");
        assert!(Memory::open(&home).expect_err("no TOML").to_string().contains("condor.toml"));
        fs_err::write(&path, "condor = 1").expect("written");
        let mut memory = Memory::open(&home).expect("TOML");
        memory.put(&wanted(None, None)).expect_err("no list of tables");
        fs_err::write(&path, "x".repeat(1 << 21)).expect("written");
        drop(memory);
        assert!(Memory::open(&home).expect_err("too large").to_string().contains("1 MiB"));
    }
}
