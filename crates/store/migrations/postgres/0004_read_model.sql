-- The console's read model: made of topics only, so that it can be dropped and built again at any time.
-- Texts are ordered by their bytes, as SQLite does, whatever the database's own collation.
-- One row: the generation rises with each rebuild; `number` is the last that a row got. Whoever writes updates it first,
-- so that one batch is written at a time, and a smaller number is never seen after a greater one.
CREATE TABLE model (
    only_row        BIGINT           PRIMARY KEY CHECK (only_row = 1),
    generation      BIGINT           NOT NULL,
    number          BIGINT           NOT NULL
);
INSERT INTO model VALUES (1, 1, 0);

-- Who there is, as `customer.events` tells.
CREATE TABLE model_customers (
    customer        TEXT COLLATE "C" PRIMARY KEY,
    owner           TEXT COLLATE "C",
    region          TEXT COLLATE "C",
    language        TEXT COLLATE "C",
    first_ms        BIGINT           NOT NULL,
    last_ms         BIGINT           NOT NULL,
    facts           BIGINT           NOT NULL
);
CREATE INDEX model_customers_owner ON model_customers (owner, customer);
CREATE INDEX model_customers_region ON model_customers (region, customer);

-- Every fact, the first of its name; `bytes` is the protobuf message, as in all tables here.
CREATE TABLE model_facts (
    customer        TEXT COLLATE "C" NOT NULL,
    source          TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    number          BIGINT           NOT NULL,
    at_ms           BIGINT           NOT NULL,
    bytes           BYTEA            NOT NULL,
    PRIMARY KEY (customer, source, id)
);
CREATE INDEX model_facts_timeline ON model_facts (customer, at_ms, number);

-- Where everybody stands.
CREATE TABLE model_standings (
    customer        TEXT COLLATE "C" NOT NULL,
    policy          TEXT COLLATE "C" NOT NULL,
    version         BIGINT           NOT NULL,
    tier            TEXT COLLATE "C" NOT NULL,
    since_ms        BIGINT           NOT NULL,
    PRIMARY KEY (customer, policy)
);
CREATE INDEX model_standings_tier ON model_standings (policy, tier, customer);

CREATE TABLE model_changes (
    number          BIGINT           PRIMARY KEY,
    customer        TEXT COLLATE "C" NOT NULL,
    at_ms           BIGINT           NOT NULL,
    policy          TEXT COLLATE "C" NOT NULL,
    direction       TEXT COLLATE "C" NOT NULL,
    bytes           BYTEA            NOT NULL
);
CREATE INDEX model_changes_timeline ON model_changes (customer, at_ms, number);
CREATE INDEX model_changes_recent ON model_changes (at_ms, number);
CREATE INDEX model_changes_policy ON model_changes (policy, at_ms, number);

-- Every loss signal said, and those that are open.
CREATE TABLE model_signals (
    number          BIGINT           PRIMARY KEY,
    customer        TEXT COLLATE "C" NOT NULL,
    at_ms           BIGINT           NOT NULL,
    bytes           BYTEA            NOT NULL
);
CREATE INDEX model_signals_timeline ON model_signals (customer, at_ms, number);
CREATE TABLE model_open_signals (
    customer        TEXT COLLATE "C" NOT NULL,
    detector        TEXT COLLATE "C" NOT NULL,
    at_stake_minor  BIGINT           NOT NULL,
    bytes           BYTEA            NOT NULL,
    PRIMARY KEY (customer, detector)
);
CREATE INDEX model_open_signals_at_stake ON model_open_signals (at_stake_minor, customer, detector);

-- The last word on each delivery.
CREATE TABLE model_deliveries (
    id              TEXT COLLATE "C" PRIMARY KEY,
    number          BIGINT           NOT NULL UNIQUE,
    customer        TEXT COLLATE "C" NOT NULL,
    at_ms           BIGINT           NOT NULL,
    state           TEXT COLLATE "C" NOT NULL,
    route           TEXT COLLATE "C" NOT NULL,
    bytes           BYTEA            NOT NULL
);
CREATE INDEX model_deliveries_timeline ON model_deliveries (customer, at_ms, number);
CREATE INDEX model_deliveries_recent ON model_deliveries (at_ms, number);

-- What stands in `control`, the last of each name, and the last tick of each partition.
CREATE TABLE model_documents (
    name            TEXT COLLATE "C" PRIMARY KEY,
    control_offset  BIGINT           NOT NULL,
    bytes           BYTEA            NOT NULL
);
CREATE TABLE model_ticks (
    input_partition BIGINT           PRIMARY KEY,
    time_ms         BIGINT           NOT NULL
);

-- What was refused, without its content.
CREATE TABLE model_dead_letters (
    number          BIGINT           PRIMARY KEY,
    received_ms     BIGINT           NOT NULL,
    source          TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    subject         TEXT COLLATE "C" NOT NULL,
    field           TEXT COLLATE "C" NOT NULL,
    reason          TEXT COLLATE "C" NOT NULL
);
CREATE INDEX model_dead_letters_recent ON model_dead_letters (received_ms, number);
