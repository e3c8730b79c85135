//! Files that are read again while the process runs: certificates, key sets, the caller table.
//!
//! They are compared by what they hold, since a platform that swaps a directory behind a symbolic link (Kubernetes does)
//! need not change a time that we see. Files that belong together are taken together; a look that falls between two of
//! them finds a pair that does not fit, keeps what is in force, and the next look finds both.

use std::error::Error;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use zeroize::Zeroizing;

use crate::ConfigError;

/// How often files are looked at.
pub(crate) const LOOK_EVERY: Duration = Duration::from_secs(3);

/// What files hold, in their order.
pub(crate) type Contents = Vec<Zeroizing<Vec<u8>>>;

/// Files that belong together.
pub(crate) struct Files {
    what: &'static str,
    paths: Vec<PathBuf>,
    /// What was there at the last look, whether or not it could be used.
    seen: Option<[u8; 32]>,
    unreadable: bool,
}

impl Files {
    /// Reads them for the first time. `what` they are, for the log.
    pub(crate) fn open(
        what: &'static str,
        paths: Vec<PathBuf>,
    ) -> Result<(Self, Contents), ConfigError> {
        let contents = read_all(&paths)?;
        let seen = Some(digest(&contents));
        Ok((Self { what, paths, seen, unreadable: false }, contents))
    }

    /// Gives `apply` what they hold if it is something else than at the last look. What cannot be read or used leaves
    /// what is in force as it is, and is logged once.
    pub(crate) fn look<E: Error>(&mut self, apply: impl FnOnce(&Contents) -> Result<(), E>) {
        let contents = match read_all(&self.paths) {
            Ok(contents) => contents,
            Err(error) => {
                if !std::mem::replace(&mut self.unreadable, true) {
                    self.complain(&error);
                }
                return;
            }
        };
        self.unreadable = false;
        let digest = digest(&contents);
        if self.seen.replace(digest) == Some(digest) {
            return;
        }
        match apply(&contents) {
            Ok(()) => tracing::info!(what = self.what, "read again"),
            Err(error) => self.complain(&error),
        }
    }

    fn complain(&self, error: &dyn Error) {
        let cause = error.source().map(ToString::to_string);
        tracing::error!(
            what = self.what,
            %error,
            cause,
            "not read again: what was in force stays"
        );
    }

    /// Looks `every` so often, as long as the runtime lives.
    pub(crate) fn watch<E: Error>(
        mut self,
        every: Duration,
        mut apply: impl FnMut(&Contents) -> Result<(), E> + Send + 'static,
    ) {
        tokio::spawn(async move {
            loop {
                tokio::time::sleep(every).await;
                // Small files, mostly in the page cache: not worth a thread.
                self.look(&mut apply);
            }
        });
    }
}

fn read_all(paths: &[PathBuf]) -> Result<Contents, ConfigError> {
    paths.iter().map(|path| read(path)).collect()
}

pub(crate) fn read(path: &Path) -> Result<Zeroizing<Vec<u8>>, ConfigError> {
    let read = std::fs::read(path);
    read.map(Zeroizing::new).map_err(|source| ConfigError::File { path: path.to_owned(), source })
}

/// As text, one after the other. What is no text is no JSON either, and will be refused as such.
pub(crate) fn text(contents: &Contents) -> String {
    contents.iter().map(|file| String::from_utf8_lossy(file)).collect()
}

fn digest(contents: &Contents) -> [u8; 32] {
    let mut digest = Sha256::new();
    for file in contents {
        digest.update(file.len().to_be_bytes());
        digest.update(file.as_slice());
    }
    digest.finalize().into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, clippy::panic)]

    use std::fs;
    use std::os::unix::fs::symlink;

    use super::*;

    /// Takes numbers, and nothing else.
    #[derive(Default)]
    struct Numbers {
        taken: Vec<u64>,
        tried: usize,
    }

    impl Numbers {
        fn apply(&mut self, contents: &Contents) -> Result<(), std::num::ParseIntError> {
            self.tried += 1;
            self.taken.push(text(contents).parse()?);
            Ok(())
        }
    }

    #[test]
    fn a_directory_that_is_swapped_behind_a_link_is_seen_though_no_time_changes() {
        let dir = tempfile::tempdir().unwrap();
        for (version, number) in [("1", "10"), ("2", "20")] {
            fs::create_dir(dir.path().join(version)).unwrap();
            fs::write(dir.path().join(version).join("n"), number).unwrap();
        }
        let (first, second) = (dir.path().join("1/n"), dir.path().join("2/n"));
        let time = fs::metadata(&first).unwrap().modified().unwrap();
        fs::File::options().write(true).open(second).unwrap().set_modified(time).unwrap();
        let link = dir.path().join("current");
        symlink("1", &link).unwrap();
        let (mut files, contents) = Files::open("numbers", vec![link.join("n")]).unwrap();
        assert_eq!(text(&contents), "10");
        let mut numbers = Numbers::default();
        files.look(|contents| numbers.apply(contents));
        assert_eq!(numbers.tried, 0, "nothing has changed");
        symlink("2", dir.path().join("next")).unwrap();
        fs::rename(dir.path().join("next"), &link).unwrap();
        files.look(|contents| numbers.apply(contents));
        assert_eq!(numbers.taken, [20]);
    }

    #[test]
    fn what_cannot_be_used_is_tried_once_and_what_comes_after_it_is_taken() {
        let dir = tempfile::tempdir().unwrap();
        let path = dir.path().join("n");
        fs::write(&path, "1").unwrap();
        let (mut files, _) = Files::open("numbers", vec![path.clone()]).unwrap();
        let mut numbers = Numbers::default();
        fs::write(&path, "one").unwrap();
        for _ in 0..3 {
            files.look(|contents| numbers.apply(contents));
        }
        assert_eq!((numbers.tried, &numbers.taken[..]), (1, &[][..]));
        fs::remove_file(&path).unwrap();
        files.look(|contents| numbers.apply(contents));
        assert_eq!(numbers.tried, 1, "what is not there is not applied");
        fs::write(&path, "1").unwrap();
        files.look(|contents| numbers.apply(contents));
        assert_eq!(numbers.taken, [1], "back to where it began");
    }

    #[test]
    fn where_one_file_ends_and_the_next_begins_is_part_of_what_they_hold() {
        let dir = tempfile::tempdir().unwrap();
        let paths = vec![dir.path().join("a"), dir.path().join("b")];
        let write = |a, b| {
            fs::write(&paths[0], a).unwrap();
            fs::write(&paths[1], b).unwrap();
        };
        write("12", "3");
        let (mut files, _) = Files::open("numbers", paths.clone()).unwrap();
        let mut numbers = Numbers::default();
        write("1", "23");
        files.look(|contents| numbers.apply(contents));
        assert_eq!(numbers.taken, [123]);
    }

    #[test]
    fn a_file_that_is_not_there_at_the_start_is_an_error() {
        let opened = Files::open("numbers", vec![PathBuf::from("/no/such/file")]);
        assert!(matches!(opened, Err(ConfigError::File { .. })));
    }
}
