-- For which businesses there is something to do, and since when. This is all that work across businesses reads; it then
-- enters one business at a time. No row-level security, and nothing personal: no other columns.
CREATE TABLE due_work (
    business_id UUID NOT NULL,
    kind TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, kind)
);
CREATE INDEX due_work_by_time ON due_work (kind, due_at);
INSERT INTO due_work (business_id, kind, due_at)
    SELECT business_id, 'requests', MIN(created_at) FROM requests GROUP BY business_id;
DROP INDEX requests_by_age;
CREATE INDEX requests_by_age ON requests (business_id, created_at);
