//! Which core a program, or a part of one, keeps to: whoever measures a server must not take its time.

use std::process::Command;

/// How many cores there are.
pub fn cores() -> usize {
    std::thread::available_parallelism().map_or(1, std::num::NonZero::get)
}

/// Whether a server and who asks it can each have a core.
pub fn can_pin() -> bool {
    let taskset = || Command::new("taskset").arg("--version").output();
    cores() > 1 && taskset().is_ok_and(|output| output.status.success())
}

/// Gives the thread that calls this, and those that it starts, one core alone.
///
/// # Panics
/// If there is no such core.
pub fn pin_this_thread(core: usize) {
    let this = std::fs::read_link("/proc/thread-self").expect("this thread");
    let id = this.file_name().and_then(|id| id.to_str()).expect("its id").to_owned();
    taskset(&["-cp", &core.to_string(), &id]);
}

/// The same for all threads of this program. Programs that it has started stay where they are.
///
/// # Panics
/// If there is no such core.
pub fn pin_this_program(core: usize) {
    taskset(&["-acp", &core.to_string(), &std::process::id().to_string()]);
}

fn taskset(arguments: &[&str]) {
    let pinned = Command::new("taskset").args(arguments).output().expect("taskset runs");
    assert!(pinned.status.success(), "{}", String::from_utf8_lossy(&pinned.stderr));
}
