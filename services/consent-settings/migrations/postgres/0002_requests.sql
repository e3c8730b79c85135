-- Requests that took effect, so that a repeated one does not (see yinyom_db::idempotency).
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
