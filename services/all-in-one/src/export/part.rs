//! A file that is not whole yet, and how far it is.

use std::fs::{self, File, OpenOptions};
use std::io::{self, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use serde::{Deserialize, Serialize};
use tokio::time::Instant;

/// How often what arrived is made safe.
const EVERY: Duration = Duration::from_secs(1);

/// The file cannot be written.
#[derive(Debug, thiserror::Error)]
pub enum PartError {
    #[error("{0} is there already: give another --out, or move it away")]
    There(PathBuf),
    #[error("{path} cannot be written")]
    File { path: PathBuf, source: io::Error },
    #[error("{0} is part of another export: give another --out, or remove it")]
    Other(PathBuf),
}

/// How far it is.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
struct State {
    /// What it is of.
    export: String,
    /// So many bytes are good, and go with the token.
    bytes: u64,
    resume_token: String,
}

/// `FILE.part`, with `FILE.part.state`.
pub struct Part {
    out: PathBuf,
    path: PathBuf,
    file: File,
    state: State,
    kept: Instant,
}

impl Part {
    /// Goes on with what there is of `export`, or begins.
    pub fn open(out: &Path, export: &str) -> Result<Self, PartError> {
        if out.exists() {
            return Err(PartError::There(out.to_owned()));
        }
        let path = beside(out, ".part");
        let failed = |source| PartError::File { path: path.clone(), source };
        let begun = fs::read(beside(&path, ".state")).ok();
        let begun = begun.and_then(|text| serde_json::from_slice::<State>(&text).ok());
        if begun.as_ref().is_some_and(|state| state.export != export) && path.exists() {
            return Err(PartError::Other(path));
        }
        // It may hold what identifies people.
        let mut options = OpenOptions::new();
        options.read(true).write(true).create(true).truncate(false).mode(0o600);
        let mut file = options.open(&path).map_err(failed)?;
        let there = file.metadata().map_err(failed)?.len();
        let state = begun
            .filter(|state| state.export == export && state.bytes <= there)
            .unwrap_or_else(|| State { export: export.to_owned(), ..State::default() });
        // What came after the last look is not known to be whole.
        file.set_len(state.bytes).map_err(failed)?;
        file.seek(SeekFrom::End(0)).map_err(failed)?;
        Ok(Self { out: out.to_owned(), path, file, state, kept: Instant::now() })
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How much of it there is.
    pub const fn bytes(&self) -> u64 {
        self.state.bytes
    }

    /// What goes on with it; empty at its beginning.
    pub fn token(&self) -> &str {
        &self.state.resume_token
    }

    /// The next bytes, and what goes on after them.
    pub fn append(&mut self, data: &[u8], resume_token: String) -> Result<(), PartError> {
        self.file.write_all(data).map_err(|source| self.failed(source))?;
        self.state.bytes += data.len() as u64;
        self.state.resume_token = resume_token;
        if self.kept.elapsed() >= EVERY { self.keep() } else { Ok(()) }
    }

    /// Makes safe what arrived: the bytes, then what is said of them.
    pub fn keep(&mut self) -> Result<(), PartError> {
        let kept = (|| {
            self.file.sync_data()?;
            let (state, next) = (beside(&self.path, ".state"), beside(&self.path, ".state.next"));
            let mut file = File::create(&next)?;
            file.write_all(&serde_json::to_vec(&self.state)?)?;
            file.sync_data()?;
            fs::rename(next, state)
        })();
        self.kept = Instant::now();
        kept.map_err(|source| self.failed(source))
    }

    /// Nothing of it is good.
    pub fn begin_anew(&mut self) -> Result<(), PartError> {
        self.state = State { export: self.state.export.clone(), ..State::default() };
        let begun = self.file.set_len(0).and_then(|()| self.file.rewind());
        begun.map_err(|source| self.failed(source))?;
        self.keep()
    }

    /// It is whole: gives it its name.
    pub fn finish(self) -> Result<(), PartError> {
        let finished = (|| {
            self.file.sync_all()?;
            fs::rename(&self.path, &self.out)?;
            let directory = self.out.parent().filter(|path| !path.as_os_str().is_empty());
            File::open(directory.unwrap_or(Path::new(".")))?.sync_all()?;
            match fs::remove_file(beside(&self.path, ".state")) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
                _ => Ok(()),
            }
        })();
        finished.map_err(|source| self.failed(source))
    }

    fn failed(&self, source: io::Error) -> PartError {
        PartError::File { path: self.path.clone(), source }
    }
}

fn beside(path: &Path, more: &str) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(more);
    name.into()
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used)]

    use super::*;

    #[test]
    fn what_came_after_the_last_look_is_asked_for_again() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("x.csv");
        let mut part = Part::open(&out, "e").unwrap();
        part.append(b"one", "1".to_owned()).unwrap();
        part.keep().unwrap();
        part.append(b"two", "2".to_owned()).unwrap();
        // Killed here.
        drop(part);
        let mut part = Part::open(&out, "e").unwrap();
        assert_eq!((part.bytes(), part.token()), (3, "1"));
        part.append(b"TWO", "2".to_owned()).unwrap();
        assert!(!out.exists(), "not under its name before it is whole");
        part.finish().unwrap();
        assert_eq!(fs::read(&out).unwrap(), b"oneTWO");
        assert_eq!(fs::read_dir(dir.path()).unwrap().count(), 1, "nothing else is left");
        assert!(matches!(Part::open(&out, "e"), Err(PartError::There(_))));
    }

    #[test]
    fn a_part_without_a_state_or_shorter_than_it_says_is_begun_anew() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("x.csv");
        fs::write(beside(&out, ".part"), b"junk").unwrap();
        let mut part = Part::open(&out, "e").unwrap();
        assert_eq!((part.bytes(), part.token()), (0, ""));
        part.append(b"one", "1".to_owned()).unwrap();
        part.keep().unwrap();
        fs::write(beside(&out, ".part"), b"o").unwrap();
        assert_eq!(Part::open(&out, "e").unwrap().token(), "");
        fs::write(beside(&out, ".part.state"), b"{").unwrap();
        assert_eq!(Part::open(&out, "e").unwrap().token(), "");
    }

    #[test]
    fn a_part_of_another_export_is_not_touched() {
        let dir = tempfile::tempdir().unwrap();
        let out = dir.path().join("x.csv");
        let mut part = Part::open(&out, "e").unwrap();
        part.append(b"one", "1".to_owned()).unwrap();
        part.keep().unwrap();
        assert!(matches!(Part::open(&out, "f"), Err(PartError::Other(_))));
        assert_eq!(fs::read(part.path()).unwrap(), b"one");
    }
}
