-- Businesses, their members and settings, and the leases of those who keep a copy of the rules.
-- Times are microseconds since 1970, UTC. The business leads every key, so that a distributed
-- PostgreSQL can shard by it.

-- A business is also the lock of everything in it: every write takes its row first.
CREATE TABLE businesses (
    business_id UUID NOT NULL PRIMARY KEY,
    display_name TEXT NOT NULL,
    plan INTEGER NOT NULL,
    time_zone TEXT NOT NULL,
    -- Counts every change. The etag.
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);
CREATE INDEX businesses_by_age ON businesses (created_at, business_id);

CREATE TABLE consent_settings (
    business_id UUID NOT NULL PRIMARY KEY REFERENCES businesses,
    enforcement BOOLEAN NOT NULL,
    not_set_visibility INTEGER NOT NULL,
    members_may_regrant BOOLEAN NOT NULL,
    shared_address_policy INTEGER NOT NULL,
    revision BIGINT NOT NULL,
    updated_at BIGINT NOT NULL
);

CREATE TABLE members (
    business_id UUID NOT NULL REFERENCES businesses,
    member_id UUID NOT NULL,
    display_name TEXT NOT NULL,
    role INTEGER NOT NULL,
    protection_officer BOOLEAN NOT NULL,
    -- Since when on the viewer list. In this row, so that a removed member is off the list.
    listed_at BIGINT,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, member_id)
);
-- Two owners are impossible even for a bug; that there is one is the rules' business.
CREATE UNIQUE INDEX members_one_owner ON members (business_id) WHERE role = 1;
CREATE INDEX members_listed ON members (business_id, member_id) WHERE listed_at IS NOT NULL;

-- The revision of the rules of all businesses, raised in every transaction that changes any: its
-- row's lock makes revisions commit in their order.
CREATE TABLE policy_clock (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    revision BIGINT NOT NULL
);
-- From 1: a holder says 0 when it has applied nothing.
INSERT INTO policy_clock (id, revision) VALUES (1, 1);

-- The revision at which a business's rules last changed.
CREATE TABLE policy_revisions (
    business_id UUID NOT NULL PRIMARY KEY REFERENCES businesses,
    revision BIGINT NOT NULL
);
CREATE INDEX policy_revisions_by_revision ON policy_revisions (revision);

-- Who keeps a copy of the rules, and up to which revision the copy is known to be.
CREATE TABLE policy_leases (
    holder UUID NOT NULL PRIMARY KEY,
    applied_revision BIGINT NOT NULL,
    expires_at BIGINT NOT NULL
);
CREATE INDEX policy_leases_by_expiry ON policy_leases (expires_at);

-- The one key of this service, under the master key: fingerprints of requests and page tokens.
CREATE TABLE service_key (
    id INTEGER NOT NULL PRIMARY KEY CHECK (id = 1),
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL
);
