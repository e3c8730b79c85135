-- Whether a contact has a phone and an e-mail, beside its consents: a check of a thousand contacts then needs no look at the
-- addresses of each. NULL is not known yet: whoever asks looks, as before. What changes from now on is known: a new contact
-- says itself what it will have, and all else is the triggers' affair, so that no path can forget it.
ALTER TABLE contacts ADD COLUMN has_phone BOOLEAN;
ALTER TABLE contacts ADD COLUMN has_email BOOLEAN;

CREATE TRIGGER know_phone_inserted AFTER INSERT ON contact_points WHEN NEW.channel = 1 BEGIN
    UPDATE contacts SET has_phone = TRUE
    WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id AND has_phone IS NOT TRUE;
END;
CREATE TRIGGER know_email_inserted AFTER INSERT ON contact_points WHEN NEW.channel = 2 BEGIN
    UPDATE contacts SET has_email = TRUE
    WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id AND has_email IS NOT TRUE;
END;
CREATE TRIGGER know_addresses_deleted AFTER DELETE ON contact_points BEGIN
    UPDATE contacts SET
        has_phone = EXISTS (SELECT 1 FROM contact_points
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id AND channel + 0 = 1),
        has_email = EXISTS (SELECT 1 FROM contact_points
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id AND channel + 0 = 2)
    WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id;
END;
