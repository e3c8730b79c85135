-- The master keys that a key in this database is or was wrapped under. Whoever wraps holds the row of its master key
-- until it commits; the rotation removes the row of one under which there is nothing left.
CREATE TABLE master_keys (
    key_id BLOB NOT NULL PRIMARY KEY,
    since BIGINT NOT NULL
);
