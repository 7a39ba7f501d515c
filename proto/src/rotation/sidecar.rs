//! The sealed sidecar.
