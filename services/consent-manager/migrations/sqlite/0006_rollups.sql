-- What happened when, and by whom: in place of `transitions`, which told quarters of an hour alone.

-- Counts by series of time (`domain::Series`): 0 instants, 1 quarters of an hour by surface, method and actor together,
-- 2 hours, 3 days, 4 months, 5 months by surface, 6 months by actor, 7 months by method. A unit is counted from 1970, UTC.
-- Sums over units put together any stretch of time of any zone.
CREATE TABLE rollups (
    business_id BLOB NOT NULL,
    series INTEGER NOT NULL,
    unit BIGINT NOT NULL,
    -- Empty where nothing is told apart, or where it is nobody's doing.
    value TEXT NOT NULL,
    channel INTEGER NOT NULL,
    changes INTEGER NOT NULL,
    grants INTEGER NOT NULL,
    refusals INTEGER NOT NULL,
    resets INTEGER NOT NULL,
    opt_outs INTEGER NOT NULL,
    -- How many more contacts are in each state.
    not_set INTEGER NOT NULL,
    granted INTEGER NOT NULL,
    denied INTEGER NOT NULL,
    PRIMARY KEY (business_id, series, unit, value, channel)
) WITHOUT ROWID;

-- When the last change of each stream was recorded. NULL until the contact is counted.
ALTER TABLE streams ADD COLUMN last_at BIGINT;

-- Up to which contact the changes from before this table are counted. NULL if they all are, or there were none.
ALTER TABLE ledger_heads ADD COLUMN counted_to BLOB;
UPDATE ledger_heads SET counted_to = zeroblob(16) WHERE next_index > 0;

-- Which businesses have changes that are not counted yet. Read across businesses: no other columns.
CREATE TABLE uncounted_ledgers (
    business_id BLOB NOT NULL PRIMARY KEY
) WITHOUT ROWID;
INSERT INTO uncounted_ledgers (business_id) SELECT business_id FROM ledger_heads WHERE next_index > 0;
DROP TABLE transitions;

-- Changes by time and by actor: what a reader of a report asks for.
CREATE INDEX ledger_by_time ON ledger (business_id, recorded_at);
CREATE INDEX ledger_by_member ON ledger (business_id, actor_id, ledger_index) WHERE actor_id IS NOT NULL;
