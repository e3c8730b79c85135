//! Nobody finds out who has which address by asking without end (TRAPS 8).

use std::time::Duration;

use contact_directory::MIGRATIONS;
use contact_directory::commands::Error;
use contact_directory::domain::order::{Order, OrderKey};
use contact_directory::store::find::Wanted;
use yinyom_identity::Caller;
use yinyom_kernel::{Code, Fault};
use yinyom_testkit::{TestDb, both_databases};

use super::{MAIL, ONE, TWO, address, create, why};
use crate::support::House;

both_databases!(MIGRATIONS =>
    look_ups_by_address_are_counted_for_each_caller,
    a_refused_look_up_tells_nothing_of_the_address,
);

const LIMITED: (Code, &str) = (Code::ResourceExhausted, "LOOKUP_RATE_LIMITED");
const BURST: usize = 20;

async fn find(house: &House, by: &Caller, wanted: Wanted) -> Result<usize, Error> {
    let session = house.session(by).await;
    let order = Order { key: OrderKey::Name, descending: false };
    Ok(house.directory.find_contacts(&session, &wanted, order, None, 10).await?.items.len())
}

fn of(text: &str) -> Wanted {
    Wanted { addresses: vec![address(text)], ..Wanted::default() }
}

async fn use_up(house: &House, by: &Caller) {
    for n in 0..BURST {
        find(house, by, of([ONE, TWO, MAIL][n % 3])).await.unwrap();
    }
}

async fn look_ups_by_address_are_counted_for_each_caller(db: TestDb) {
    let house = House::on(db.handle()).await;
    create(&house, "Somchai", &[ONE]).await;
    use_up(&house, &house.user).await;
    assert_eq!(why(find(&house, &house.user, of(ONE)).await), LIMITED);
    assert_eq!(why(find(&house, &house.user, of(MAIL)).await), LIMITED, "phone and e-mail as one");
    let named = Wanted { name_prefix: Some("somchai".to_owned()), ..Wanted::default() };
    assert_eq!(find(&house, &house.user, named).await.unwrap(), 1, "other questions are free");
    assert_eq!(find(&house, &house.user, Wanted::default()).await.unwrap(), 1);
    assert_eq!(find(&house, &house.owner, of(ONE)).await.unwrap(), 1, "others are not held to it");
    let service = House::service(&[]);
    use_up(&house, &service).await;
    assert_eq!(why(find(&house, &service, of(ONE)).await), LIMITED, "a service is");
    house.pass(Duration::from_secs(1)).await;
    find(&house, &house.user, of(ONE)).await.unwrap();
    assert_eq!(why(find(&house, &house.user, of(ONE)).await), LIMITED);
}

async fn a_refused_look_up_tells_nothing_of_the_address(db: TestDb) {
    let house = House::on(db.handle()).await;
    create(&house, "Somchai", &[ONE]).await;
    use_up(&house, &house.user).await;
    let known = find(&house, &house.user, of(ONE)).await.unwrap_err();
    let unknown = find(&house, &house.user, of("0899999999")).await.unwrap_err();
    let all = |error: &Error| {
        (error.code(), error.reason(), error.text(), error.metadata(), error.retry_after())
    };
    assert_eq!(all(&known), all(&unknown));
    assert_eq!(known.retry_after(), Some(Duration::from_secs(1)));
}
