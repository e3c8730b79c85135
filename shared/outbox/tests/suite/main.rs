//! The relay on both databases, against a receiver that behaves as the manager does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod lanes;
mod order;
mod quarantine;
mod receiver;
mod table;
mod world;

use std::sync::LazyLock;

use include_dir::include_dir;
use yinyom_db::Migrations;

static MIGRATIONS: LazyLock<Migrations> = LazyLock::new(|| {
    Migrations::of(
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/sqlite"),
        &include_dir!("$CARGO_MANIFEST_DIR/migrations/postgres"),
    )
});
