CREATE TABLE requests (
    business_id UUID NOT NULL,
    caller TEXT NOT NULL,
    rpc TEXT NOT NULL,
    request_id UUID NOT NULL,
    fingerprint BYTEA NOT NULL,
    outcome BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, caller, rpc, request_id)
);
CREATE INDEX requests_by_age ON requests (created_at);
CREATE TABLE entry (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    unit BIGINT NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 0),
    body BYTEA,
    note TEXT COLLATE "C",
    flag BOOLEAN,
    at BIGINT,
    PRIMARY KEY (business_id, id)
);
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
-- Who does not say which business it works for sees none of these rows and writes none: not even the tables' owner
-- (yinyom_db, «row-level security»). The subquery is there so that the setting is read once a statement.
DO $do$
DECLARE
    own CONSTANT TEXT :=
        'business_id = (SELECT NULLIF(current_setting(''yinyom.business_id'', true), '''')::uuid)';
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'requests',
        'entry'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_business ON %I USING (%s) WITH CHECK (%s)', name, own, own);
    END LOOP;
END
$do$;
