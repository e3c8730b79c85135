//! libFuzzer's driver: `FUZZ_TARGET=phone fuzz -max_total_time=60`.

#![no_main]

use std::sync::LazyLock;

use yinyom_fuzz::{TARGETS, Target};

static TARGET: LazyLock<Target> = LazyLock::new(|| {
    let name = std::env::var("FUZZ_TARGET").unwrap_or_default();
    let Some(target) = TARGETS.into_iter().find(|target| target.name == name) else {
        eprintln!("FUZZ_TARGET must be one of: {}", TARGETS.map(|target| target.name).join(", "));
        std::process::exit(2);
    };
    target
});

libfuzzer_sys::fuzz_target!(|data: &[u8]| (TARGET.run)(data));
