//! Without a valid token every method says the same, whatever is wrong and whatever else is: byte for byte.

use tonic::{Code, Request, Status};
use yinyom_tests::ask::{About, methods, path};
use yinyom_tests::forge::Forge;
use yinyom_tests::{Database, House, Things, raw, refusal};

#[tokio::test(flavor = "multi_thread")]
async fn no_bad_token_gets_in_anywhere_and_nothing_tells_what_is_wrong_with_it() {
    let house = House::start(Database::Sqlite).await;
    let business = house.found().await;
    let things = Things::make(&house, &business).await;
    let id = business.owner.name.rsplit('/').next().unwrap().parse().unwrap();
    let forges = [
        Forge::of_member(&house, business.id, id),
        Forge::of_named(&house, "mailer"),
        Forge::of_named(&house, "vendor"),
    ];
    let mut asked = 0;
    for method in methods() {
        let path = path(&method);
        let body = About::member(&things).bytes(&method);
        let nobody = house.call(&path, Request::new(vec![body.clone()])).await.expect_err(&path);
        let expected = (Code::Unauthenticated, "UNAUTHENTICATED".to_owned(), Vec::new());
        assert_eq!(refusal(&nobody), expected, "{path}");
        for (what, token) in forges.iter().flat_map(Forge::bad) {
            let refused = ask(&house, &path, &token, body.clone()).await;
            let refused = refused.expect_err(&format!("{path} takes a token: {what}"));
            assert_eq!(raw::bytes(&refused), raw::bytes(&nobody), "{path}: {what}");
            asked += 1;
        }
    }
    assert!(asked > 50 * 3 * 15, "every method, caller and fault: {asked}");
    house.close().await;
}

/// Were the forge itself no good, the test above would prove nothing.
#[tokio::test(flavor = "multi_thread")]
async fn the_forges_good_tokens_get_in() {
    let house = House::start(Database::Sqlite).await;
    let business = house.found().await;
    let things = Things::make(&house, &business).await;
    let id = business.owner.name.rsplit('/').next().unwrap().parse().unwrap();
    let forge = Forge::of_member(&house, business.id, id);
    for rpc in ["settings.v1.BusinessService/GetBusiness", "directory.v1.ContactService/GetContact"]
    {
        let path = format!("/yinyom.{rpc}");
        let method = methods().into_iter().find(|method| yinyom_tests::ask::path(method) == path);
        let body = About::member(&things).bytes(&method.unwrap());
        assert!(ask(&house, &path, &forge.good(), body).await.is_ok(), "{path}");
    }
    house.close().await;
}

async fn ask(
    house: &House,
    path: &str,
    token: &str,
    body: Vec<u8>,
) -> Result<Vec<Vec<u8>>, Status> {
    let mut request = Request::new(vec![body]);
    let bearer = format!("Bearer {token}").parse().unwrap();
    request.metadata_mut().insert("authorization", bearer);
    house.call(path, request).await
}
