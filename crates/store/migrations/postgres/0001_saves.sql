-- One row for each partition of a processor that was ever acquired. The epoch is the fence: whoever acquires raises it.
CREATE TABLE saves (
    processor       TEXT   NOT NULL,
    input_partition BIGINT NOT NULL,
    epoch           BIGINT NOT NULL,
    -- What the save stands for; null until the first is written.
    input_log_id    TEXT,
    next_offset     BIGINT,
    outputs         TEXT,
    -- The segments it is made of: the snapshot's number, and the last delta's. Numbers are never used twice.
    first_segment   BIGINT,
    last_segment    BIGINT NOT NULL DEFAULT 0,
    -- Checksum of the last write.
    stamp           BIGINT,
    saved_at_ms     BIGINT,
    PRIMARY KEY (processor, input_partition)
);

CREATE TABLE save_segments (
    processor       TEXT   NOT NULL,
    input_partition BIGINT NOT NULL,
    number          BIGINT NOT NULL,
    crc32           BIGINT NOT NULL,
    bytes           BYTEA  NOT NULL,
    PRIMARY KEY (processor, input_partition, number)
);

-- They come compressed: a second attempt costs time only.
ALTER TABLE save_segments ALTER COLUMN bytes SET STORAGE EXTERNAL;

-- The same statement asks either database for its clock.
CREATE VIEW clock AS SELECT CAST(floor(extract(epoch FROM clock_timestamp()) * 1000) AS BIGINT) AS ms;
