-- Changes of many contacts that go on after the call that began them was answered. Ids, numbers, times and the words of an API
-- alone, but for what is sealed.
CREATE TABLE operations (
    business_id BLOB NOT NULL,
    operation_id BLOB NOT NULL,
    -- Who began it, and by whose rights it goes on: `member:…`, `service:…`.
    caller TEXT NOT NULL,
    -- 1 goes on, 2 succeeded, 3 was cancelled, 4 was stopped.
    state INTEGER NOT NULL,
    total BIGINT NOT NULL,
    recorded BIGINT NOT NULL,
    refused BIGINT NOT NULL,
    -- Those before it were dealt with.
    next_block BIGINT NOT NULL,
    -- What is said, where, and what it rests on; not reference and note.
    word BLOB NOT NULL,
    -- Reference and note, under the business's key; gone once it has ended.
    sealed BLOB,
    seal_key INTEGER,
    created_at BIGINT NOT NULL,
    started_at BIGINT,
    ended_at BIGINT,
    -- Which replica is at it, and until when others leave it alone.
    claimed_by BLOB,
    claimed_until BIGINT NOT NULL,
    PRIMARY KEY (business_id, operation_id),
    CONSTRAINT operations_seal_key FOREIGN KEY (business_id, seal_key) REFERENCES business_keys (business_id, purpose)
);
CREATE INDEX operations_by_time ON operations (business_id, created_at, operation_id);
CREATE INDEX operations_under_way ON operations (business_id, claimed_until, operation_id) WHERE state = 1;
CREATE INDEX operations_by_end ON operations (business_id, ended_at) WHERE state <> 1;

-- The contacts of an operation, by id, some hundreds in a row.
CREATE TABLE operation_blocks (
    business_id BLOB NOT NULL,
    operation_id BLOB NOT NULL,
    block BIGINT NOT NULL,
    -- Ids of 16 bytes.
    contacts BLOB NOT NULL,
    -- What became of each: number of the change, or code and reason; not there before it was dealt with.
    outcomes BLOB,
    refused BIGINT NOT NULL,
    PRIMARY KEY (business_id, operation_id, block),
    FOREIGN KEY (business_id, operation_id) REFERENCES operations ON DELETE CASCADE
);
