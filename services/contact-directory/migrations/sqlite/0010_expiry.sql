-- Grants by when they run out: what is due to be recorded, and what counts must be corrected by meanwhile.
CREATE INDEX contacts_by_phone_expiry ON contacts (business_id, phone_expires_at, contact_id)
    WHERE phone_state = 2 AND phone_expires_at IS NOT NULL;
CREATE INDEX contacts_by_email_expiry ON contacts (business_id, email_expires_at, contact_id)
    WHERE email_state = 2 AND email_expires_at IS NOT NULL;

-- Notes when the first grant of a business runs out. By a trigger, so that no path can forget it.
CREATE TRIGGER note_grant_end_inserted AFTER INSERT ON contacts
    WHEN (NEW.phone_state = 2 AND NEW.phone_expires_at IS NOT NULL)
        OR (NEW.email_state = 2 AND NEW.email_expires_at IS NOT NULL)
BEGIN
    INSERT INTO due_work (business_id, kind, due_at) VALUES (NEW.business_id, 'expiry', MIN(
        COALESCE(CASE WHEN NEW.phone_state = 2 THEN NEW.phone_expires_at END, 9223372036854775807),
        COALESCE(CASE WHEN NEW.email_state = 2 THEN NEW.email_expires_at END, 9223372036854775807)))
    ON CONFLICT (business_id, kind) DO UPDATE SET due_at = MIN(due_at, excluded.due_at);
END;
CREATE TRIGGER note_grant_end_updated
    AFTER UPDATE OF phone_state, phone_expires_at, email_state, email_expires_at ON contacts
    WHEN (NEW.phone_state = 2 AND NEW.phone_expires_at IS NOT NULL)
        OR (NEW.email_state = 2 AND NEW.email_expires_at IS NOT NULL)
BEGIN
    INSERT INTO due_work (business_id, kind, due_at) VALUES (NEW.business_id, 'expiry', MIN(
        COALESCE(CASE WHEN NEW.phone_state = 2 THEN NEW.phone_expires_at END, 9223372036854775807),
        COALESCE(CASE WHEN NEW.email_state = 2 THEN NEW.email_expires_at END, 9223372036854775807)))
    ON CONFLICT (business_id, kind) DO UPDATE SET due_at = MIN(due_at, excluded.due_at);
END;

INSERT INTO due_work (business_id, kind, due_at)
    SELECT business_id, 'expiry', MIN(ends) FROM (
        SELECT business_id, phone_expires_at AS ends FROM contacts WHERE phone_state = 2
        UNION ALL
        SELECT business_id, email_expires_at FROM contacts WHERE email_state = 2
    ) granted WHERE ends IS NOT NULL GROUP BY business_id;
