-- For which businesses there is something to do, and since when. This is all that work across businesses reads; it then
-- enters one business at a time. No row-level security, and nothing personal: no other columns.
CREATE TABLE due_work (
    business_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, kind)
);
CREATE INDEX due_work_by_time ON due_work (kind, due_at);
INSERT INTO due_work (business_id, kind, due_at)
    SELECT business_id, 'requests', MIN(created_at) FROM requests GROUP BY business_id;
DROP INDEX requests_by_age;
CREATE INDEX requests_by_age ON requests (business_id, created_at);
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
