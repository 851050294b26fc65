-- Dead letters in the console's read model: each counts once, however often it was written, until it is dealt with.
-- Those of before are read again.
DROP TABLE model_dead_letters;
DELETE FROM consumer_places WHERE consumer = 'console' AND topic = 'ingest.dead-letters';

-- What was refused, without its content. `identity` is the same for letters that are one.
CREATE TABLE model_dead_letters (
    identity        TEXT COLLATE "C" PRIMARY KEY,
    is_open         BIGINT           NOT NULL CHECK (is_open IN (0, 1)),
    received_ms     BIGINT           NOT NULL,
    source          TEXT COLLATE "C" NOT NULL,
    id              TEXT COLLATE "C" NOT NULL,
    subject         TEXT COLLATE "C" NOT NULL,
    field           TEXT COLLATE "C" NOT NULL,
    reason          TEXT COLLATE "C" NOT NULL
);
CREATE INDEX model_dead_letters_open ON model_dead_letters (received_ms, identity) WHERE is_open = 1;
CREATE INDEX model_dead_letters_received ON model_dead_letters (received_ms);

-- Where each stands in the topic: what became of one names its offset.
CREATE TABLE model_dead_letter_places (
    input_partition BIGINT           NOT NULL,
    letter_offset   BIGINT           NOT NULL,
    identity        TEXT COLLATE "C" NOT NULL,
    received_ms     BIGINT           NOT NULL,
    PRIMARY KEY (input_partition, letter_offset)
);
CREATE INDEX model_dead_letter_places_received ON model_dead_letter_places (received_ms);
