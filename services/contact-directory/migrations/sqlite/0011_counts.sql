-- Counts that are kept, not counted, so that a question about a million contacts costs what one about ten does. By
-- triggers, which see each row before and after: so no path can forget them. What runs out is not in them until it is
-- recorded; who reads them corrects that by the index on the ends of grants. There is one writer, and so one slot.
CREATE TABLE contact_counts (
    business_id BLOB NOT NULL,
    slot INTEGER NOT NULL,
    phone_state INTEGER NOT NULL,
    email_state INTEGER NOT NULL,
    has_phone BOOLEAN NOT NULL,
    has_email BOOLEAN NOT NULL,
    contacts BIGINT NOT NULL,
    phones BIGINT NOT NULL,
    emails BIGINT NOT NULL,
    PRIMARY KEY (business_id, slot, phone_state, email_state, has_phone, has_email)
);

-- How many contacts have an address, by what they consent to.
CREATE TABLE address_tallies (
    business_id BLOB NOT NULL,
    channel INTEGER NOT NULL,
    blind_index BLOB NOT NULL,
    not_set BIGINT NOT NULL,
    granted BIGINT NOT NULL,
    denied BIGINT NOT NULL,
    -- Several contacts have it; and one of them refuses it, and another one does not.
    shared BOOLEAN NOT NULL GENERATED ALWAYS AS (not_set + granted + denied > 1) STORED,
    disputed BOOLEAN NOT NULL GENERATED ALWAYS AS (denied > 0 AND not_set + granted > 0) STORED,
    PRIMARY KEY (business_id, channel, blind_index)
);
CREATE INDEX address_tallies_shared ON address_tallies (business_id, channel, blind_index) WHERE shared;
CREATE INDEX address_tallies_disputed ON address_tallies (business_id, channel, blind_index) WHERE disputed;

-- How many addresses several contacts have, and of these how many one refuses and another one grants.
CREATE TABLE shared_address_counts (
    business_id BLOB NOT NULL,
    slot INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    shared BIGINT NOT NULL,
    conflicts BIGINT NOT NULL,
    PRIMARY KEY (business_id, slot, channel)
);

-- What is there already, before there are triggers.
INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
SELECT business_id, 0, phone_state, email_state, phones > 0, emails > 0, COUNT(*), SUM(phones), SUM(emails)
FROM (
    SELECT c.business_id, c.phone_state, c.email_state,
        (SELECT COUNT(*) FROM contact_points p
         WHERE p.business_id = c.business_id AND p.contact_id = c.contact_id AND p.channel = 1) AS phones,
        (SELECT COUNT(*) FROM contact_points p
         WHERE p.business_id = c.business_id AND p.contact_id = c.contact_id AND p.channel = 2) AS emails
    FROM contacts c
) d GROUP BY business_id, phone_state, email_state, phones > 0, emails > 0;
INSERT INTO address_tallies (business_id, channel, blind_index, not_set, granted, denied)
SELECT p.business_id, p.channel, p.blind_index,
    SUM(CASE p.channel WHEN 1 THEN c.phone_state ELSE c.email_state END = 1),
    SUM(CASE p.channel WHEN 1 THEN c.phone_state ELSE c.email_state END = 2),
    SUM(CASE p.channel WHEN 1 THEN c.phone_state ELSE c.email_state END = 3)
FROM contact_points p JOIN contacts c ON c.business_id = p.business_id AND c.contact_id = p.contact_id
GROUP BY p.business_id, p.channel, p.blind_index;
INSERT INTO shared_address_counts (business_id, slot, channel, shared, conflicts)
SELECT business_id, 0, channel, SUM(not_set + granted + denied > 1), SUM(granted > 0 AND denied > 0)
FROM address_tallies GROUP BY business_id, channel;

-- A new contact has no points yet.
CREATE TRIGGER count_new_contacts AFTER INSERT ON contacts BEGIN
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    VALUES (NEW.business_id, 0, NEW.phone_state, NEW.email_state, 0, 0, 1, 0, 0)
    ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET contacts = contacts + 1;
END;

CREATE TRIGGER count_changed_contacts AFTER UPDATE OF phone_state, email_state ON contacts
    WHEN OLD.phone_state <> NEW.phone_state OR OLD.email_state <> NEW.email_state
