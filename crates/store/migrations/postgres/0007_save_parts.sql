-- A large segment stands in several rows.
ALTER TABLE save_segments
    ADD COLUMN part  BIGINT NOT NULL DEFAULT 0,
    -- Of how many.
    ADD COLUMN parts BIGINT NOT NULL DEFAULT 1,
    DROP CONSTRAINT save_segments_pkey,
    ADD PRIMARY KEY (processor, input_partition, number, part);
