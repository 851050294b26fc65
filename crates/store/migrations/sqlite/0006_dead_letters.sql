-- Dead letters in the console's read model: each counts once, however often it was written, until it is dealt with.
-- Those of before are read again.
DROP TABLE model_dead_letters;
DELETE FROM consumer_places WHERE consumer = 'console' AND topic = 'ingest.dead-letters';

-- What was refused, without its content. `identity` is the same for letters that are one.
CREATE TABLE model_dead_letters (
    identity        TEXT    PRIMARY KEY,
    is_open         INTEGER NOT NULL CHECK (is_open IN (0, 1)),
    received_ms     INTEGER NOT NULL,
    source          TEXT    NOT NULL,
    id              TEXT    NOT NULL,
    subject         TEXT    NOT NULL,
    field           TEXT    NOT NULL,
    reason          TEXT    NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX model_dead_letters_open ON model_dead_letters (received_ms, identity) WHERE is_open = 1;
CREATE INDEX model_dead_letters_received ON model_dead_letters (received_ms);

-- Where each stands in the topic: what became of one names its offset.
CREATE TABLE model_dead_letter_places (
    input_partition INTEGER NOT NULL,
    letter_offset   INTEGER NOT NULL,
    identity        TEXT    NOT NULL,
    received_ms     INTEGER NOT NULL,
    PRIMARY KEY (input_partition, letter_offset)
) STRICT, WITHOUT ROWID;
CREATE INDEX model_dead_letter_places_received ON model_dead_letter_places (received_ms);
