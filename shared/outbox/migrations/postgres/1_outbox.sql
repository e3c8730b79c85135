-- What was committed and is not yet known to have been received. Read across businesses by the relay:
-- pseudonyms and ciphertext only. A row is inserted once and deleted once.
CREATE TABLE outbox (
    business_id UUID NOT NULL,
    stream_id UUID NOT NULL,
    -- From 1, without a gap, raised in the transaction that inserts the row.
    seq BIGINT NOT NULL,
    payload BYTEA NOT NULL,
    -- W3C traceparent of the request that made the change.
    trace_parent TEXT,
    created_at BIGINT NOT NULL,
    -- When the sweep may take it: a moment after it was created, or never while the stream is stalled.
    due_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, stream_id, seq)
);
CREATE INDEX outbox_due ON outbox (business_id, due_at);
-- Every row is dead within a second: vacuum by number, not by a share of a table that is mostly empty.
ALTER TABLE outbox SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- Streams that the receiver did not take. None in normal times.
CREATE TABLE outbox_stalls (
    business_id UUID NOT NULL,
    stream_id UUID NOT NULL,
    -- The first event that was not taken.
    seq BIGINT NOT NULL,
    reason TEXT NOT NULL,
    attempts BIGINT NOT NULL,
    -- Never, if it is quarantined.
    next_attempt_at BIGINT NOT NULL,
    quarantined_at BIGINT,
    PRIMARY KEY (business_id, stream_id)
);

-- Which replica does a task that one is enough for.
CREATE TABLE task_leases (
    task TEXT NOT NULL PRIMARY KEY,
    holder UUID NOT NULL,
    held_until BIGINT NOT NULL
);
