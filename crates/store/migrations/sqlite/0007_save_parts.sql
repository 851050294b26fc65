-- A large segment stands in several rows.
CREATE TABLE save_parts (
    processor       TEXT    NOT NULL,
    input_partition INTEGER NOT NULL,
    number          INTEGER NOT NULL,
    part            INTEGER NOT NULL,
    -- Of how many.
    parts           INTEGER NOT NULL,
    crc32           INTEGER NOT NULL,
    bytes           BLOB    NOT NULL,
    PRIMARY KEY (processor, input_partition, number, part)
) STRICT;

INSERT INTO save_parts SELECT processor, input_partition, number, 0, 1, crc32, bytes FROM save_segments;
DROP TABLE save_segments;
ALTER TABLE save_parts RENAME TO save_segments;
