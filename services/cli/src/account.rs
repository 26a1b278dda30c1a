//! What is remembered of a router: its fingerprint and the session's token.
//!
//! *Does*: keep `$XDG_CONFIG_HOME/patronus/ROUTER.toml`, readable by its owner only, and which router was used last.
//! *Never does*: keep a password.

use std::{
    env, fs,
    io::{self, Write},
    os::unix::fs::{DirBuilderExt, OpenOptionsExt},
    path::PathBuf,
};

use serde::{Deserialize, Serialize};

use crate::{error::Error, router::Router};

/// A router that was signed in to.
#[derive(Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Account {
    /// Pinned at login.
    pub(crate) fingerprint: String,
    /// The session; empty after signing out.
    pub(crate) token: String,
}

/// The directory of all accounts.
#[derive(Debug)]
pub(crate) struct Accounts(PathBuf);

impl Accounts {
    pub(crate) fn open() -> Result<Self, Error> {
        let base = env::var_os("XDG_CONFIG_HOME").map(PathBuf::from).filter(|path| path.is_absolute());
        let base = base.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".config")));
        let base =
            base.ok_or_else(|| io::Error::new(io::ErrorKind::NotFound, "neither XDG_CONFIG_HOME nor HOME is set"))?;
        Ok(Self(base.join("patronus")))
    }

    /// The account of a router, if there is one.
    pub(crate) fn read(&self, router: &Router) -> Option<Account> {
        toml::from_str(&fs::read_to_string(self.path(router)).ok()?).ok()
    }

    /// Keeps an account and remembers it as the last one.
    pub(crate) fn write(&self, router: &Router, account: &Account) -> Result<(), Error> {
        let text = toml::to_string(account).map_err(|_| Error::BadAnswer)?;
        self.write_file(&self.path(router), &text)?;
        self.write_file(&self.0.join("last"), &router.to_string())
    }

    /// The router that was signed in to last.
    pub(crate) fn last(&self) -> Option<Router> {
        fs::read_to_string(self.0.join("last")).ok()?.parse().ok()
    }

    /// A router's text has no slash and begins with no dot, so it cannot lead elsewhere.
    fn path(&self, router: &Router) -> PathBuf {
        self.0.join(format!("{router}.toml"))
    }

    /// Writes beside and renames: the token is never in a file that others can read.
    fn write_file(&self, path: &PathBuf, text: &str) -> Result<(), Error> {
        let failed = |source| Error::File { path: path.clone(), source };
        fs::DirBuilder::new().recursive(true).mode(0o700).create(&self.0).map_err(failed)?;
        let beside = self.0.join(format!(".new-{}", std::process::id()));
        let _ = fs::remove_file(&beside);
        let file = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&beside);
        file.and_then(|mut file| file.write_all(text.as_bytes())).map_err(failed)?;
        fs::rename(&beside, path).map_err(failed)
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn an_account_is_kept_for_its_owner_only() {
        let dir = tempfile::tempdir().unwrap();
        let accounts = Accounts(dir.path().join("patronus"));
        let router: Router = "192.168.42.1:8443".parse().unwrap();
        assert!(accounts.read(&router).is_none() && accounts.last().is_none());
        let account = Account { fingerprint: "AB".to_owned(), token: "secret".to_owned() };
        accounts.write(&router, &account).unwrap();
        assert_eq!(accounts.read(&router), Some(account));
        assert_eq!(accounts.last(), Some(router.clone()));
        let mode = fs::metadata(accounts.path(&router)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
    }
}
