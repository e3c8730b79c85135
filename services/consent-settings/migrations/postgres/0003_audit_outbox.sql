-- How many audit events a business has. Its row is locked by whoever adds one: so numbers have no gap and are
-- committed in their order.
CREATE TABLE audit_heads (
    business_id UUID NOT NULL PRIMARY KEY,
    last_seq BIGINT NOT NULL
);

-- Who saw by privilege and who changed the settings: what the manager is not yet known to have. Read across businesses
-- by the relay: pseudonyms only. The same as the outbox of consent changes, which must not wait for it.
CREATE TABLE audit_outbox (
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
CREATE INDEX audit_outbox_due ON audit_outbox (business_id, due_at);
-- Every row is dead within a second: vacuum by number, not by a share of a table that is mostly empty.
ALTER TABLE audit_outbox SET (
    autovacuum_vacuum_scale_factor = 0,
    autovacuum_vacuum_threshold = 5000,
    autovacuum_vacuum_cost_delay = 0
);

-- Streams that the receiver did not take. None in normal times.
CREATE TABLE audit_outbox_stalls (
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
