//! A file system that is soon full.

use std::path::{Path, PathBuf};
use std::process::Command;

const INSIDE: &str = "YINYOM_TEST_SMALL_DISK";
/// The mark of whoever was there.
const RAN: &str = "ran";

/// A small file system, for whoever runs in [`on_small_disk`].
pub struct SmallDisk(PathBuf);

/// Runs the test `name` (with its modules: `store_faults::disk::sqlite`) once more, in a process of its own, where a file
/// system of `mebibytes` is mounted that nobody else sees and that goes with the process; there, runs `body`.
///
/// # Panics
/// If that process fails, or has no such test, or if this machine lets nobody mount anything: a test that cannot have its disk must fail.
pub fn on_small_disk(name: &str, mebibytes: u32, body: impl FnOnce(&SmallDisk)) {
    if let Some(place) = std::env::var_os(INSIDE) {
        let place = PathBuf::from(place);
        std::fs::write(place.with_file_name(RAN), name).expect("a mark beside the disk");
        return body(&SmallDisk(place));
    }
    let room = tempfile::tempdir().expect("a directory");
    let place = room.path().join("disk");
    std::fs::create_dir(&place).expect("a place for the disk");
    let script =
        "mount -t tmpfs -o size=\"$1\"m,mode=0777 none \"$2\" || exit 111; shift 2; exec \"$@\"";
    let program = std::env::current_exe().expect("this program");
    // As root, or else as root of a namespace for users, where the kernel gives one to everybody.
    let ways: [&[&str]; 2] =
        [&["--mount"], &["--user", "--map-current-user", "--keep-caps", "--mount"]];
    for way in ways {
        let status = Command::new("unshare")
            .args(way)
            .args(["sh", "-c", script, "sh"])
            .arg(mebibytes.to_string())
            .args([&place, &program])
            .args([name, "--exact", "--nocapture"])
            .env(INSIDE, &place)
            .status()
            .expect("unshare, of util-linux, runs");
        match status.code() {
            // `unshare` itself, and the script's word for a mount that was refused.
            Some(1 | 111) => {}
            Some(0) => {
                assert!(room.path().join(RAN).exists(), "there is no test of the name {name}");
                return;
            }
            code => panic!("the test failed on the small disk, as shown above ({code:?})"),
        }
    }
    panic!(
        "this test needs a small file system and may not mount one: run it as root, or let users have namespaces \
         (sysctl kernel.unprivileged_userns_clone=1, kernel.apparmor_restrict_unprivileged_userns=0)"
    );
}

impl SmallDisk {
    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.0
    }

    /// Takes all the room that is left.
    pub fn fill(&self) {
        let ballast = self.ballast();
        let status = Command::new("dd")
            .args(["if=/dev/zero", "bs=4096", "conv=notrunc", "oflag=append", "status=none"])
            .arg(format!("of={}", ballast.display()))
            .stderr(std::process::Stdio::null())
            .status();
        assert!(!status.expect("dd runs").success(), "the disk takes everything");
    }

    /// Gives it back.
    pub fn free(&self) {
        std::fs::remove_file(self.ballast()).expect("the ballast");
    }

    fn ballast(&self) -> PathBuf {
        self.0.join("ballast")
    }
}
