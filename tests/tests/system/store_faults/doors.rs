//! A server that is not there, or that lets nobody in.

use std::time::Duration;

use yinyom_tests::writer::assert_store_unavailable;
use yinyom_tests::{OwnPostgres, Stop};

use super::{PASSWORD, SESSIONS, USER, World, goes_on};

/// Shorter than the wait for a connection by itself.
const SHORT: Duration = Duration::from_secs(1);

#[derive(Debug, Clone, Copy)]
enum Fault {
    Stopped,
    /// `max_connections`, as far as this user is concerned: the same error.
    TooManyConnections,
    NotInTheAccessTable,
    PasswordChanged,
    NoSuchDatabase,
    ReadOnly,
}

impl Fault {
    const ALL: [Self; 6] = [
        Self::Stopped,
        Self::TooManyConnections,
        Self::NotInTheAccessTable,
        Self::PasswordChanged,
        Self::NoSuchDatabase,
        Self::ReadOnly,
    ];

    async fn begin(self, world: &World) {
        let server = &world.server;
        let sql = async |sql: String| drop(server.sql("postgres", &sql).await.unwrap());
        match self {
            Self::Stopped => return server.stop(Stop::Fast),
            Self::TooManyConnections => sql(format!("ALTER ROLE {USER} CONNECTION LIMIT 0")).await,
            Self::NotInTheAccessTable => {
                server.admit("host all postgres 127.0.0.1/32 md5\n");
            }
            Self::PasswordChanged => sql(format!("ALTER ROLE {USER} PASSWORD 'other'")).await,
            Self::NoSuchDatabase => {
                sql("ALTER DATABASE directory ALLOW_CONNECTIONS false".to_owned()).await;
                world.end_sessions().await;
                sql("ALTER DATABASE directory RENAME TO elsewhere".to_owned()).await;
            }
            Self::ReadOnly => {
                sql(format!("ALTER ROLE {USER} SET default_transaction_read_only = on")).await;
            }
        }
        world.end_sessions().await;
    }

    async fn end(self, server: &OwnPostgres) {
        let sql = async |sql: String| drop(server.sql("postgres", &sql).await.unwrap());
        match self {
            Self::Stopped => server.start_again(),
            Self::TooManyConnections => sql(format!("ALTER ROLE {USER} CONNECTION LIMIT -1")).await,
            Self::NotInTheAccessTable => server.admit(OwnPostgres::EVERYBODY),
            Self::PasswordChanged => sql(format!("ALTER ROLE {USER} PASSWORD '{PASSWORD}'")).await,
            Self::NoSuchDatabase => {
                sql("ALTER DATABASE elsewhere RENAME TO directory".to_owned()).await;
                sql("ALTER DATABASE directory ALLOW_CONNECTIONS true".to_owned()).await;
            }
            Self::ReadOnly => {
                sql(format!("ALTER ROLE {USER} RESET default_transaction_read_only")).await;
                // What is connected stays what it was; its server would end it, were it promoted.
                let end = format!(
                    "SELECT pg_terminate_backend(pid)::text FROM pg_stat_activity
                     WHERE usename = '{USER}'"
                );
                sql(end).await;
            }
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_server_that_lets_nobody_in_is_unavailable_until_it_does() {
    let world = World::start(OwnPostgres::start(SESSIONS), &["directory"]).await;
    let mut writer = world.writer().await;
    for fault in Fault::ALL {
        println!("{fault:?}");
        goes_on(&mut writer, 3).await;
        fault.begin(&world).await;
        // One request, again and again, as a caller would: it is none the wiser, and it loses nothing.
        for _ in 0..3 {
            let refused = writer.attempt(SHORT).await;
            assert_store_unavailable(&refused.expect_err("nobody can have written it"));
            if !matches!(fault, Fault::ReadOnly) {
                let refused = writer.read(SHORT).await;
                assert_store_unavailable(&refused.expect_err("nobody can have read it"));
            }
        }
        fault.end(&world.server).await;
        writer.settle().await;
    }
    goes_on(&mut writer, 3).await;
    writer.check().await;
    world.house.close().await;
}