BEGIN
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT OLD.business_id, 0, OLD.phone_state, OLD.email_state, p > 0, e > 0, -1, -p, -e
    FROM (SELECT COUNT(CASE WHEN channel = 1 THEN 1 END) AS p, COUNT(CASE WHEN channel = 2 THEN 1 END) AS e
        FROM contact_points WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id)
    WHERE true ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = contacts + excluded.contacts, phones = phones + excluded.phones, emails = emails + excluded.emails;
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT NEW.business_id, 0, NEW.phone_state, NEW.email_state, p > 0, e > 0, 1, p, e
    FROM (SELECT COUNT(CASE WHEN channel = 1 THEN 1 END) AS p, COUNT(CASE WHEN channel = 2 THEN 1 END) AS e
        FROM contact_points WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id)
    WHERE true ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = contacts + excluded.contacts, phones = phones + excluded.phones, emails = emails + excluded.emails;
    UPDATE address_tallies SET not_set = not_set + (NEW.phone_state = 1) - (OLD.phone_state = 1),
        granted = granted + (NEW.phone_state = 2) - (OLD.phone_state = 2), denied = denied + (NEW.phone_state = 3) - (OLD.phone_state = 3)
    WHERE NEW.phone_state <> OLD.phone_state AND business_id = NEW.business_id AND channel = 1
        AND blind_index IN (SELECT blind_index FROM contact_points
            WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id AND channel = 1);
    UPDATE address_tallies SET not_set = not_set + (NEW.email_state = 1) - (OLD.email_state = 1),
        granted = granted + (NEW.email_state = 2) - (OLD.email_state = 2), denied = denied + (NEW.email_state = 3) - (OLD.email_state = 3)
    WHERE NEW.email_state <> OLD.email_state AND business_id = NEW.business_id AND channel = 2
        AND blind_index IN (SELECT blind_index FROM contact_points
            WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id AND channel = 2);
END;

-- Before its points go with it.
CREATE TRIGGER uncount_contact BEFORE DELETE ON contacts BEGIN
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT OLD.business_id, 0, OLD.phone_state, OLD.email_state, p > 0, e > 0, -1, -p, -e
    FROM (SELECT COUNT(CASE WHEN channel = 1 THEN 1 END) AS p, COUNT(CASE WHEN channel = 2 THEN 1 END) AS e
        FROM contact_points WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id)
    WHERE true ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = contacts + excluded.contacts, phones = phones + excluded.phones, emails = emails + excluded.emails;
    UPDATE address_tallies SET not_set = not_set - (CASE channel WHEN 1 THEN OLD.phone_state ELSE OLD.email_state END = 1),
        granted = granted - (CASE channel WHEN 1 THEN OLD.phone_state ELSE OLD.email_state END = 2),
        denied = denied - (CASE channel WHEN 1 THEN OLD.phone_state ELSE OLD.email_state END = 3)
    WHERE business_id = OLD.business_id AND (channel, blind_index) IN (SELECT channel, blind_index FROM contact_points
        WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id);
    DELETE FROM address_tallies WHERE business_id = OLD.business_id AND (channel, blind_index) IN (SELECT channel, blind_index FROM contact_points
        WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id)
        AND not_set = 0 AND granted = 0 AND denied = 0;
END;

-- Those of a contact that is gone are none: whoever deletes the contact has taken it out whole.
CREATE TRIGGER count_contact_points_inserted AFTER INSERT ON contact_points BEGIN
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT c.business_id, 0, c.phone_state, c.email_state, (n.p - (NEW.channel = 1)) > 0, (n.e - (NEW.channel = 2)) > 0, -1, -(n.p - (NEW.channel = 1)), -(n.e - (NEW.channel = 2))
    FROM contacts c, (SELECT COUNT(CASE WHEN channel = 1 THEN 1 END) AS p, COUNT(CASE WHEN channel = 2 THEN 1 END) AS e
        FROM contact_points WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id) n
    WHERE c.business_id = NEW.business_id AND c.contact_id = NEW.contact_id ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = contacts + excluded.contacts, phones = phones + excluded.phones, emails = emails + excluded.emails;
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT c.business_id, 0, c.phone_state, c.email_state, (n.p) > 0, (n.e) > 0, 1, (n.p), (n.e)
    FROM contacts c, (SELECT COUNT(CASE WHEN channel = 1 THEN 1 END) AS p, COUNT(CASE WHEN channel = 2 THEN 1 END) AS e
        FROM contact_points WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id) n
    WHERE c.business_id = NEW.business_id AND c.contact_id = NEW.contact_id ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = contacts + excluded.contacts, phones = phones + excluded.phones, emails = emails + excluded.emails;
    INSERT INTO address_tallies (business_id, channel, blind_index, not_set, granted, denied)
    SELECT NEW.business_id, NEW.channel, NEW.blind_index, s = 1, s = 2, s = 3
    FROM (SELECT CASE NEW.channel WHEN 1 THEN phone_state ELSE email_state END AS s FROM contacts
        WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id)
    WHERE true ON CONFLICT (business_id, channel, blind_index) DO UPDATE SET
        not_set = not_set + excluded.not_set, granted = granted + excluded.granted, denied = denied + excluded.denied;
