//! A service starts before its database does, or with a wrong address.

use consent_settings::MIGRATIONS;
use yinyom_db::{Db, OpenError};
use yinyom_tests::{OwnPostgres, Stop};

use super::{SESSIONS, config};

#[tokio::test]
async fn a_server_that_is_not_up_yet_is_waited_for() {
    let server = OwnPostgres::start(SESSIONS);
    let address = server.url("postgres");
    server.stop(Stop::Fast);
    let at_once = Db::connect(&config(address.clone()), &MIGRATIONS).await;
    assert!(matches!(at_once, Err(OpenError::Db(_))), "{at_once:?}");
    let opening = tokio::spawn(async move {
        Db::connect_patiently(&config(address), &MIGRATIONS).await.map(|db| db.is_postgres())
    });
    server.start_again();
    assert!(opening.await.unwrap().unwrap());
}

#[tokio::test]
async fn an_address_that_is_wrong_is_said_to_be_at_once() {
    let server = OwnPostgres::start(SESSIONS);
    for wrong in [
        server.url_of("nobody", "secret", "postgres"),
        server.url_of("postgres", "secret", "postgres"),
        server.url("elsewhere"),
    ] {
        let refused = Db::connect_patiently(&config(wrong), &MIGRATIONS).await;
        let error = refused.expect_err("nobody gets in there");
        assert!(matches!(error, OpenError::Refused(_)), "{error:?}");
        assert!(!format!("{error} {error:?}").contains("secret"));
    }
}
