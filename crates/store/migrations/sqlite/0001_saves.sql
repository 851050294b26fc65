-- One row for each partition of a processor that was ever acquired. The epoch is the fence: whoever acquires raises it.
CREATE TABLE saves (
    processor       TEXT    NOT NULL,
    input_partition INTEGER NOT NULL,
    epoch           INTEGER NOT NULL,
    -- What the save stands for; null until the first is written.
    input_log_id    TEXT,
    next_offset     INTEGER,
    outputs         TEXT,
    -- The segments it is made of: the snapshot's number, and the last delta's. Numbers are never used twice.
    first_segment   INTEGER,
    last_segment    INTEGER NOT NULL DEFAULT 0,
    -- Checksum of the last write.
    stamp           INTEGER,
    saved_at_ms     INTEGER,
    PRIMARY KEY (processor, input_partition)
) STRICT;

CREATE TABLE save_segments (
    processor       TEXT    NOT NULL,
    input_partition INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    crc32           INTEGER NOT NULL,
    bytes           BLOB    NOT NULL,
    PRIMARY KEY (processor, input_partition, number)
) STRICT;

-- The same statement asks either database for its clock.
CREATE VIEW clock AS SELECT CAST(round(unixepoch('subsec') * 1000) AS INTEGER) AS ms;
