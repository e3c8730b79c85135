-- Every consent change, for ever, and what is counted from it. Times are microseconds since 1970, UTC. States,
-- causes and so on are the codes of `yinyom-consent`. The business leads every key, so that a distributed
-- PostgreSQL can shard by it. Nothing here says who a contact is.

-- The end of a business's ledger. Its row is locked by whoever appends: so indexes have no gap and are given in
-- the order of commit.
CREATE TABLE ledger_heads (
    business_id UUID NOT NULL,
    -- Index of the next change; also how many changes there are.
    next_index BIGINT NOT NULL,
    -- How many contacts there are.
    contacts BIGINT NOT NULL,
    PRIMARY KEY (business_id)
);

-- The end of each contact's stream.
CREATE TABLE streams (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    last_seq BIGINT NOT NULL,
    PRIMARY KEY (business_id, contact_id)
);

-- One row a change. Everything that its leaf hash covers is here.
CREATE TABLE ledger (
    business_id UUID NOT NULL,
    ledger_index BIGINT NOT NULL,
    contact_id UUID NOT NULL,
    seq BIGINT NOT NULL,
    leaf_hash BYTEA NOT NULL,
    recorded_at BIGINT NOT NULL,
    ingested_at BIGINT NOT NULL,
    cause INTEGER NOT NULL,
    surface INTEGER NOT NULL,
    -- 1 a lead, 2 an account.
    parent_kind INTEGER,
    parent_id UUID,
    -- 1 a member (by id), 2 a service (by name).
    actor_kind INTEGER NOT NULL,
    actor_id UUID,
    actor_name TEXT,
    actor_role INTEGER,
    method INTEGER,
    notice_version TEXT,
    claimed_at BIGINT,
    evidence_commitment BYTEA,
    -- Under the contact's own key, whose wrapped copy is in `subjects`. The leaf does not cover it.
    sealed_evidence BYTEA,
    -- A state is NULL where there is none: before a contact was made, after it is gone.
    phone_changed BOOLEAN NOT NULL,
    phone_from INTEGER,
    phone_to INTEGER,
    phone_expires_at BIGINT,
    email_changed BOOLEAN NOT NULL,
    email_from INTEGER,
    email_to INTEGER,
    email_expires_at BIGINT,
    PRIMARY KEY (business_id, ledger_index)
);
CREATE UNIQUE INDEX ledger_by_stream ON ledger (business_id, contact_id, seq);

-- The key that a contact's evidence is sealed under, wrapped by the master key. Without its row the evidence
-- cannot be read by anybody.
CREATE TABLE subjects (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    wrapped_key BYTEA NOT NULL,
    PRIMARY KEY (business_id, contact_id)
);

-- The current consent of each contact that there is: two rows, one a channel. Last recorded state; whether a grant
-- ran out meanwhile is for the reader to see.
CREATE TABLE consents (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    channel INTEGER NOT NULL,
    state INTEGER NOT NULL,
    expires_at BIGINT,
    seq BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    cause INTEGER NOT NULL,
    surface INTEGER NOT NULL,
    actor_kind INTEGER NOT NULL,
    actor_id UUID,
    actor_name TEXT,
    actor_role INTEGER,
    PRIMARY KEY (business_id, contact_id, channel)
);
-- Grants that will run out, or did and nobody has recorded it yet.
CREATE INDEX consents_due ON consents (business_id, expires_at)
    WHERE state = 2 AND expires_at IS NOT NULL;

-- How many current consents are recorded in a state.
CREATE TABLE totals (
    business_id UUID NOT NULL,
    channel INTEGER NOT NULL,
    state INTEGER NOT NULL,
    consents BIGINT NOT NULL,
    PRIMARY KEY (business_id, channel, state)
);

-- How often a consent went from one state to another in a quarter of an hour. Every zone's offset is a multiple of
-- that, so days, weeks and months of any zone can be put together. A quarter is counted from 1970, UTC; state 0 is
-- «no contact».
CREATE TABLE transitions (
    business_id UUID NOT NULL,
    quarter BIGINT NOT NULL,
    channel INTEGER NOT NULL,
    from_state INTEGER NOT NULL,
    to_state INTEGER NOT NULL,
    times BIGINT NOT NULL,
    PRIMARY KEY (business_id, quarter, channel, from_state, to_state)
);
