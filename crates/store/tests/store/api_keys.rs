//! API keys: kept, listed, revoked, noted as used.

use tiermesh_store::{ApiKey, SecretHash};

use crate::database::Database;

fn key(id: &str) -> ApiKey {
    ApiKey {
        id: id.to_owned(),
        name: "shop".to_owned(),
        hash: SecretHash([7; 32]),
        sources: vec!["shop/*".to_owned(), "erp/\"retail\"".to_owned()],
        scopes: vec!["events".to_owned()],
    }
}

pub(crate) async fn a_key_comes_back_as_it_was_kept(database: &Database) {
    let store = database.open().await;
    assert_eq!(store.api_keys().await.unwrap(), []);
    store.create_api_key(&key("a")).await.unwrap();
    assert!(store.create_api_key(&key("a")).await.is_err(), "ids are unique");
    let stored = store.api_keys().await.unwrap().remove(0);
    assert_eq!(stored.key, key("a"));
    assert!(stored.created_at_ms > 1_700_000_000_000);
    assert_eq!((stored.revoked_at_ms, stored.last_used_at_ms), (None, None));
    store.note_api_key_use("a").await.unwrap();
    assert!(store.api_keys().await.unwrap()[0].last_used_at_ms >= Some(stored.created_at_ms));
}

pub(crate) async fn a_revoked_key_stays_revoked(database: &Database) {
    let store = database.open().await;
    store.create_api_key(&key("a")).await.unwrap();
    store.create_api_key(&key("b")).await.unwrap();
    assert!(store.revoke_api_key("a").await.unwrap());
    let revoked = store.api_keys().await.unwrap();
    assert!(revoked[0].revoked_at_ms.is_some() && revoked[1].revoked_at_ms.is_none());
    assert!(store.revoke_api_key("a").await.unwrap());
    assert_eq!(store.api_keys().await.unwrap(), revoked, "the first time counts");
    assert!(!store.revoke_api_key("c").await.unwrap());
}

pub(crate) async fn a_damaged_key_is_an_error_and_tells_no_hash(database: &Database) {
    let store = database.open().await;
    store.create_api_key(&key("a")).await.unwrap();
    let shown = format!("{:?}", store.api_keys().await.unwrap());
    assert!(shown.contains("SecretHash(…)") && !shown.contains("7, 7"), "{shown}");
    database.tamper(&format!("UPDATE api_keys SET secret_sha256 = {}", database.literal(b"short"))).await;
    let error = store.api_keys().await.unwrap_err().to_string();
    assert!(error.contains("API key a: not a SHA-256"), "{error}");
}
