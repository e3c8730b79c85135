-- The master keys that a key in this database is or was wrapped under. Whoever wraps holds the row of its master key
-- until it commits; the rotation removes the row of one under which there is nothing left.
CREATE TABLE master_keys (
    key_id BYTEA NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);

-- Which businesses have keys: all that a rotation reads across businesses before it enters one at a time. By a
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
CREATE TRIGGER note_key_holder AFTER INSERT ON business_keys
    FOR EACH ROW EXECUTE FUNCTION note_key_holder();
-- For this one statement its owner sees all rows.
ALTER TABLE business_keys NO FORCE ROW LEVEL SECURITY;
INSERT INTO key_holders (business_id) SELECT DISTINCT business_id FROM business_keys;
ALTER TABLE business_keys FORCE ROW LEVEL SECURITY;

-- Which of the business's keys sealed the row (business_keys.purpose). A key that anything is sealed under cannot be
-- deleted, and nothing can be sealed under one that is gone. What is there was sealed under the first.
ALTER TABLE contacts ADD COLUMN seal_key INTEGER NOT NULL DEFAULT 1;
ALTER TABLE contacts ADD CONSTRAINT contacts_seal_key
    FOREIGN KEY (business_id, seal_key) REFERENCES business_keys (business_id, purpose) NOT VALID;
ALTER TABLE contact_points ADD COLUMN seal_key INTEGER NOT NULL DEFAULT 1;
ALTER TABLE contact_points ADD CONSTRAINT contact_points_seal_key
    FOREIGN KEY (business_id, seal_key) REFERENCES business_keys (business_id, purpose) NOT VALID;
