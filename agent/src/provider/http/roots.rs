//! The certificates that providers are checked against: the system's, or those of the account's `cert_path`.
//!
//! The platform verifier that comes with the HTTP library also reads the directory beside the bundle, some 300 files,
//! and holds all of it at once; `rustls-native-certs` opens whatever a path leads to and reads it without a bound.
//! Everything here reads files, so it must not run on the runtime's threads.

use std::{
    collections::HashSet,
    env,
    ffi::OsString,
    path::{Path, PathBuf},
    sync::Arc,
};

use rustls::{
    ClientConfig, RootCertStore,
    client::{Resumption, WebPkiServerVerifier},
    crypto::ring,
    pki_types::{CertificateDer, pem::PemObject},
};

use super::pinned::Pinned;
use crate::provider::file::{self, Stamp};

/// Where systems keep the bundle: Debian, Fedora and RHEL, openSUSE, Alpine, the BSDs.
const BUNDLES: &[&str] = &[
    "/etc/ssl/certs/ca-certificates.crt",
    "/etc/pki/tls/certs/ca-bundle.crt",
    "/etc/pki/ca-trust/extracted/pem/tls-ca-bundle.pem",
    "/etc/ssl/ca-bundle.pem",
    "/etc/ssl/cert.pem",
    "/usr/share/ssl/certs/ca-bundle.crt",
    "/usr/local/share/certs/ca-root-nss.crt",
];

/// The variables OpenSSL has for the same purpose; the second is a list with colons.
const FILE_VARIABLE: &str = "SSL_CERT_FILE";
const DIRECTORY_VARIABLE: &str = "SSL_CERT_DIR";

/// Largest file of certificates that is read, in bytes; Debian's bundle has 220,000.
const LARGEST_FILE: u64 = 4 << 20;
/// Most files of a directory that are read.
const MOST_FILES: usize = 2048;
/// Most certificates that are kept.
const MOST_CERTIFICATES: usize = 4096;

/// TLS sessions kept for resumption, over all providers of a client.
const SESSIONS: usize = 16;

/// Whether the path means the system's roots. Releases 4.x of the C suite write the one they find into every account
/// file, which then may travel to a system that keeps its bundle elsewhere.
pub(crate) fn is_system_bundle(cert_path: &str) -> bool {
    BUNDLES.contains(&cert_path)
}

/// Where certificates are read from.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Source {
    /// `SSL_CERT_FILE` and `SSL_CERT_DIR`, or else the system's bundle.
    System,
    /// `cert_path`.
    Path(PathBuf),
}

/// What a source was when it was read, by file and directory: see [`Source::stamps`].
pub(super) type Stamps = Vec<Option<Stamp>>;

impl Source {
    /// What its files and directories are now.
    pub(super) fn stamps(&self, variable: impl Fn(&str) -> Option<OsString>) -> Stamps {
        match self {
            Self::Path(path) => vec![file::stamp(path)],
            Self::System => {
                let system = SystemRoots::of(variable);
                system.files.iter().chain(&system.directories).map(|path| file::stamp(path)).collect()
            }
        }
    }

    /// TLS as the agent speaks it, trusting what the source holds. The error is for people.
    pub(super) fn tls_config(
        &self,
        variable: impl Fn(&str) -> Option<OsString>,
    ) -> Result<ClientConfig, String> {
        match self {
            Self::System => SystemRoots::of(variable).read().map(|found| found.trusted(false)),
            Self::Path(path) => {
                let mut found = Certificates::default();
                found.add_file(path)?;
                found.not_empty(&path.display().to_string()).map(|found| found.trusted(true))
            }
        }?
    }
}

/// TLS that trusts nobody, for what never speaks it.
pub(super) fn no_tls() -> Result<ClientConfig, String> {
    let builder = ClientConfig::builder_with_provider(Arc::new(ring::default_provider()));
    let builder = builder.with_safe_default_protocol_versions().map_err(|error| error.to_string())?;
    Ok(builder.with_root_certificates(RootCertStore::empty()).with_no_client_auth())
}

/// The variables replace the system's bundle, as they do for OpenSSL and curl.
struct SystemRoots {
    files: Vec<PathBuf>,
    directories: Vec<PathBuf>,
    /// What they are called where none of them can be used.
    origin: String,
}

