-- The master keys that a key in this database is or was wrapped under. Whoever wraps holds the row of its master key
-- until it commits; the rotation removes the row of one under which there is nothing left.
CREATE TABLE master_keys (
    key_id BYTEA NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);

-- Which businesses have contacts' keys: all that a rotation reads across businesses before it enters one at a time. By a
-- trigger, so that a replica that is older than this table enters them, too.
CREATE TABLE key_holders (
    business_id UUID NOT NULL PRIMARY KEY
);
CREATE FUNCTION note_key_holder() RETURNS trigger LANGUAGE plpgsql AS $do$
BEGIN
    INSERT INTO key_holders (business_id) VALUES (NEW.business_id) ON CONFLICT DO NOTHING;
    RETURN NULL;
END
$do$;
CREATE TRIGGER note_key_holder AFTER INSERT ON ledger_heads
    FOR EACH ROW EXECUTE FUNCTION note_key_holder();
-- For this one statement its owner sees all rows.
ALTER TABLE ledger_heads NO FORCE ROW LEVEL SECURITY;
INSERT INTO key_holders (business_id) SELECT DISTINCT business_id FROM ledger_heads;
ALTER TABLE ledger_heads FORCE ROW LEVEL SECURITY;
