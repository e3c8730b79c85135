//! Which database: its address by flag, by variable, or in a file, as Kubernetes has secrets.

use std::path::PathBuf;

use clap::builder::FalseyValueParser;
use yinyom_db::DbConfig;

use crate::ConfigError;
use crate::files::read;

/// The database of a service. Has no `Debug`: the address may hold a password.
#[derive(Clone, clap::Args)]
pub struct DatabaseArgs {
    /// The service's database: `sqlite:PATH` or `postgres://…`
    #[arg(
        long,
        env = "YINYOM_DATABASE_URL",
        hide_env_values = true,
        required_unless_present = "database_url_file",
        conflicts_with = "database_url_file"
    )]
    pub database_url: Option<String>,

    /// File with the same, in its place: one line. It is read once
    #[arg(long, env = "YINYOM_DATABASE_URL_FILE", value_name = "FILE")]
    pub database_url_file: Option<PathBuf>,

    /// Work even as a PostgreSQL role that row-level security does not bind: a superuser, or one with BYPASSRLS
    #[arg(long, env = "YINYOM_ALLOW_RLS_BYPASS", value_parser = FalseyValueParser::new())]
    pub allow_rls_bypass: bool,
}

impl DatabaseArgs {
    /// How to reach it.
    pub fn config(&self) -> Result<DbConfig, ConfigError> {
        let url = match (&self.database_url, &self.database_url_file) {
            (Some(url), _) => url.clone(),
            (None, Some(path)) => {
                // What is wrong with it is not quoted: it may hold a password.
                let none = || ConfigError::DatabaseUrl(path.clone());
                let contents = read(path)?;
                let text = std::str::from_utf8(&contents).map_err(|_| none())?.trim();
                if text.is_empty() || text.contains(char::is_whitespace) {
                    return Err(none());
                }
                text.to_owned()
            }
            (None, None) => return Err(ConfigError::NoDatabase),
        };
        Ok(DbConfig { allow_rls_bypass: self.allow_rls_bypass, ..DbConfig::new(url) })
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use clap::{Command, FromArgMatches};

    use super::*;

    const URL: &str = "postgres://directory:hunter2@db.example/directory";

    fn parse(flags: &[&str]) -> Result<DatabaseArgs, clap::Error> {
        let command = <DatabaseArgs as clap::Args>::augment_args(Command::new("test"));
        let matches = command.try_get_matches_from([&["test"], flags].concat())?;
        DatabaseArgs::from_arg_matches(&matches)
    }

    fn in_file(contents: impl AsRef<[u8]>) -> Result<String, String> {
        let dir = tempfile::tempdir().unwrap();
        let file = dir.path().join("uri");
        std::fs::write(&file, contents).unwrap();
        let args = parse(&["--database-url-file", file.to_str().unwrap()]).unwrap();
        args.config().map(|config| config.url).map_err(|error| error.to_string())
    }

    #[test]
    fn an_address_is_given_once_by_itself_or_by_a_file() {
        assert_eq!(parse(&["--database-url", URL]).unwrap().config().unwrap().url, URL);
        for line in [URL.to_owned(), format!("{URL}\n"), format!("{URL}\r\n")] {
            assert_eq!(in_file(line).unwrap(), URL);
        }
        let refused = |flags: &[&str]| {
            let Err(error) = parse(flags) else { panic!("{flags:?} are taken") };
            error.to_string()
        };
        let both = refused(&["--database-url", URL, "--database-url-file", "/uri"]);
        assert!(both.contains("cannot be used with '--database-url-file"), "{both}");
        assert!(!both.contains("hunter2"), "{both}");
        assert!(refused(&[]).contains("--database-url"));
    }

    #[test]
    fn a_file_that_holds_no_address_is_refused_and_not_quoted() {
        let half = format!("{URL}\npassword=hunter2");
        for contents in [&b""[..], b" \n", half.as_bytes(), b"\xff\xfehunter2"] {
            let told = in_file(contents).unwrap_err();
            assert!(told.contains("must hold a database's address, in one line"), "{told}");
            assert!(!told.contains("hunter2"), "{told}");
        }
        let gone = parse(&["--database-url-file", "/no/such/file"]).unwrap().config();
        assert!(matches!(gone, Err(ConfigError::File { .. })));
    }
}
