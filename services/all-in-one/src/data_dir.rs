//! The directory of a `yinyom`: its databases, its keys, and a lock, so that one process has it.
//!
//! Keys are made at the first start. A database whose key is gone is not given a new one: what the
//! key had wrapped would be lost without a word.

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use consent_manager::Notary;
use yinyom_db::DbConfig;
use yinyom_identity::TokenIssuer;
use yinyom_kernel::SharedClock;
use yinyom_privacy::{MasterKey, MasterKeys};
use yinyom_transparency::{InvalidName, LedgerKey};

/// `iss` of the tokens that it makes.
pub const ISSUER: &str = "yinyom-dev";

/// The name of the ledgers in checkpoints.
const LEDGERS: &str = "yinyom-dev";

/// `aud` of all tokens.
pub const AUDIENCE: &str = "yinyom";

/// A service that keeps data.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeper {
    Settings,
    Directory,
    Manager,
}

impl Keeper {
    const ALL: [Self; 3] = [Self::Settings, Self::Directory, Self::Manager];

    const fn name(self) -> &'static str {
        match self {
            Self::Settings => "settings",
            Self::Directory => "directory",
            Self::Manager => "manager",
        }
    }
}

/// The directory cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum DataDirError {
    #[error("{path} cannot be used")]
    Io { path: PathBuf, source: io::Error },
    #[error("another yinyom runs with {0}")]
    Locked(PathBuf),
    #[error(
        "{database} is there, and its key {key} is not: put the key back, or move the database away"
    )]
    KeyGone { database: PathBuf, key: PathBuf },
    #[error(transparent)]
    MasterKey(#[from] yinyom_privacy::KeyError),
    #[error(transparent)]
    LedgerKey(#[from] yinyom_transparency::KeyError),
    #[error(transparent)]
    LedgerName(#[from] InvalidName),
    #[error("the key that signs tokens cannot be used")]
    TokenKey(#[from] yinyom_identity::KeyError),
}

/// The directory, held by this process until it is dropped.
pub struct DataDir {
    path: PathBuf,
    _lock: File,
}

impl DataDir {
    /// Takes `path`, which is made if it is not there, for its owner alone.
    pub fn open(path: &Path) -> Result<Self, DataDirError> {
        make(path)?;
        let lock = path.join("lock");
        let file = OpenOptions::new()
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(&lock)
            .map_err(|source| DataDirError::Io { path: lock.clone(), source })?;
        match file.try_lock() {
            Ok(()) => Ok(Self { path: path.to_owned(), _lock: file }),
            Err(fs::TryLockError::WouldBlock) => Err(DataDirError::Locked(path.to_owned())),
            Err(fs::TryLockError::Error(source)) => Err(DataDirError::Io { path: lock, source }),
        }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The database of `keeper`.
    pub fn database(&self, keeper: Keeper) -> DbConfig {
        DbConfig::new(format!("sqlite:{}", self.database_path(keeper).display()))
    }

    /// The master keys of all keepers. Either all can be had or nothing is made.
    pub fn masters(&self) -> Result<[MasterKeys; 3], DataDirError> {
        make(&self.path.join("keys"))?;
        for keeper in Keeper::ALL {
            let (database, key) = (self.database_path(keeper), self.key_path(keeper));
            if database.exists() && !key.exists() {
                return Err(DataDirError::KeyGone { database, key });
            }
        }
        let [settings, directory, manager] = Keeper::ALL.map(|keeper| self.master(keeper));
        Ok([settings?, directory?, manager?])
    }

    /// Who signs the ledger, and whether the key was made just now. Where it is gone a new one is made: what the old one
    /// signed is verified with its public key still.
    pub fn notary(&self) -> Result<(Notary, bool), DataDirError> {
        let path = self.path.join("keys").join("ledger.pem");
        let made = !path.exists();
        let key = if made { LedgerKey::create(&path)? } else { LedgerKey::from_file(&path)? };
        Ok((Notary::new(key, None, LEDGERS.parse()?), made))
    }

    fn master(&self, keeper: Keeper) -> Result<MasterKeys, DataDirError> {
        let path = self.key_path(keeper);
        let key = if path.exists() {
            MasterKey::from_file(&path)?
        } else {
            let key = MasterKey::generate();
            key.write_new(&path)?;
            key
        };
        Ok(MasterKeys::new(key, Vec::new()))
    }

    fn database_path(&self, keeper: Keeper) -> PathBuf {
        self.path.join(format!("{}.db", keeper.name()))
    }

    fn key_path(&self, keeper: Keeper) -> PathBuf {
        self.path.join("keys").join(format!("{}.key", keeper.name()))
    }
}

/// The key in `data_dir` that signs tokens, made if it is not there. Needs no lock: `yinyom token`
/// uses it while the services run.
pub fn issuer(data_dir: &Path, clock: SharedClock) -> Result<Arc<TokenIssuer>, DataDirError> {
    let keys = data_dir.join("keys");
    make(&keys)?;
    let issuer = TokenIssuer::load_or_create(&keys.join("token-issuer.pem"), ISSUER, clock)?;
    Ok(Arc::new(issuer))
}

fn make(path: &Path) -> Result<(), DataDirError> {
    let made = DirBuilder::new().recursive(true).mode(0o700).create(path);
    made.map_err(|source| DataDirError::Io { path: path.to_owned(), source })
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use std::os::unix::fs::PermissionsExt;

    use yinyom_kernel::SystemClock;

    use super::*;

    fn mode(path: &Path) -> u32 {
        fs::metadata(path).unwrap().permissions().mode() & 0o777
    }

    #[test]
    fn keys_are_made_once_and_are_the_owners_alone() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("data");
        let data = DataDir::open(&path).unwrap();
        data.masters().unwrap();
        assert!(data.notary().unwrap().1, "made just now");
        let clock: SharedClock = Arc::new(SystemClock);
        let jwks = issuer(&path, Arc::clone(&clock)).unwrap().jwks().unwrap();
        let keys: Vec<PathBuf> =
            fs::read_dir(path.join("keys")).unwrap().map(|entry| entry.unwrap().path()).collect();
        assert_eq!(keys.len(), 5);
        let before: Vec<Vec<u8>> = keys.iter().map(|key| fs::read(key).unwrap()).collect();
        data.masters().unwrap();
        assert!(!data.notary().unwrap().1);
        assert_eq!(issuer(&path, clock).unwrap().jwks().unwrap(), jwks);
        assert_eq!(before, keys.iter().map(|key| fs::read(key).unwrap()).collect::<Vec<_>>());
        assert!(keys.iter().all(|key| mode(key) == 0o600));
        assert_eq!((mode(&path), mode(&path.join("keys"))), (0o700, 0o700));
    }

    #[test]
    fn no_two_services_share_a_key() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        data.masters().unwrap();
        let key = |keeper| fs::read(data.key_path(keeper)).unwrap();
        assert_ne!(key(Keeper::Directory), key(Keeper::Manager));
        assert_ne!(key(Keeper::Directory), key(Keeper::Settings));
    }

    #[test]
    fn a_database_without_its_key_is_not_given_another_one() {
        let dir = tempfile::tempdir().unwrap();
        let data = DataDir::open(dir.path()).unwrap();
        fs::write(data.database_path(Keeper::Directory), "x").unwrap();
        assert!(matches!(data.masters(), Err(DataDirError::KeyGone { .. })));
        assert_eq!(fs::read_dir(dir.path().join("keys")).unwrap().count(), 0);
    }

    #[test]
    fn a_second_process_is_kept_out() {
        let dir = tempfile::tempdir().unwrap();
        let first = DataDir::open(dir.path()).unwrap();
        assert!(matches!(DataDir::open(dir.path()), Err(DataDirError::Locked(_))));
        drop(first);
        assert!(DataDir::open(dir.path()).is_ok());
    }
}
