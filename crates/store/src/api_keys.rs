//! API keys at rest: what each may do, and of its secret only a hash.

use std::fmt;

use crate::database::{SaveStore, on_pool};
use crate::error::{Failure, StoreError};

const CREATE: &str = "\
    INSERT INTO api_keys (id, name, secret_sha256, sources, scopes, created_at_ms)
    VALUES ($1, $2, $3, $4, $5, (SELECT ms FROM clock))";

const ALL: &str = "\
    SELECT id, name, secret_sha256, sources, scopes, created_at_ms, revoked_at_ms, last_used_at_ms FROM api_keys
    ORDER BY created_at_ms, id";

const REVOKE: &str = "\
    UPDATE api_keys SET revoked_at_ms = COALESCE(revoked_at_ms, (SELECT ms FROM clock)) WHERE id = $1";

const NOTE_USE: &str = "UPDATE api_keys SET last_used_at_ms = (SELECT ms FROM clock) WHERE id = $1";

/// SHA-256 of a key's secret. It doesn't show itself in logs.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct SecretHash(pub [u8; 32]);

impl fmt::Debug for SecretHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("SecretHash(…)")
    }
}

/// A key, and what it may do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ApiKey {
    /// Names the key; no secret.
    pub id: String,
    /// What a person calls it.
    pub name: String,
    /// Of its secret.
    pub hash: SecretHash,
    /// Patterns of the sources it may publish for.
    pub sources: Vec<String>,
    /// What else it may do.
    pub scopes: Vec<String>,
}

/// A key as it stands in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoredApiKey {
    /// The key.
    pub key: ApiKey,
    /// When it was made, by the database's clock.
    pub created_at_ms: i64,
    /// Since when it is void.
    pub revoked_at_ms: Option<i64>,
    /// When it was last used, about to the hour.
    pub last_used_at_ms: Option<i64>,
}

#[derive(sqlx::FromRow)]
struct Row {
    id: String,
    name: String,
    secret_sha256: Vec<u8>,
    sources: String,
    scopes: String,
    created_at_ms: i64,
    revoked_at_ms: Option<i64>,
    last_used_at_ms: Option<i64>,
}

impl SaveStore {
    /// Keeps a new key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn create_api_key(&self, key: &ApiKey) -> Result<(), StoreError> {
        let (sources, scopes) = (json(&key.sources), json(&key.scopes));
        self.during("keeping an API key", async {
            on_pool!(self, |pool| sqlx::query(CREATE)
                .bind(&key.id)
                .bind(&key.name)
                .bind(key.hash.0.as_slice())
                .bind(&sources)
                .bind(&scopes)
                .execute(pool)
                .await
                .map(drop)?);
            Ok(())
        })
        .await
    }

    /// All keys, revoked ones too, the oldest first.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn api_keys(&self) -> Result<Vec<StoredApiKey>, StoreError> {
        self.during("reading API keys", async {
            let rows: Vec<Row> = on_pool!(self, |pool| sqlx::query_as(ALL).fetch_all(pool).await?);
            rows.into_iter().map(stored).collect()
        })
        .await
    }

    /// Makes a key void. False: there is no such key.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn revoke_api_key(&self, id: &str) -> Result<bool, StoreError> {
        self.during("revoking an API key", async {
            Ok(on_pool!(self, |pool| sqlx::query(REVOKE).bind(id).execute(pool).await?.rows_affected()) > 0)
        })
        .await
    }

    /// Notes that a key was used just now.
    ///
    /// # Errors
    /// [`StoreError::Unavailable`].
    pub async fn note_api_key_use(&self, id: &str) -> Result<(), StoreError> {
        self.during("noting the use of an API key", async {
            on_pool!(self, |pool| sqlx::query(NOTE_USE).bind(id).execute(pool).await.map(drop)?);
            Ok(())
        })
        .await
    }
}

fn json(texts: &[String]) -> String {
    serde_json::Value::from(texts).to_string()
}

fn stored(row: Row) -> Result<StoredApiKey, Failure> {
    let strange = |what: &str| Failure::Sql(sqlx::Error::Decode(format!("API key {}: {what}", row.id).into()));
    let texts = |json: &str| serde_json::from_str(json).map_err(|_| strange("not an array of strings"));
    let hash = <[u8; 32]>::try_from(row.secret_sha256.as_slice()).map_err(|_| strange("not a SHA-256"))?;
    let (sources, scopes) = (texts(&row.sources)?, texts(&row.scopes)?);
    Ok(StoredApiKey {
        key: ApiKey { hash: SecretHash(hash), sources, scopes, id: row.id, name: row.name },
        created_at_ms: row.created_at_ms,
        revoked_at_ms: row.revoked_at_ms,
        last_used_at_ms: row.last_used_at_ms,
    })
}
