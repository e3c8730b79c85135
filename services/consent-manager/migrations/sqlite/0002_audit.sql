-- Who saw what by privilege alone, and who changed the settings. It is not consent: its streams and indexes are its own, and
-- nothing of it is in the ledger. Pseudonyms and words alone. The business leads every key.

-- The end of a business's audit record. Its row is locked by whoever appends: so indexes have no gap and are given in the
-- order of commit.
CREATE TABLE audit_ends (
    business_id BLOB NOT NULL PRIMARY KEY,
    next_index BIGINT NOT NULL
) WITHOUT ROWID;

-- The end of each producer's stream.
CREATE TABLE audit_streams (
    business_id BLOB NOT NULL,
    -- Name of the service.
    producer TEXT NOT NULL,
    stream_id BLOB NOT NULL,
    last_seq BIGINT NOT NULL,
    PRIMARY KEY (business_id, producer, stream_id)
) WITHOUT ROWID;

-- One row an event. What is not in `act` is there to be found by.
CREATE TABLE audit_events (
    business_id BLOB NOT NULL,
    -- 1 a reveal, 2 a change of settings.
    kind INTEGER NOT NULL,
    event_index BIGINT NOT NULL,
    producer TEXT NOT NULL,
    stream_id BLOB NOT NULL,
    seq BIGINT NOT NULL,
    recorded_at BIGINT NOT NULL,
    ingested_at BIGINT NOT NULL,
    -- 1 a member (by id), 2 a service, 3 an operator (by name).
    actor_kind INTEGER NOT NULL,
    actor_id BLOB,
    actor_name TEXT,
    -- Everything that happened, in the bytes of `yinyom-audit`.
    act BLOB NOT NULL,
    PRIMARY KEY (business_id, kind, event_index)
);
CREATE UNIQUE INDEX audit_events_by_stream ON audit_events (business_id, producer, stream_id, seq);
CREATE INDEX audit_events_by_member ON audit_events (business_id, kind, actor_id, event_index)
    WHERE actor_id IS NOT NULL;

-- Whom an event is about: the contacts that were seen, the members who were changed.
CREATE TABLE audit_subjects (
    business_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    subject_id BLOB NOT NULL,
    event_index BIGINT NOT NULL,
    PRIMARY KEY (business_id, kind, subject_id, event_index)
) WITHOUT ROWID;