impl SystemRoots {
    fn of(variable: impl Fn(&str) -> Option<OsString>) -> Self {
        let set = |name| variable(name).filter(|value| !value.is_empty());
        let (file, directories) = (set(FILE_VARIABLE), set(DIRECTORY_VARIABLE));
        let origin: Vec<_> = [(FILE_VARIABLE, &file), (DIRECTORY_VARIABLE, &directories)]
            .into_iter()
            .filter_map(|(name, value)| Some(format!("{name}={}", value.as_ref()?.display())))
            .collect();
        if !origin.is_empty() {
            let directories = directories.iter().flat_map(env::split_paths);
            return Self {
                files: file.map(PathBuf::from).into_iter().collect(),
                directories: directories.filter(|path| !path.as_os_str().is_empty()).collect(),
                origin: origin.join(" "),
            };
        }
        let bundle = BUNDLES.iter().map(PathBuf::from).find(|path| path.exists());
        Self {
            files: bundle.into_iter().collect(),
            directories: Vec::new(),
            origin: "the places where systems keep them; name a bundle with SSL_CERT_FILE".to_owned(),
        }
    }

    /// All of them; one that cannot be read does not stop the others.
    fn read(&self) -> Result<Certificates, String> {
        let mut found = Certificates::default();
        let mut problems = Vec::new();
        let files = self.files.iter().map(|file| found.add_file(file)).collect::<Vec<_>>();
        let directories = self.directories.iter().map(|directory| found.add_directory(directory));
        for problem in files.into_iter().chain(directories).filter_map(Result::err) {
            tracing::warn!(%problem, "CA certificates are left out");
            problems.push(problem);
        }
        match found.not_empty(&self.origin) {
            Err(_) if !problems.is_empty() => Err(format!("{} ({})", problems.join("; "), self.origin)),
            result => result,
        }
    }
}

