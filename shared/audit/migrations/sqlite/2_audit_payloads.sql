-- What the events of audit_outbox say. Apart from it, because the relay looks there across businesses: so there are
-- streams and times alone.
CREATE TABLE audit_outbox_payloads (
    business_id BLOB NOT NULL,
    stream_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    payload BLOB NOT NULL,
    -- W3C traceparent of the request that made the change.
    trace_parent TEXT,
    PRIMARY KEY (business_id, stream_id, seq)
);
INSERT INTO audit_outbox_payloads (business_id, stream_id, seq, payload, trace_parent)
    SELECT business_id, stream_id, seq, payload, trace_parent FROM audit_outbox;
ALTER TABLE audit_outbox DROP COLUMN payload;
ALTER TABLE audit_outbox DROP COLUMN trace_parent;
