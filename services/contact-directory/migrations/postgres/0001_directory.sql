-- Contacts, their contact points and the state of their consent. Times are microseconds since 1970, UTC.
-- The business leads every key, so that a distributed PostgreSQL can shard by it.

CREATE TABLE contacts (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    external_id TEXT COLLATE "C",
    first_name TEXT NOT NULL,
    last_name TEXT NOT NULL,
    -- Case-folded «first last» and last name, for order and prefixes.
    sort_name TEXT COLLATE "C" NOT NULL,
    sort_last_name TEXT COLLATE "C" NOT NULL,
    -- Counts every change, of consent too. The etag.
    revision BIGINT NOT NULL,
    -- Number of the last consent change; raised in the transaction of the change.
    consent_seq BIGINT NOT NULL,
    phone_state INTEGER NOT NULL,
    phone_expires_at BIGINT,
    phone_set_at BIGINT NOT NULL,
    phone_refused_before BOOLEAN NOT NULL,
    email_state INTEGER NOT NULL,
    email_expires_at BIGINT,
    email_set_at BIGINT NOT NULL,
    email_refused_before BOOLEAN NOT NULL,
    -- What identifies in the contact's evidence is under this key; sealed under the business's.
    subject_key BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, contact_id)
);
CREATE UNIQUE INDEX contacts_by_external_id ON contacts (business_id, external_id)
    WHERE external_id IS NOT NULL;
CREATE INDEX contacts_by_name ON contacts (business_id, sort_name, contact_id);
CREATE INDEX contacts_by_last_name ON contacts (business_id, sort_last_name, contact_id);
CREATE INDEX contacts_by_creation ON contacts (business_id, created_at, contact_id);
CREATE INDEX contacts_by_update ON contacts (business_id, updated_at, contact_id);

-- One phone number or e-mail address: sealed, and a keyed hash to find it by.
CREATE TABLE contact_points (
    business_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    point_id UUID NOT NULL,
    channel INTEGER NOT NULL,
    sealed BYTEA NOT NULL,
    blind_index BYTEA NOT NULL,
    PRIMARY KEY (business_id, contact_id, point_id),
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts ON DELETE CASCADE
);
CREATE INDEX contact_points_by_address ON contact_points (business_id, channel, blind_index);

-- Keyed hashes of name and addresses together, by which an import finds its own rows again.
CREATE TABLE contact_fingerprints (
    business_id UUID NOT NULL,
    fingerprint BYTEA NOT NULL,
    contact_id UUID NOT NULL,
    PRIMARY KEY (business_id, fingerprint),
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts ON DELETE CASCADE
);
CREATE INDEX contact_fingerprints_by_contact ON contact_fingerprints (business_id, contact_id);

-- Keyed hashes of addresses that a deleted contact had refused.
CREATE TABLE refused_addresses (
    business_id UUID NOT NULL,
    channel INTEGER NOT NULL,
    blind_index BYTEA NOT NULL,
    refused_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, channel, blind_index)
);

CREATE TABLE accounts (
    business_id UUID NOT NULL,
    account_id UUID NOT NULL,
    display_name TEXT NOT NULL,
    sort_name TEXT COLLATE "C" NOT NULL,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, account_id)
);
CREATE INDEX accounts_by_name ON accounts (business_id, sort_name, account_id);
CREATE INDEX accounts_by_creation ON accounts (business_id, created_at, account_id);
CREATE INDEX accounts_by_update ON accounts (business_id, updated_at, account_id);

CREATE TABLE account_contacts (
    business_id UUID NOT NULL,
    account_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    PRIMARY KEY (business_id, account_id, contact_id),
    FOREIGN KEY (business_id, account_id) REFERENCES accounts ON DELETE CASCADE,
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts ON DELETE CASCADE
);
CREATE INDEX account_contacts_by_contact ON account_contacts (business_id, contact_id);

CREATE TABLE leads (
    business_id UUID NOT NULL,
    lead_id UUID NOT NULL,
    title TEXT NOT NULL,
    sort_title TEXT COLLATE "C" NOT NULL,
    source TEXT NOT NULL,
    primary_contact_id UUID NOT NULL,
    -- Set once the lead was turned into an account.
    account_id UUID,
    revision BIGINT NOT NULL,
    created_at BIGINT NOT NULL,
    updated_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, lead_id),
    FOREIGN KEY (business_id, primary_contact_id) REFERENCES contacts
);
CREATE INDEX leads_by_title ON leads (business_id, sort_title, lead_id);
CREATE INDEX leads_by_creation ON leads (business_id, created_at, lead_id);
CREATE INDEX leads_by_update ON leads (business_id, updated_at, lead_id);
CREATE INDEX leads_by_primary_contact ON leads (business_id, primary_contact_id);

CREATE TABLE lead_contacts (
    business_id UUID NOT NULL,
    lead_id UUID NOT NULL,
    contact_id UUID NOT NULL,
    PRIMARY KEY (business_id, lead_id, contact_id),
    FOREIGN KEY (business_id, lead_id) REFERENCES leads ON DELETE CASCADE,
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts ON DELETE CASCADE
);
CREATE INDEX lead_contacts_by_contact ON lead_contacts (business_id, contact_id);

-- The keys of a business, wrapped by the master key: one that seals, one that indexes.
CREATE TABLE business_keys (
    business_id UUID NOT NULL,
    purpose INTEGER NOT NULL,
    wrapped BYTEA NOT NULL,
    created_at BIGINT NOT NULL,
    PRIMARY KEY (business_id, purpose)
);
