-- The console's read model: made of topics only, so that it can be dropped and built again at any time.
-- One row: the generation rises with each rebuild; `number` is the last that a row got. Whoever writes updates it first,
-- so that one batch is written at a time, and a smaller number is never seen after a greater one.
CREATE TABLE model (
    only_row   INTEGER PRIMARY KEY CHECK (only_row = 1),
    generation INTEGER NOT NULL,
    number     INTEGER NOT NULL
) STRICT;
INSERT INTO model VALUES (1, 1, 0);

-- Who there is, as `customer.events` tells.
CREATE TABLE model_customers (
    customer TEXT    PRIMARY KEY,
    owner    TEXT,
    region   TEXT,
    language TEXT,
    first_ms INTEGER NOT NULL,
    last_ms  INTEGER NOT NULL,
    facts    INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX model_customers_owner ON model_customers (owner, customer);
CREATE INDEX model_customers_region ON model_customers (region, customer);

-- Every fact, the first of its name; `bytes` is the protobuf message, as in all tables here.
CREATE TABLE model_facts (
    customer TEXT    NOT NULL,
    source   TEXT    NOT NULL,
    id       TEXT    NOT NULL,
    number   INTEGER NOT NULL,
    at_ms    INTEGER NOT NULL,
    bytes    BLOB    NOT NULL,
    PRIMARY KEY (customer, source, id)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_facts_timeline ON model_facts (customer, at_ms, number);

-- Where everybody stands.
CREATE TABLE model_standings (
    customer TEXT    NOT NULL,
    policy   TEXT    NOT NULL,
    version  INTEGER NOT NULL,
    tier     TEXT    NOT NULL,
    since_ms INTEGER NOT NULL,
    PRIMARY KEY (customer, policy)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_standings_tier ON model_standings (policy, tier, customer);

CREATE TABLE model_changes (
    number    INTEGER PRIMARY KEY,
    customer  TEXT    NOT NULL,
    at_ms     INTEGER NOT NULL,
    policy    TEXT    NOT NULL,
    direction TEXT    NOT NULL,
    bytes     BLOB    NOT NULL
) STRICT;
CREATE INDEX model_changes_timeline ON model_changes (customer, at_ms, number);
CREATE INDEX model_changes_recent ON model_changes (at_ms, number);
CREATE INDEX model_changes_policy ON model_changes (policy, at_ms, number);

-- Every loss signal said, and those that are open.
CREATE TABLE model_signals (
    number   INTEGER PRIMARY KEY,
    customer TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL,
    bytes    BLOB    NOT NULL
) STRICT;
CREATE INDEX model_signals_timeline ON model_signals (customer, at_ms, number);
CREATE TABLE model_open_signals (
    customer       TEXT    NOT NULL,
    detector       TEXT    NOT NULL,
    at_stake_minor INTEGER NOT NULL,
    bytes          BLOB    NOT NULL,
    PRIMARY KEY (customer, detector)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_open_signals_at_stake ON model_open_signals (at_stake_minor, customer, detector);

-- The last word on each delivery.
CREATE TABLE model_deliveries (
    id       TEXT    PRIMARY KEY,
    number   INTEGER NOT NULL UNIQUE,
    customer TEXT    NOT NULL,
    at_ms    INTEGER NOT NULL,
    state    TEXT    NOT NULL,
    route    TEXT    NOT NULL,
    bytes    BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX model_deliveries_timeline ON model_deliveries (customer, at_ms, number);
CREATE INDEX model_deliveries_recent ON model_deliveries (at_ms, number);

-- What stands in `control`, the last of each name, and the last tick of each partition.
CREATE TABLE model_documents (
    name           TEXT    PRIMARY KEY,
    control_offset INTEGER NOT NULL,
    bytes          BLOB    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE TABLE model_ticks (
    input_partition INTEGER PRIMARY KEY,
    time_ms         INTEGER NOT NULL
) STRICT;

-- What was refused, without its content.
CREATE TABLE model_dead_letters (
    number      INTEGER PRIMARY KEY,
    received_ms INTEGER NOT NULL,
    source      TEXT    NOT NULL,
    id          TEXT    NOT NULL,
    subject     TEXT    NOT NULL,
    field       TEXT    NOT NULL,
    reason      TEXT    NOT NULL
) STRICT;
CREATE INDEX model_dead_letters_recent ON model_dead_letters (received_ms, number);