END;
CREATE TRIGGER count_contact_points_deleted AFTER DELETE ON contact_points BEGIN
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT c.business_id, 0, c.phone_state, c.email_state, (n.p + (OLD.channel = 1)) > 0, (n.e + (OLD.channel = 2)) > 0, -1, -(n.p + (OLD.channel = 1)), -(n.e + (OLD.channel = 2))
    FROM contacts c, (SELECT COUNT(CASE WHEN channel = 1 THEN 1 END) AS p, COUNT(CASE WHEN channel = 2 THEN 1 END) AS e
        FROM contact_points WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) n
    WHERE c.business_id = OLD.business_id AND c.contact_id = OLD.contact_id ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = contacts + excluded.contacts, phones = phones + excluded.phones, emails = emails + excluded.emails;
    INSERT INTO contact_counts (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT c.business_id, 0, c.phone_state, c.email_state, (n.p) > 0, (n.e) > 0, 1, (n.p), (n.e)
    FROM contacts c, (SELECT COUNT(CASE WHEN channel = 1 THEN 1 END) AS p, COUNT(CASE WHEN channel = 2 THEN 1 END) AS e
        FROM contact_points WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) n
    WHERE c.business_id = OLD.business_id AND c.contact_id = OLD.contact_id ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = contacts + excluded.contacts, phones = phones + excluded.phones, emails = emails + excluded.emails;
    UPDATE address_tallies SET
        not_set = not_set - ((SELECT CASE OLD.channel WHEN 1 THEN phone_state ELSE email_state END FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) = 1),
        granted = granted - ((SELECT CASE OLD.channel WHEN 1 THEN phone_state ELSE email_state END FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) = 2),
        denied = denied - ((SELECT CASE OLD.channel WHEN 1 THEN phone_state ELSE email_state END FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) = 3)
    WHERE business_id = OLD.business_id AND channel = OLD.channel AND blind_index = OLD.blind_index
        AND EXISTS (SELECT 1 FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id);
    DELETE FROM address_tallies
    WHERE business_id = OLD.business_id AND channel = OLD.channel AND blind_index = OLD.blind_index
        AND not_set = 0 AND granted = 0 AND denied = 0;
END;
CREATE TRIGGER count_contact_points_updated AFTER UPDATE OF blind_index ON contact_points
    WHEN OLD.blind_index <> NEW.blind_index
BEGIN
    UPDATE address_tallies SET
        not_set = not_set - ((SELECT CASE OLD.channel WHEN 1 THEN phone_state ELSE email_state END FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) = 1),
        granted = granted - ((SELECT CASE OLD.channel WHEN 1 THEN phone_state ELSE email_state END FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) = 2),
        denied = denied - ((SELECT CASE OLD.channel WHEN 1 THEN phone_state ELSE email_state END FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id) = 3)
    WHERE business_id = OLD.business_id AND channel = OLD.channel AND blind_index = OLD.blind_index
        AND EXISTS (SELECT 1 FROM contacts
            WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id);
    DELETE FROM address_tallies
    WHERE business_id = OLD.business_id AND channel = OLD.channel AND blind_index = OLD.blind_index
        AND not_set = 0 AND granted = 0 AND denied = 0;
    INSERT INTO address_tallies (business_id, channel, blind_index, not_set, granted, denied)
    SELECT NEW.business_id, NEW.channel, NEW.blind_index, s = 1, s = 2, s = 3
    FROM (SELECT CASE NEW.channel WHEN 1 THEN phone_state ELSE email_state END AS s FROM contacts
        WHERE business_id = NEW.business_id AND contact_id = NEW.contact_id)
    WHERE true ON CONFLICT (business_id, channel, blind_index) DO UPDATE SET
        not_set = not_set + excluded.not_set, granted = granted + excluded.granted, denied = denied + excluded.denied;
END;

CREATE TRIGGER count_address_tallies_inserted AFTER INSERT ON address_tallies BEGIN
    INSERT INTO shared_address_counts (business_id, slot, channel, shared, conflicts)
    SELECT NEW.business_id, 0, NEW.channel, (NEW.not_set + NEW.granted + NEW.denied > 1), (NEW.granted > 0 AND NEW.denied > 0)
    WHERE true ON CONFLICT (business_id, slot, channel) DO UPDATE SET
        shared = shared + excluded.shared, conflicts = conflicts + excluded.conflicts;
END;
CREATE TRIGGER count_address_tallies_updated AFTER UPDATE ON address_tallies BEGIN
    INSERT INTO shared_address_counts (business_id, slot, channel, shared, conflicts)
    SELECT NEW.business_id, 0, NEW.channel, (NEW.not_set + NEW.granted + NEW.denied > 1) - (OLD.not_set + OLD.granted + OLD.denied > 1), (NEW.granted > 0 AND NEW.denied > 0) - (OLD.granted > 0 AND OLD.denied > 0)
    WHERE true ON CONFLICT (business_id, slot, channel) DO UPDATE SET
        shared = shared + excluded.shared, conflicts = conflicts + excluded.conflicts;
END;
CREATE TRIGGER count_address_tallies_deleted AFTER DELETE ON address_tallies BEGIN
    INSERT INTO shared_address_counts (business_id, slot, channel, shared, conflicts)
    SELECT OLD.business_id, 0, OLD.channel, -(OLD.not_set + OLD.granted + OLD.denied > 1), -(OLD.granted > 0 AND OLD.denied > 0)
    WHERE true ON CONFLICT (business_id, slot, channel) DO UPDATE SET
        shared = shared + excluded.shared, conflicts = conflicts + excluded.conflicts;
END;
