//! The places where clients look when `OIDC_SOCK` is not set.

use std::path::{Path, PathBuf};

use oidc_proto::socket::{own_uid, runtime_path, service_path};
use tracing::{debug, info};

use super::{
    bind::is_served,
    place::{Place, PlaceError},
};

/// Where an agent binds that is to be found without variables.
pub fn path() -> PathBuf {
    let variable = |name: &str| std::env::var_os(name);
    runtime_path(variable).unwrap_or_else(|| service_path(variable, own_uid()))
}

/// A link at the C suite's service path, so that its clients find an agent that is bound elsewhere. Gone when dropped.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    socket: PathBuf,
}

impl Link {
    /// Makes the link if its place is free. That it cannot be made is no failure: only C clients without `OIDC_SOCK`
    /// would have used it.
    pub fn create(socket: &Path) -> Option<Self> {
        let path = service_path(|name| std::env::var_os(name), own_uid());
        if path == socket {
            return None;
        }
        match Self::create_at(&path, socket) {
            Ok(link) => link,
            Err(error) => {
                info!(%error, "no link for clients of the C suite");
                None
            }
        }
    }

    fn create_at(path: &Path, socket: &Path) -> Result<Option<Self>, PlaceError> {
        let path = Place::prepare(Some(path), 0)?.socket;
        if is_served(&path) {
            debug!(path = %path.display(), "another agent serves the clients of the C suite");
            return Ok(None);
        }
        if path.symlink_metadata().is_ok_and(|there| !there.is_file() && !there.is_dir()) {
            fs_err::remove_file(&path)?;
        }
        fs_err::os::unix::fs::symlink(socket, &path)?;
        Ok(Some(Self { path, socket: socket.to_owned() }))
    }
}

impl Drop for Link {
    fn drop(&mut self) {
        if fs_err::read_link(&self.path).is_ok_and(|target| target == self.socket) {
            let _ = fs_err::remove_file(&self.path);
            let _ = self.path.parent().map(fs_err::remove_dir);
        }
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::net::UnixListener;

    use super::*;

    #[test]
    fn a_free_or_stale_place_is_taken_and_given_back() {
        let root = tempfile::tempdir().expect("temporary directory");
        let (path, socket) = (root.path().join("service/sock"), root.path().join("sock"));
        let _agent = UnixListener::bind(&socket).expect("bound");
        fs_err::create_dir(root.path().join("service")).expect("made");
        std::os::unix::fs::symlink("/no/such", &path).expect("linked");

        let link = Link::create_at(&path, &socket).expect("no failure").expect("a link");
        assert!(is_served(&path));
        assert!(Link::create_at(&path, Path::new("/other")).expect("no failure").is_none(), "taken");
        drop(link);
        assert!(!root.path().join("service").exists());
    }

    #[test]
    fn a_file_in_the_way_is_left_alone() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("sock");
        fs_err::write(&path, "precious").expect("written");
        assert!(Link::create_at(&path, Path::new("/other")).is_err());
        assert!(path.is_file());
    }
}
