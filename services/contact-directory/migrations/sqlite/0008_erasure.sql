-- Whose refusal a hash is of, so that it goes with its contact's erasure. Hashes from before are nobody's in particular
-- (a contact of zeros) and stay.
CREATE TABLE refusers (
    business_id BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    channel INTEGER NOT NULL,
    blind_index BLOB NOT NULL,
    PRIMARY KEY (business_id, contact_id, channel, blind_index)
);
CREATE INDEX refusers_by_address ON refusers (business_id, channel, blind_index);
INSERT INTO refusers (business_id, contact_id, channel, blind_index)
    SELECT business_id, zeroblob(16), channel, blind_index FROM refused_addresses;

-- Contacts that were deleted, with the number of their last change: all that is needed to erase them later.
CREATE TABLE departed_contacts (
    business_id BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    consent_seq BIGINT NOT NULL,
    departed_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, contact_id)
);

-- Contacts that were erased, for ever: a database that comes back from a backup is held against it. Read across
-- businesses: pseudonyms of nobody, numbers and times alone.
CREATE TABLE erased_streams (
    business_id BLOB NOT NULL,
    stream_id BLOB NOT NULL,
    -- Of the change that says so.
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, stream_id)
);
