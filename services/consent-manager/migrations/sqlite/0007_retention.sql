-- Erasures, the period after them, legal holds, and requests of persons that were refused.

-- Erased contacts, for ever: a database that comes back from a backup is held against it. Read across businesses: pseudonyms
-- of nobody, numbers and times alone.
CREATE TABLE erased_streams (
    business_id BLOB NOT NULL,
    stream_id BLOB NOT NULL,
    -- Of the change that says so.
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, stream_id)
);

-- What has been destroyed of them.
CREATE TABLE erasures (
    business_id BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    erased_at BIGINT NOT NULL,
    evidence_destroyed_at BIGINT,
    content_destroyed_at BIGINT,
    PRIMARY KEY (business_id, contact_id)
);
CREATE INDEX erasures_open ON erasures (business_id, erased_at) WHERE content_destroyed_at IS NULL;

-- Of evidence that the ledger itself has destroyed: its hash, of which the record's signature speaks, and what says so, signed.
ALTER TABLE ledger ADD COLUMN evidence_erasure BLOB;
-- Says, signed, that the ledger itself has destroyed the content. Then cause, surface, kind of actor and times are 0, which
-- no record has that has one, and the rest is NULL.
ALTER TABLE ledger ADD COLUMN erasure BLOB;

-- Whether the directory has said, since a replica last started, that there is no erasure that is missing here: one row, or
-- none, which is yes.
CREATE TABLE erasure_checks (
    id INTEGER NOT NULL PRIMARY KEY,
    confirmed BOOLEAN NOT NULL
);

-- How long content is kept after an erasure. The last one holds; none is ever changed.
CREATE TABLE retentions (
    business_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    days INTEGER NOT NULL,
    set_at BIGINT NOT NULL,
    actor_id BLOB NOT NULL,
    PRIMARY KEY (business_id, number)
);

CREATE TABLE legal_holds (
    business_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    hold_id BLOB NOT NULL,
    -- NULL is the whole business.
    contact_id BLOB,
    reason TEXT NOT NULL,
    set_at BIGINT NOT NULL,
    actor_id BLOB NOT NULL,
    request_id BLOB NOT NULL,
    released_at BIGINT,
    released_by BLOB,
    PRIMARY KEY (business_id, number)
);
CREATE UNIQUE INDEX legal_holds_by_id ON legal_holds (business_id, hold_id);
CREATE UNIQUE INDEX legal_holds_by_request ON legal_holds (business_id, actor_id, request_id);
CREATE INDEX legal_holds_in_force ON legal_holds (business_id, contact_id) WHERE released_at IS NULL;

-- Written once, never changed.
CREATE TABLE refused_requests (
    business_id BLOB NOT NULL,
    number BIGINT NOT NULL,
    refused_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    contact_id BLOB NOT NULL,
    reason INTEGER NOT NULL,
    text TEXT,
    recorded_at BIGINT NOT NULL,
    actor_kind INTEGER NOT NULL,
    actor_id BLOB,
    actor_name TEXT,
    actor_role INTEGER,
    caller TEXT NOT NULL,
    request_id BLOB NOT NULL,
    PRIMARY KEY (business_id, number)
);
CREATE UNIQUE INDEX refused_requests_by_request ON refused_requests (business_id, caller, request_id);
CREATE INDEX refused_requests_by_contact ON refused_requests (business_id, contact_id, number);

-- For which businesses there is something to destroy, and when. This is all that work across businesses reads; it then
-- enters one business at a time. Whoever sets or releases a hold, or destroys, holds the row.
CREATE TABLE due_work (
    business_id BLOB NOT NULL,
    kind TEXT NOT NULL,
    due_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, kind)
);
CREATE INDEX due_work_by_time ON due_work (kind, due_at);

-- Which replica does a task that one is enough for.
CREATE TABLE task_leases (
    task TEXT NOT NULL PRIMARY KEY,
    holder BLOB NOT NULL,
    held_until BIGINT NOT NULL
);

-- Contacts that were erased before there was any of this.
INSERT INTO erased_streams (business_id, stream_id, seq, created_at)
    SELECT business_id, contact_id, seq, recorded_at FROM ledger WHERE cause = 11;
INSERT INTO erasures (business_id, contact_id, erased_at)
    SELECT business_id, stream_id, created_at FROM erased_streams;
INSERT INTO due_work (business_id, kind, due_at)
    SELECT DISTINCT business_id, 'erasures', CAST(0 AS BIGINT) FROM erased_streams;
