-- Where a consumer stands in one partition of a topic. What it did with the records before stands in tables of its own,
-- written in the same transaction.
CREATE TABLE consumer_places (
    consumer        TEXT    NOT NULL,
    topic           TEXT    NOT NULL,
    input_partition INTEGER NOT NULL,
    log_id          TEXT    NOT NULL,
    next_offset     INTEGER NOT NULL,
    -- JSON: the last sequence taken, by "service/partition" that gave it.
    marks           TEXT    NOT NULL,
    PRIMARY KEY (consumer, topic, input_partition)
) STRICT;
