//! The ways into the agent: a listening socket each, with a policy that says who may come in there and what for.
//!
//! Who comes is decided by the kernel's word alone. The modes of the socket and its directories keep others from
//! connecting at all; should somebody open them, nothing is answered to a stranger nevertheless.

use std::{
    fs::Permissions,
    io,
    os::unix::{
        fs::{MetadataExt, PermissionsExt},
        net::UnixListener,
    },
    path::Path,
};

use oidc_proto::{
    error_code::ErrorCode,
    message::{Class, Failure, Request},
    peer::Peer,
};
use rustix::{fs::Gid, process::geteuid};

use super::place::{Place, PlaceError};
use crate::caller::Role;

/// A socket that listens, and whom it is for.
#[derive(Debug)]
pub struct Entrance {
    /// Listens already.
    pub socket: UnixListener,
    /// Who may come in.
    pub policy: Policy,
}

/// Whom an entrance is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Policy {
    owner: u32,
    group: Option<u32>,
}

impl Policy {
    /// For the user that this process runs as.
    pub fn own_user() -> Self {
        Self { owner: geteuid().as_raw(), group: None }
    }

    /// For another user.
    pub fn of_user(owner: u32) -> Self {
        Self { owner, group: None }
    }

    /// Also for a group's members.
    #[must_use]
    pub fn and_group(self, group: Option<Gid>) -> Self {
        Self { group: group.map(Gid::as_raw), ..self }
    }

    /// What a peer is here; `None` is a stranger. `groups` tells the peer's supplementary groups and is asked only
    /// where they matter.
    pub fn role(self, peer: Peer, groups: impl FnOnce() -> io::Result<Vec<u32>>) -> Option<Role> {
        if peer.is_user_or_root(self.owner) {
            return Some(Role::Owner);
        }
        let group = self.group?;
        let is_member = peer.gid == group || groups().is_ok_and(|groups| groups.contains(&group));
        is_member.then_some(Role::Member)
    }
}

/// Whether somebody of this role may make a request.
pub fn permits(role: Role, request: &Request) -> Result<(), Failure> {
    match (role, request) {
        (Role::Owner, _) | (Role::Member, Request::AccessToken(_)) => Ok(()),
        (Role::Member, _) if request.class() == Class::State => Ok(()),
        (Role::Member, _) => Err(Failure::new(
            ErrorCode::NotPermitted,
            format!("the request '{}' is for the owner of the agent only", request.name()),
        )
        .with_info("Members of its group get access tokens, the names of loaded accounts, and its status.")),
    }
}

impl Entrance {
    /// One whose socket file this process made, with the mode that goes with the policy.
    pub fn own(socket: UnixListener, policy: Policy) -> Self {
        Self { socket, policy }
    }

    /// One whose socket was passed by a service manager: the same is asked of its place as of our own, and its file
    /// gets the same group and mode. A socket without a file (unix(7), abstract) has neither.
    pub fn passed(socket: UnixListener, policy: Policy) -> Result<Self, PlaceError> {
        let address = socket.local_addr()?;
        if let Some(path) = address.as_pathname() {
            Place::check(path)?;
            policy.apply_to(path)?;
        }
        Ok(Self { socket, policy })
    }
}

impl Policy {
    /// Gives the file of a socket the group and mode that a socket of our own has. One of another user's, root's for
    /// instance, stays as that user has said; the kernel's word about who comes counts in any case.
    fn apply_to(self, path: &Path) -> io::Result<()> {
        if path.symlink_metadata()?.uid() != geteuid().as_raw() {
            return Ok(());
        }
        if let Some(group) = self.group {
            fs_err::os::unix::fs::chown(path, None, Some(group))?;
        }
        let mode = if self.group.is_some() { 0o660 } else { 0o600 };
        fs_err::set_permissions(path, Permissions::from_mode(mode))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_role_is_by_user_then_by_group() {
        let policy = Policy::of_user(1000).and_group(Some(Gid::from_raw(50)));
        for (uid, gid, groups, role) in [
            (1000, 1000, Ok(vec![]), Some(Role::Owner)),
            (0, 0, Ok(vec![]), Some(Role::Owner)),
            (1001, 50, Ok(vec![]), Some(Role::Member)),
            (1001, 1001, Ok(vec![7, 50]), Some(Role::Member)),
            (1001, 1001, Ok(vec![7]), None),
            (1001, 1001, Err(io::ErrorKind::NotFound.into()), None),
        ] {
            let peer = Peer { uid, gid, pid: None };
            assert_eq!(policy.role(peer, || groups), role, "{uid} {gid}");
            let without_group = Policy::of_user(1000);
            let owner = role.filter(|role| *role == Role::Owner);
            assert_eq!(without_group.role(peer, || panic!("nobody needs to know")), owner, "{uid} {gid}");
        }
    }

    #[test]
    fn members_get_tokens_and_see_the_state() {
        for (request, permitted) in [
            (r#"{"request":"access_token","account":"a","min_valid_period":-1}"#, true),
            (r#"{"request":"loaded_accounts"}"#, true),
            (r#"{"request":"status"}"#, true),
            (r#"{"request":"check"}"#, true),
            (r#"{"request":"id_token","account":"a"}"#, false),
            (r#"{"request":"mytoken","account":"a"}"#, false),
            (r#"{"request":"lock","password":"p"}"#, false),
            (r#"{"request":"unlock","password":"p"}"#, false),
            (r#"{"request":"remove_all"}"#, false),
            (r#"{"request":"reset","account":"a"}"#, false),
            (r#"{"request":"file_read","filename":"x"}"#, false),
            (r#"{"request":"scopes","issuer":"https://example.org"}"#, false),
            (r#"{"request":"reauthenticate","account":"a"}"#, false),
            (r#"{"request":"upgrade"}"#, false),
        ] {
            let parsed = Request::parse(request.as_bytes()).expect("a request");
            assert_eq!(permits(Role::Member, &parsed).is_ok(), permitted, "{request}");
            assert!(permits(Role::Owner, &parsed).is_ok(), "{request}");
        }
    }

    #[test]
    fn a_passed_socket_gets_the_mode_of_our_own() {
        let root = tempfile::tempdir().expect("temporary directory");
        let path = root.path().join("sock");
        let socket = || UnixListener::bind(&path).expect("bound");
        let mode = || path.metadata().expect("exists").mode() & 0o7777;
        let first = socket();
        fs_err::set_permissions(&path, Permissions::from_mode(0o666)).expect("opened");
        Entrance::passed(first, Policy::own_user()).expect("an entrance");
        assert_eq!(mode(), 0o600);
        fs_err::remove_file(&path).expect("removed");
        Entrance::passed(socket(), Policy::own_user().and_group(Some(rustix::process::getegid())))
            .expect("an entrance");
        assert_eq!(mode(), 0o660);
    }

    #[test]
    fn a_passed_socket_in_an_open_directory_is_refused() {
        let root = tempfile::tempdir().expect("temporary directory");
        fs_err::set_permissions(root.path(), Permissions::from_mode(0o777)).expect("opened");
        let socket = UnixListener::bind(root.path().join("sock")).expect("bound");
        let refused = Entrance::passed(socket, Policy::own_user()).expect_err("untrusted");
        assert!(matches!(refused, PlaceError::Trust(_)), "{refused}");
    }
}