/// Certificates, each once.
#[derive(Default)]
struct Certificates(HashSet<CertificateDer<'static>>);

impl Certificates {
    fn not_empty(self, place: &str) -> Result<Self, String> {
        let mut roots = RootCertStore::empty();
        let (usable, _) = roots.add_parsable_certificates(self.0.iter().cloned());
        if usable == 0 { Err(format!("no usable CA certificate in {place}")) } else { Ok(self) }
    }

    /// Adds every certificate of a file. A block that cannot be read is named in the log, and only an error where no
    /// other can be.
    fn add_file(&mut self, path: &Path) -> Result<(), String> {
        let unreadable = |why: String| format!("cannot read CA certificates from {}: {why}", path.display());
        let text = file::read(path, LARGEST_FILE).map_err(|error| unreadable(error.to_string()))?;
        let mut first_problem = None;
        let mut any = false;
        for (index, block) in blocks(&text).enumerate() {
            match block {
                Ok(certificate) => {
                    any = true;
                    if self.0.len() < MOST_CERTIFICATES {
                        self.0.insert(certificate);
                    }
                }
                Err(why) => {
                    let problem = format!("its certificate {} is damaged: {why}", index + 1);
                    tracing::warn!(path = %path.display(), problem, "a CA certificate is left out");
                    first_problem.get_or_insert(problem);
                }
            }
        }
        match first_problem {
            Some(problem) if !any => Err(unreadable(problem)),
            _ => Ok(()),
        }
    }

    /// Every file of a directory; those that hold no certificate are passed over.
    fn add_directory(&mut self, directory: &Path) -> Result<(), String> {
        for entry in
            fs_err::read_dir(directory).map_err(|error| error.to_string())?.flatten().take(MOST_FILES)
        {
            if let Err(problem) = self.add_file(&entry.path()) {
                tracing::debug!(%problem, "no CA certificate");
            }
        }
        Ok(())
    }

    /// TLS 1.2 and 1.3 on ring, HTTP/1.1, no client certificate. `pinned`: a server may show one of the certificates
    /// itself.
    fn trusted(&self, pinned: bool) -> Result<ClientConfig, String> {
        let provider = Arc::new(ring::default_provider());
        let mut roots = RootCertStore::empty();
        roots.add_parsable_certificates(self.0.iter().cloned());
        let builder = ClientConfig::builder_with_provider(provider.clone())
            .with_safe_default_protocol_versions()
            .map_err(|error| error.to_string())?;
        let builder = if pinned {
            let by_path = WebPkiServerVerifier::builder_with_provider(roots.into(), provider)
                .build()
                .map_err(|error| error.to_string())?;
            let named: Vec<_> = self.0.iter().cloned().collect();
            builder.dangerous().with_custom_certificate_verifier(Arc::new(Pinned::new(by_path, &named)))
        } else {
            builder.with_root_certificates(roots)
        };
        let mut config = builder.with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        config.resumption = Resumption::in_memory_sessions(SESSIONS);
        Ok(config)
    }
}

/// The certificates of a PEM text, block by block, so that a damaged one cannot take its neighbours along.
fn blocks(text: &[u8]) -> impl Iterator<Item = Result<CertificateDer<'static>, String>> {
    const BEGIN: &[u8] = b"-----BEGIN CERTIFICATE-----";
    let mut starts: Vec<_> =
        text.windows(BEGIN.len()).enumerate().filter(|(_, part)| *part == BEGIN).map(|(at, _)| at).collect();
    starts.push(text.len());
    let blocks: Vec<_> = starts.windows(2).map(|bounds| &text[bounds[0]..bounds[1]]).collect();
    blocks.into_iter().map(|block| {
        let certificate = CertificateDer::from_pem_slice(block).map_err(|error| error.to_string())?;
        let mut parsed = RootCertStore::empty();
        parsed.add(certificate.clone()).map_err(|error| error.to_string())?;
        Ok(certificate)
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::provider::testing::SelfSigned;

    fn certificate(name: &str) -> String {
        SelfSigned::make(name).pem
    }

    fn config(text: &str) -> Result<ClientConfig, String> {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("ca.pem");
        fs_err::write(&path, text).expect("written");
        Source::Path(path).tls_config(|_| None)
    }

    #[test]
    fn a_bundle_that_is_none_says_so() {
        let none = Source::Path("/nowhere/ca.pem".into()).tls_config(|_| None).unwrap_err();
        assert!(none.contains("cannot read CA certificates from /nowhere/ca.pem"), "{none}");
        assert!(config("no certificate").unwrap_err().contains("no usable CA certificate in"));
        for (path, why) in [("/dev/zero", "is no regular file"), ("/tmp", "is no regular file")] {
            let error = Source::Path(path.into()).tls_config(|_| None).unwrap_err();
            assert!(error.contains(why), "{error}");
        }
    }

    #[test]
    fn a_damaged_certificate_does_not_take_the_others_along() {
        let (one, two) = (certificate("one"), certificate("two"));
        let cut = &one[..one.len() / 2];
        let garbled = one.replacen("MII", "M!I", 1);
        let not_der = "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n";
        for damaged in [cut, &garbled, not_der] {
            for text in
                [format!("{damaged}\n{two}"), format!("{two}{damaged}"), format!("{one}{damaged}\n{two}")]
            {
                assert!(config(&text).is_ok(), "{text}");
            }
            let alone = config(damaged).unwrap_err();
            assert!(alone.contains("its certificate 1 is damaged"), "{alone}");
        }
    }

    #[test]
    fn the_variables_are_lists_of_which_one_usable_part_is_enough() {
        let directory = tempfile::tempdir().expect("a directory");
        let at = |name: &str| directory.path().join(name);
        fs_err::create_dir(at("certs")).expect("a directory");
        fs_err::write(at("certs/one"), certificate("one")).expect("written");
        fs_err::write(at("two"), certificate("two")).expect("written");
        fs_err::write(at("same"), [certificate("one"), certificate("one")].concat()).expect("written");
        let roots = |file: Option<&str>, directories: Option<String>| {
            let file = file.map(|name| at(name).into_os_string());
            let found = SystemRoots::of(|name| match name {
                FILE_VARIABLE => file.clone(),
                _ => directories.clone().map(Into::into),
            });
            found.read().map(|found| found.0.len())
        };
        let list = |names: &[&str]| {
            Some(names.iter().map(|name| at(name).display().to_string()).collect::<Vec<_>>().join(":"))
        };
        assert_eq!(roots(None, list(&["certs", "none"])), Ok(1));
        assert_eq!(roots(Some("two"), list(&["none", "certs"])), Ok(2));
        assert_eq!(roots(Some("none"), list(&["certs"])), Ok(1));
        assert_eq!(roots(Some("two"), None), Ok(1));
        let error = roots(Some("none"), list(&["none"])).unwrap_err();
        assert!(error.contains("SSL_CERT_FILE=") && error.contains("SSL_CERT_DIR="), "{error}");
    }
}
