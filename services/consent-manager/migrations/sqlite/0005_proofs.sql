-- What makes the ledger prove itself. Nothing here is believed by who verifies: it is made again from an export.

-- Version, key id and Ed25519 signature of index, leaf hash, time of ingestion and evidence. NULL in a record that is older
-- than signatures and has not been signed since.
ALTER TABLE ledger ADD COLUMN signature BLOB;

-- How many records the tree has, from the first on, and its right edge: 32 bytes for each bit of the size. A batch is
-- put into the tree when it is appended, unless records from before are not yet in it.
ALTER TABLE ledger_heads ADD COLUMN tree_size BIGINT NOT NULL DEFAULT 0;
ALTER TABLE ledger_heads ADD COLUMN frontier BLOB NOT NULL DEFAULT x'';

-- Complete subtrees of 16, 256, 4,096… records: one row for 15 records. Leaves are in `ledger`.
CREATE TABLE tree_nodes (
    business_id BLOB NOT NULL,
    -- 4, 8, 12…: of 2^level records.
    level INTEGER NOT NULL,
    -- From the left, from 0.
    node_index BIGINT NOT NULL,
    hash BLOB NOT NULL,
    PRIMARY KEY (business_id, level, node_index)
) WITHOUT ROWID;

-- Which businesses have records from before signatures. Read across businesses: no other columns.
CREATE TABLE unsigned_ledgers (
    business_id BLOB NOT NULL PRIMARY KEY
) WITHOUT ROWID;
INSERT INTO unsigned_ledgers (business_id) SELECT business_id FROM ledger_heads WHERE next_index > 0;
