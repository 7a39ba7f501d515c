//! The places where clients look when `OIDC_SOCK` is not set.

use std::path::{Path, PathBuf};

use oidc_proto::socket::default_places;
use rustix::fs::Gid;
use tracing::{debug, info};

use super::{
    bind::{BindError, Bound, is_served},
    place::{Place, PlaceError},
};

/// Binds at the first default place that can be used.
pub fn bind(group: Option<Gid>) -> Result<Bound, BindError> {
    bind_at(&default_places(), group)
}

fn bind_at(places: &[PathBuf], group: Option<Gid>) -> Result<Bound, BindError> {
    let mut reasons = Vec::new();
    for path in places {
        match bind_default(path, group) {
            Err(error @ (BindError::AlreadyRunning(_) | BindError::Ending { .. })) => return Err(error),
            Err(error) => reasons.push(error.to_string()),
            bound => return bound,
        }
    }
    Err(BindError::NoPlace(reasons.join("; ")))
}

fn bind_default(path: &Path, group: Option<Gid>) -> Result<Bound, BindError> {
    Bound::at(|| Place::prepare_default(path), group)
}

/// Links at the default places where the agent is not bound, for clients with other variables and those of the C
/// suite. Gone when dropped.
///
/// That a link cannot be made is no failure: most clients find the agent without.
pub fn link(socket: &Path) -> Vec<Link> {
    default_places().iter().filter_map(|path| Link::create(path, socket)).collect()
}

/// Links that another process of the agent has made, and this one removes.
pub fn taken_over(links: Vec<PathBuf>, socket: &Path) -> Vec<Link> {
    links.into_iter().map(|path| Link { path, socket: socket.to_owned() }).collect()
}

/// A link to the agent's socket.
#[derive(Debug)]
pub struct Link {
    path: PathBuf,
    socket: PathBuf,
}

impl Link {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn create(path: &Path, socket: &Path) -> Option<Self> {
        if path == socket {
            return None;
        }
        match Self::create_at(path, socket) {
            Ok(link) => link,
            Err(error) => {
                info!(path = %path.display(), %error, "no link to the socket");
                None
            }
        }
    }

    fn create_at(path: &Path, socket: &Path) -> Result<Option<Self>, PlaceError> {
        let path = Place::prepare_default(path)?.socket;
        if path == socket {
            return Ok(None);
        }
        if is_served(&path) {
            debug!(path = %path.display(), "another agent serves there");
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
    fn the_first_place_that_can_be_used_is_taken() {
        let root = tempfile::tempdir().expect("temporary directory");
        fs_err::write(root.path().join("file"), "").expect("written");
        fs_err::create_dir(root.path().join("taken")).expect("made");
        fs_err::write(root.path().join("taken/sock"), "precious").expect("written");
        let unusable =
            ["missing/oidc/sock", "file/oidc/sock", "taken/sock"].map(|name| root.path().join(name));
        let error = bind_at(&unusable, None).expect_err("no place");
        for path in &unusable {
            let base = path.parent().and_then(Path::parent).expect("a directory");
            assert!(error.to_string().contains(&base.display().to_string()), "{error}");
        }
        let good = root.path().join("oidc/sock");
        let places: Vec<_> =
            unusable.into_iter().chain([good.clone(), root.path().join("next/sock")]).collect();
        let bound = bind_at(&places, None).expect("bound");
        assert_eq!(bound.claim.place.socket, good);
        let error = bind_at(&places, None).expect_err("taken");
        assert!(
            matches!(error, BindError::AlreadyRunning(path) if path == good),
            "no second agent elsewhere"
        );
    }

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
        let path = root.path().join("service/sock");
        fs_err::create_dir(root.path().join("service")).expect("made");
        fs_err::write(&path, "precious").expect("written");
        assert!(Link::create_at(&path, Path::new("/other")).is_err());
        assert!(path.is_file());
    }
}
