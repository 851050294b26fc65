-- The ledger of notification: who is told of what, and what became of it.
CREATE TABLE deliveries (
    -- Made of what is told and by which route: the same after any crash.
    id               TEXT    NOT NULL PRIMARY KEY,
    route            TEXT    NOT NULL,
    channel          TEXT    NOT NULL,
    target           TEXT    NOT NULL,
    kind             TEXT    NOT NULL,
    customer         TEXT    NOT NULL,
    cause_source     TEXT    NOT NULL,
    cause_id         TEXT    NOT NULL,
    traceparent      TEXT,
    body             TEXT    NOT NULL,
    -- Where its changes of state are told: a partition of `notification.deliveries`.
    input_partition  INTEGER NOT NULL,
    -- pending, retrying, delivered, dead, expired
    state            TEXT    NOT NULL,
    attempts         INTEGER NOT NULL DEFAULT 0,
    -- After this attempt it is dead.
    last_attempt     INTEGER NOT NULL,
    -- When the next attempt is due; null where none is. An attempt that runs has moved it to the end of its lease.
    due_at_ms        INTEGER,
    created_at_ms    INTEGER NOT NULL,
    -- When it came to its state.
    at_ms            INTEGER NOT NULL,
    reason           TEXT    NOT NULL,
    -- Changes of state that are to be told, and the last that was.
    revision         INTEGER NOT NULL DEFAULT 0,
    told             INTEGER NOT NULL DEFAULT 0,
    -- Somebody is about to tell until then.
    telling_until_ms INTEGER NOT NULL DEFAULT 0
) STRICT;

CREATE INDEX deliveries_due ON deliveries (route, due_at_ms) WHERE due_at_ms IS NOT NULL;
CREATE INDEX deliveries_untold ON deliveries (telling_until_ms) WHERE told < revision;
CREATE INDEX deliveries_newest ON deliveries (created_at_ms, id);
CREATE INDEX deliveries_of_customer ON deliveries (customer, created_at_ms, id);

-- Sources that are quiet now.
CREATE TABLE quiet_sources (
    source   TEXT    NOT NULL PRIMARY KEY,
    since_ms INTEGER NOT NULL
) STRICT;
