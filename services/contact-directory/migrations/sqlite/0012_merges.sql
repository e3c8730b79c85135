-- Contacts that became one. A row goes when the merge is undone, or the person erased; it stays when the survivor is deleted, so
-- that erasing one erases all.
CREATE TABLE merges (
    business_id BLOB NOT NULL,
    merge_id BLOB NOT NULL,
    survivor_id BLOB NOT NULL,
    -- A contact that there is not any more. Its last number is in departed_contacts.
    absorbed_id BLOB NOT NULL,
    merged_at BIGINT NOT NULL,
    undo_until BIGINT NOT NULL,
    -- Number, in the survivor's stream, of the change that says so: the order of its merges.
    survivor_seq BIGINT NOT NULL,
    -- What has been said of the survivor since.
    phone_refused BOOLEAN NOT NULL,
    phone_asked_anew BOOLEAN NOT NULL,
    email_refused BOOLEAN NOT NULL,
    email_asked_anew BOOLEAN NOT NULL,
    -- What an undo needs, under the absorbed contact's own key; and that key, sealed under the business's. Both are gone once
    -- there is nothing to undo any more.
    record BLOB,
    subject_key BLOB,
    seal_key INTEGER,
    PRIMARY KEY (business_id, merge_id),
    CONSTRAINT merges_seal_key FOREIGN KEY (business_id, seal_key) REFERENCES business_keys (business_id, purpose)
);
CREATE UNIQUE INDEX merges_by_absorbed ON merges (business_id, absorbed_id);
CREATE INDEX merges_by_survivor ON merges (business_id, survivor_id, survivor_seq);
CREATE INDEX merges_by_time ON merges (business_id, merged_at, merge_id);
CREATE INDEX merges_by_end ON merges (business_id, undo_until) WHERE record IS NOT NULL;

-- What merged contacts were known by, as keyed hashes: 1 their external ids, 2 their names. An import that comes with one of
-- them is about the survivor.
CREATE TABLE contact_aliases (
    business_id BLOB NOT NULL,
    kind INTEGER NOT NULL,
    digest BLOB NOT NULL,
    contact_id BLOB NOT NULL,
    PRIMARY KEY (business_id, kind, digest, contact_id),
    FOREIGN KEY (business_id, contact_id) REFERENCES contacts ON DELETE CASCADE
);
CREATE INDEX contact_aliases_by_contact ON contact_aliases (business_id, contact_id);

-- How many contacts were merged into this one and can come out again.
ALTER TABLE contacts ADD COLUMN merges BIGINT NOT NULL DEFAULT 0;

-- Notes what is said of a merged contact, for the undo. By a trigger, so that no path can forget it. A merge and an undo, which
-- change the number of merges, say nothing themselves; nor does an expiry, which leaves its time behind.
CREATE TRIGGER note_since_merge AFTER UPDATE OF consent_seq ON contacts
    WHEN NEW.merges > 0 AND NEW.merges = OLD.merges AND NEW.consent_seq <> OLD.consent_seq
BEGIN
    UPDATE merges SET
        phone_refused = phone_refused OR (NEW.phone_refused_before AND NOT OLD.phone_refused_before)
            OR (NEW.phone_state = 3 AND (OLD.phone_state <> 3 OR OLD.phone_set_at <> NEW.phone_set_at)),
        phone_asked_anew = phone_asked_anew OR (NEW.phone_state = 1 AND NEW.phone_expires_at IS NULL
            AND (OLD.phone_state <> 1 OR OLD.phone_set_at <> NEW.phone_set_at)),
        email_refused = email_refused OR (NEW.email_refused_before AND NOT OLD.email_refused_before)
            OR (NEW.email_state = 3 AND (OLD.email_state <> 3 OR OLD.email_set_at <> NEW.email_set_at)),
        email_asked_anew = email_asked_anew OR (NEW.email_state = 1 AND NEW.email_expires_at IS NULL
            AND (OLD.email_state <> 1 OR OLD.email_set_at <> NEW.email_set_at))
    WHERE business_id = NEW.business_id AND survivor_id = NEW.contact_id;
END;
