-- The master keys that a key in this database is or was wrapped under. Whoever wraps holds the row of its master key
-- until it commits; the rotation removes the row of one under which there is nothing left.
CREATE TABLE master_keys (
    key_id BLOB NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);

-- Which businesses have keys: all that a rotation reads across businesses before it enters one at a time. By a
-- trigger, so that a replica that is older than this table enters them, too.
CREATE TABLE key_holders (
    business_id BLOB NOT NULL PRIMARY KEY
);
CREATE TRIGGER note_key_holder AFTER INSERT ON business_keys BEGIN
    INSERT INTO key_holders (business_id) VALUES (NEW.business_id) ON CONFLICT DO NOTHING;
END;
INSERT INTO key_holders (business_id) SELECT DISTINCT business_id FROM business_keys;

-- Which of the business's keys sealed the row (business_keys.purpose). A key that anything is sealed under cannot be
-- deleted, and nothing can be sealed under one that is gone. What is there was sealed under the first. On PostgreSQL
-- these are foreign keys; SQLite takes none later than a table.
ALTER TABLE contacts ADD COLUMN seal_key INTEGER NOT NULL DEFAULT 1;
CREATE TRIGGER contacts_seal_key_inserted BEFORE INSERT ON contacts
    WHEN NOT EXISTS (SELECT 1 FROM business_keys
        WHERE business_id = NEW.business_id AND purpose = NEW.seal_key)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed');
END;
CREATE TRIGGER contacts_seal_key_updated BEFORE UPDATE OF seal_key ON contacts
    WHEN NOT EXISTS (SELECT 1 FROM business_keys
        WHERE business_id = NEW.business_id AND purpose = NEW.seal_key)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed');
END;
CREATE TRIGGER contacts_seal_key_deleted BEFORE DELETE ON business_keys
    WHEN EXISTS (SELECT 1 FROM contacts
        WHERE business_id = OLD.business_id AND seal_key = OLD.purpose)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed');
END;
ALTER TABLE contact_points ADD COLUMN seal_key INTEGER NOT NULL DEFAULT 1;
CREATE TRIGGER contact_points_seal_key_inserted BEFORE INSERT ON contact_points
    WHEN NOT EXISTS (SELECT 1 FROM business_keys
        WHERE business_id = NEW.business_id AND purpose = NEW.seal_key)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed');
END;
CREATE TRIGGER contact_points_seal_key_updated BEFORE UPDATE OF seal_key ON contact_points
    WHEN NOT EXISTS (SELECT 1 FROM business_keys
        WHERE business_id = NEW.business_id AND purpose = NEW.seal_key)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed');
END;
CREATE TRIGGER contact_points_seal_key_deleted BEFORE DELETE ON business_keys
    WHEN EXISTS (SELECT 1 FROM contact_points
        WHERE business_id = OLD.business_id AND seal_key = OLD.purpose)
BEGIN
    SELECT RAISE(ABORT, 'FOREIGN KEY constraint failed');
END;
