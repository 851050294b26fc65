-- Keys of those who send events or operate the mesh. Of the secret only its hash is kept.
CREATE TABLE api_keys (
    id              TEXT    PRIMARY KEY,
    name            TEXT    NOT NULL,
    secret_sha256   BLOB    NOT NULL,
    -- Arrays of strings, as JSON.
    sources         TEXT    NOT NULL,
    scopes          TEXT    NOT NULL,
    created_at_ms   INTEGER NOT NULL,
    -- A revoked key stays, so that it can be said of it that it was.
    revoked_at_ms   INTEGER,
    -- Noted about once an hour.
    last_used_at_ms INTEGER
) STRICT;
