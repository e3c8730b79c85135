-- What the events of outbox say. Apart from it, because the relay looks there across businesses: so there are
-- streams and times alone.
CREATE TABLE outbox_payloads (
    business_id BLOB NOT NULL,
    stream_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    payload BLOB NOT NULL,
    -- W3C traceparent of the request that made the change.
    trace_parent TEXT,
    PRIMARY KEY (business_id, stream_id, seq)
);
INSERT INTO outbox_payloads (business_id, stream_id, seq, payload, trace_parent)
    SELECT business_id, stream_id, seq, payload, trace_parent FROM outbox;
ALTER TABLE outbox DROP COLUMN payload;
ALTER TABLE outbox DROP COLUMN trace_parent;
