-- The master keys that a key in this database is or was wrapped under. Whoever wraps holds the row of its master key
-- until it commits; the rotation removes the row of one under which there is nothing left.
CREATE TABLE master_keys (
    key_id BLOB NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);

-- Which businesses have contacts' keys: all that a rotation reads across businesses before it enters one at a time. By a
-- trigger, so that a replica that is older than this table enters them, too.
CREATE TABLE key_holders (
    business_id BLOB NOT NULL PRIMARY KEY
);
CREATE TRIGGER note_key_holder AFTER INSERT ON ledger_heads BEGIN
    INSERT INTO key_holders (business_id) VALUES (NEW.business_id) ON CONFLICT DO NOTHING;
END;
INSERT INTO key_holders (business_id) SELECT DISTINCT business_id FROM ledger_heads;
