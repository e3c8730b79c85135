//! A replica as a process: started, killed, stopped, continued, and started again when it ends by itself.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::path::PathBuf;
use std::process::Stdio;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};
use tokio::sync::Mutex;

/// How a replica is started.
pub struct Recipe {
    pub program: PathBuf,
    pub command: &'static str,
    pub environment: Vec<(&'static str, String)>,
    /// What it says goes here.
    pub log: PathBuf,
}

/// A replica. A fault that is at work on it holds `fault`.
pub struct Process {
    recipe: Recipe,
    /// One fault at a time.
    pub fault: Mutex<()>,
    child: Mutex<Option<Child>>,
    deaths: AtomicUsize,
    refusals: AtomicUsize,
}

impl Process {
    pub fn new(recipe: Recipe) -> Self {
        Self {
            recipe,
            fault: Mutex::default(),
            child: Mutex::default(),
            deaths: AtomicUsize::default(),
            refusals: AtomicUsize::default(),
        }
    }

    /// How often it died without having been killed: at a failpoint.
    pub fn deaths(&self) -> usize {
        self.deaths.load(Ordering::Relaxed)
    }

    /// How often it ended by itself: because there was no database to start with.
    pub fn refusals(&self) -> usize {
        self.refusals.load(Ordering::Relaxed)
    }

    pub async fn start(&self) -> io::Result<()> {
        let mut child = self.child.lock().await;
        *child = Some(self.spawn()?);
        Ok(())
    }

    fn spawn(&self) -> io::Result<Child> {
        let log = OpenOptions::new().create(true).append(true).open(&self.recipe.log)?;
        let mut command = Command::new(&self.recipe.program);
        command.arg(self.recipe.command);
        // What the developer's shell sets must not decide what is tested.
        for (name, _) in std::env::vars_os() {
            if name.to_string_lossy().starts_with("YINYOM_") || name == "FAILPOINTS" {
                command.env_remove(name);
            }
        }
        command
            .envs(self.recipe.environment.iter().map(|(name, value)| (name, value)))
            .stdin(Stdio::null())
            .stdout(File::try_clone(&log)?)
            .stderr(log)
            .kill_on_drop(true)
            .spawn()
    }

    /// SIGKILL, and waits for its end.
    pub async fn kill(&self) {
        let mut child = self.child.lock().await;
        if let Some(mut child) = child.take() {
            let _ = child.kill().await;
        }
    }

    /// SIGSTOP or SIGCONT.
    pub async fn signal(&self, signal: Signal) {
        let child = self.child.lock().await;
        let pid = child.as_ref().and_then(Child::id).and_then(|id| i32::try_from(id).ok());
        if let Some(pid) = pid.and_then(Pid::from_raw) {
            let _ = kill_process(pid, signal);
        }
    }

    /// Starts it again whenever it ends by itself, for ever.
    pub async fn supervise(&self) {
        loop {
            tokio::time::sleep(Duration::from_millis(50)).await;
            let mut child = self.child.lock().await;
            let Some(running) = child.as_mut() else { continue };
            if let Ok(Some(status)) = running.try_wait() {
                let ended = if status.signal().is_some() { &self.deaths } else { &self.refusals };
                ended.fetch_add(1, Ordering::Relaxed);
                // Whoever cannot start is not tried without a pause.
                tokio::time::sleep(Duration::from_millis(100)).await;
                *child = self.spawn().ok();
            }
        }
    }
}
