-- Whose refusal a hash is of, so that it goes with its contact's erasure. Hashes from before are nobody's in particular
-- (a contact of zeros) and stay.
CREATE TABLE refusers (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    channel INTEGER NOT NULL,
    blind_index BYTEA NOT NULL,
    PRIMARY KEY (business_id, contact_id, channel, blind_index)
);
CREATE INDEX refusers_by_address ON refusers (business_id, channel, blind_index);
-- For this one statement its owner sees all rows.
ALTER TABLE refused_addresses NO FORCE ROW LEVEL SECURITY;
INSERT INTO refusers (business_id, contact_id, channel, blind_index)
    SELECT business_id, '00000000-0000-0000-0000-000000000000', channel, blind_index
    FROM refused_addresses;
ALTER TABLE refused_addresses FORCE ROW LEVEL SECURITY;

-- Contacts that were deleted, with the number of their last change: all that is needed to erase them later.
CREATE TABLE departed_contacts (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    consent_seq BIGINT NOT NULL,
    departed_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, contact_id)
);

-- Contacts that were erased, for ever: a database that comes back from a backup is held against it. Read across
-- businesses: pseudonyms of nobody, numbers and times alone.
CREATE TABLE erased_streams (
    business_id UUID NOT NULL,
    stream_id UUID NOT NULL,
    -- Of the change that says so.
    seq BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, stream_id)
);

DO $do$
DECLARE
    own CONSTANT TEXT :=
        'business_id = (SELECT NULLIF(current_setting(''yinyom.business_id'', true), '''')::uuid)';
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['refusers', 'departed_contacts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_business ON %I USING (%s) WITH CHECK (%s)', name, own, own);
    END LOOP;
END
$do$;
