CREATE TABLE requests (
    business_id UUID NOT NULL,
    caller TEXT NOT NULL,
    rpc TEXT NOT NULL,
    request_id UUID NOT NULL,
    fingerprint BYTEA NOT NULL,
    outcome BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, caller, rpc, request_id)
);
CREATE INDEX requests_by_age ON requests (created_at);
CREATE TABLE entry (
    business_id UUID NOT NULL,
    id UUID NOT NULL,
    unit BIGINT NOT NULL,
    count INTEGER NOT NULL CHECK (count >= 0),
    body BYTEA,
    note TEXT COLLATE "C",
    flag BOOLEAN,
    at BIGINT,
    PRIMARY KEY (business_id, id)
);
