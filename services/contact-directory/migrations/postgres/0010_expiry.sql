-- Grants by when they run out: what is due to be recorded, and what counts must be corrected by meanwhile.
CREATE INDEX contacts_by_phone_expiry ON contacts (business_id, phone_expires_at, contact_id)
    WHERE phone_state = 2 AND phone_expires_at IS NOT NULL;
CREATE INDEX contacts_by_email_expiry ON contacts (business_id, email_expires_at, contact_id)
    WHERE email_state = 2 AND email_expires_at IS NOT NULL;

-- Notes when the first grant of a business runs out. By a trigger, so that no path can forget it, nor a replica that is
-- older than this. Whoever notes holds the lock, shared, until it commits; whoever puts the note off takes it alone and
-- then looks for the first grant: so none is put off that was about to be committed. The note itself is written only
-- where it must become earlier, so that writers do not wait for each other.
CREATE FUNCTION note_grant_end() RETURNS trigger LANGUAGE plpgsql AS $do$
DECLARE
    of_business UUID;
    soonest BIGINT;
    noted BIGINT;
BEGIN
    FOR of_business, soonest IN
        SELECT business_id, MIN(ends) FROM (
            SELECT business_id, phone_expires_at AS ends FROM new_rows WHERE phone_state = 2
            UNION ALL
            SELECT business_id, email_expires_at FROM new_rows WHERE email_state = 2
        ) granted WHERE ends IS NOT NULL GROUP BY business_id
    LOOP
        PERFORM pg_advisory_xact_lock_shared(6041, hashtext(of_business::text));
        SELECT due_at INTO noted FROM due_work WHERE business_id = of_business AND kind = 'expiry';
        IF NOT FOUND OR noted > soonest THEN
            INSERT INTO due_work (business_id, kind, due_at) VALUES (of_business, 'expiry', soonest)
            ON CONFLICT (business_id, kind) DO UPDATE SET due_at = LEAST(due_work.due_at, excluded.due_at);
        END IF;
    END LOOP;
    RETURN NULL;
END
$do$;
CREATE TRIGGER note_grant_end_inserted AFTER INSERT ON contacts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_grant_end();
CREATE TRIGGER note_grant_end_updated AFTER UPDATE ON contacts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION note_grant_end();

-- For this one statement its owner sees all rows.
ALTER TABLE contacts NO FORCE ROW LEVEL SECURITY;
INSERT INTO due_work (business_id, kind, due_at)
    SELECT business_id, 'expiry', MIN(ends) FROM (
        SELECT business_id, phone_expires_at AS ends FROM contacts WHERE phone_state = 2
        UNION ALL
        SELECT business_id, email_expires_at FROM contacts WHERE email_state = 2
    ) granted WHERE ends IS NOT NULL GROUP BY business_id;
ALTER TABLE contacts FORCE ROW LEVEL SECURITY;
