//! The master keys: from files, or from the environment.

use std::convert::Infallible;
use std::fmt;
use std::path::PathBuf;
use std::str::FromStr;

use yinyom_privacy::{KeyError, MasterKey, MasterKeys};
use zeroize::Zeroizing;

/// A text that is printed by nobody. It is taken as it is: an error about it would quote it.
#[derive(Clone)]
pub struct Secret(Zeroizing<String>);

impl FromStr for Secret {
    type Err = Infallible;

    fn from_str(text: &str) -> Result<Self, Infallible> {
        Ok(Self(Zeroizing::new(text.to_owned())))
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[secret]")
    }
}

/// The keys that wrap what is stored.
#[derive(Debug, Clone, clap::Args)]
pub struct KeyArgs {
    /// File with the master key: 32 bytes, raw, in hex or in base64
    #[arg(
        long,
        env = "YINYOM_MASTER_KEY_FILE",
        required_unless_present = "master_key",
        conflicts_with = "master_key"
    )]
    pub master_key_file: Option<PathBuf>,

    /// The master key itself, in hex or in base64. By the variable: flags are seen by every user of the machine
    #[arg(long, env = "YINYOM_MASTER_KEY", hide_env_values = true, value_name = "KEY")]
    pub master_key: Option<Secret>,

    /// Files with master keys that open and do not wrap, separated by commas: earlier ones, and one that is to come
    #[arg(long, env = "YINYOM_OLDER_MASTER_KEY_FILES", value_delimiter = ',')]
    pub older_master_key_files: Vec<PathBuf>,

    /// Such keys themselves, separated by commas
    #[arg(
        long,
        env = "YINYOM_OLDER_MASTER_KEYS",
        hide_env_values = true,
        value_delimiter = ',',
        value_name = "KEY"
    )]
    pub older_master_keys: Vec<Secret>,
}

impl KeyArgs {
    /// Reads the keys.
    pub fn masters(&self) -> Result<MasterKeys, KeyError> {
        let active = match (&self.master_key_file, &self.master_key) {
            (Some(path), _) => MasterKey::from_file(path)?,
            (None, Some(key)) => MasterKey::from_text(&key.0)?,
            (None, None) => return Err(KeyError::NotAKey),
        };
        let files = self.older_master_key_files.iter().map(|path| MasterKey::from_file(path));
        let keys = self.older_master_keys.iter().map(|key| MasterKey::from_text(&key.0));
        Ok(MasterKeys::new(active, files.chain(keys).collect::<Result<_, _>>()?))
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use clap::{Command, FromArgMatches};

    use super::*;

    const ONE: &str = "000102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";
    const TWO: &str = "100102030405060708090a0b0c0d0e0f101112131415161718191a1b1c1d1e1f";

    fn parse(flags: &[&str]) -> Result<KeyArgs, clap::Error> {
        let command = <KeyArgs as clap::Args>::augment_args(Command::new("test"));
        let matches = command.try_get_matches_from([&["test"], flags].concat())?;
        KeyArgs::from_arg_matches(&matches)
    }

    #[test]
    fn a_key_is_given_once_by_file_or_by_itself() {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("key");
        std::fs::write(&file, TWO).unwrap();
        let file = file.to_str().unwrap();
        let [one, two] = [ONE, TWO].map(|key| MasterKey::from_text(key).unwrap().id());
        let ids =
            |flags: &[&str]| parse(flags).unwrap().masters().unwrap().ids().collect::<Vec<_>>();
        assert_eq!(ids(&["--master-key", ONE]), [one]);
        assert_eq!(ids(&["--master-key-file", file]), [two]);
        let both = ["--master-key", ONE, "--older-master-key-files", file];
        assert_eq!(ids(&both), [one, two]);
        let both = ["--master-key-file", file, "--older-master-keys", &format!("{ONE},{TWO}")];
        assert_eq!(ids(&both), [two, one, two]);
        assert!(parse(&[]).is_err());
        assert!(parse(&["--master-key", ONE, "--master-key-file", file]).is_err());
    }

    #[test]
    fn a_key_is_printed_neither_when_it_is_one_nor_when_it_is_mistyped() {
        for key in [ONE, "no key at all"] {
            let args = parse(&["--master-key", key, "--older-master-keys", key]).unwrap();
            let told = format!("{args:?} {:?}", args.masters().map_err(|error| error.to_string()));
            assert!(!told.contains(key), "{told}");
        }
    }
}
