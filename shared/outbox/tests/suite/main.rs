//! The relay on both databases, against a receiver that behaves as the manager does.

#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

mod faults;
mod lanes;
mod order;
mod quarantine;
mod receiver;
mod table;
mod world;

use yinyom_db::Migrations;

static MIGRATIONS: Migrations = Migrations {
    sqlite: sqlx::migrate!("migrations/sqlite"),
    postgres: sqlx::migrate!("migrations/postgres"),
};
