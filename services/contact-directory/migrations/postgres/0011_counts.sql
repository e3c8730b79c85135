-- Counts that are kept, not counted, so that a question about a million contacts costs what one about ten does. By
-- triggers, which see each row before and after: so no path can forget them, nor a replica that is older than this. What
-- runs out is not in them until it is recorded; who reads them corrects that by the index on the ends of grants.

-- How many contacts there are, with how many phones and e-mails, by what each channel consents to and whether there is an
-- address in it. Each connection has a slot, and the count is the sum over the slots: so writers do not wait for each
-- other. A slot alone may be negative.
CREATE TABLE contact_counts (
    business_id UUID NOT NULL,
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

-- How many contacts have an address, by what they consent to. Only who has the address in common waits for each other.
CREATE TABLE address_tallies (
    business_id UUID NOT NULL,
    channel INTEGER NOT NULL,
    blind_index BYTEA NOT NULL,
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
-- Room for the next version of a row beside it, so that no index has to know: these rows change more often than they come.
ALTER TABLE address_tallies SET (fillfactor = 80);
ALTER TABLE contact_counts SET (fillfactor = 30);

-- How many addresses several contacts have, and of these how many one refuses and another one grants. In slots.
CREATE TABLE shared_address_counts (
    business_id UUID NOT NULL,
    slot INTEGER NOT NULL,
    channel INTEGER NOT NULL,
    shared BIGINT NOT NULL,
    conflicts BIGINT NOT NULL,
    PRIMARY KEY (business_id, slot, channel)
);

DO $do$
DECLARE
    own CONSTANT TEXT :=
        'business_id = (SELECT NULLIF(current_setting(''yinyom.business_id'', true), '''')::uuid)';
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY['contact_counts', 'address_tallies', 'shared_address_counts'] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_business ON %I USING (%s) WITH CHECK (%s)', name, own, own);
    END LOOP;
END
$do$;

-- Keeps the slot of this connection to itself until it commits: two connections may have one, and which of its rows
-- they write first depends on what they do. Called before anything is counted.
CREATE FUNCTION take_slot(of_business UUID) RETURNS void LANGUAGE sql AS $do$
    SELECT pg_advisory_xact_lock(61000 + pg_backend_pid() % 32, hashtext(of_business::text))
$do$;

-- Points that came (1) and went (-1), into the counts of contacts. Those of a contact that is gone are none: whoever
-- deletes the contact has taken it out whole.
CREATE FUNCTION count_points(of_business UUID, of_contacts UUID[], of_channels INTEGER[], signs INTEGER[])
RETURNS void LANGUAGE plpgsql AS $do$
BEGIN
    INSERT INTO contact_counts AS k
        (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT of_business, pg_backend_pid() % 32, c.phone_state, c.email_state, x.phones > 0, x.emails > 0,
        SUM(x.sign), SUM(x.sign * x.phones), SUM(x.sign * x.emails)
    FROM (
        SELECT contact_id, SUM(CASE WHEN channel = 1 THEN sign ELSE 0 END) AS phones,
            SUM(CASE WHEN channel = 2 THEN sign ELSE 0 END) AS emails
        FROM UNNEST(of_contacts, of_channels, signs) AS p(contact_id, channel, sign) GROUP BY contact_id
    ) d
    JOIN contacts c ON c.business_id = of_business AND c.contact_id = d.contact_id
    CROSS JOIN LATERAL (
        SELECT COUNT(*) FILTER (WHERE p.channel = 1) AS phones, COUNT(*) FILTER (WHERE p.channel = 2) AS emails
        FROM contact_points p WHERE p.business_id = of_business AND p.contact_id = d.contact_id
    ) n
    CROSS JOIN LATERAL (
        VALUES (1, n.phones, n.emails), (-1, n.phones - d.phones, n.emails - d.emails)
    ) x(sign, phones, emails)
    WHERE d.phones <> 0 OR d.emails <> 0
    GROUP BY c.phone_state, c.email_state, x.phones > 0, x.emails > 0
    HAVING SUM(x.sign) <> 0 OR SUM(x.sign * x.phones) <> 0 OR SUM(x.sign * x.emails) <> 0
    ORDER BY 3, 4, 5, 6
    ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = k.contacts + excluded.contacts, phones = k.phones + excluded.phones,
        emails = k.emails + excluded.emails;
END
$do$;

-- The same points, into the tallies of their addresses, in one order for all. An address that nobody has any more leaves
-- nothing behind.
CREATE FUNCTION tally_points(
    of_business UUID, of_contacts UUID[], of_channels INTEGER[], indexes BYTEA[], signs INTEGER[]
) RETURNS void LANGUAGE plpgsql AS $do$
BEGIN
    INSERT INTO address_tallies AS t (business_id, channel, blind_index, not_set, granted, denied)
    SELECT of_business, d.channel, d.blind_index,
        SUM(CASE WHEN d.state = 1 THEN d.sign ELSE 0 END),
        SUM(CASE WHEN d.state = 2 THEN d.sign ELSE 0 END),
        SUM(CASE WHEN d.state = 3 THEN d.sign ELSE 0 END)
    FROM (
        SELECT p.channel, p.blind_index, p.sign,
            CASE p.channel WHEN 1 THEN c.phone_state ELSE c.email_state END AS state
        FROM UNNEST(of_contacts, of_channels, indexes, signs) AS p(contact_id, channel, blind_index, sign)
        JOIN contacts c ON c.business_id = of_business AND c.contact_id = p.contact_id
    ) d
    GROUP BY d.channel, d.blind_index
    ORDER BY d.channel, d.blind_index
    ON CONFLICT (business_id, channel, blind_index) DO UPDATE SET
        not_set = t.not_set + excluded.not_set, granted = t.granted + excluded.granted,
        denied = t.denied + excluded.denied;
    IF -1 = ANY(signs) THEN
        DELETE FROM address_tallies t USING UNNEST(of_channels, indexes) AS p(channel, blind_index)
        WHERE t.business_id = of_business AND t.channel = p.channel AND t.blind_index = p.blind_index
            AND t.not_set = 0 AND t.granted = 0 AND t.denied = 0;
    END IF;
END
$do$;

CREATE FUNCTION count_contact_points() RETURNS trigger LANGUAGE plpgsql AS $do$
DECLARE
    b UUID;
    o UUID[];
    c INTEGER[];
    i BYTEA[];
    s INTEGER[];
BEGIN
    IF TG_OP = 'INSERT' THEN
        SELECT MIN(business_id::text)::uuid, array_agg(contact_id), array_agg(channel), array_agg(blind_index),
            array_agg(1) INTO b, o, c, i, s FROM new_rows;
    ELSIF TG_OP = 'DELETE' THEN
        SELECT MIN(business_id::text)::uuid, array_agg(contact_id), array_agg(channel), array_agg(blind_index),
            array_agg(-1) INTO b, o, c, i, s FROM old_rows;
    ELSE
        SELECT MIN(business_id::text)::uuid, array_agg(contact_id), array_agg(d.channel),
            array_agg(d.blind_index), array_agg(d.sign) INTO b, o, c, i, s
        FROM (
            SELECT business_id, contact_id, x.channel, x.blind_index, x.sign
            FROM old_rows was JOIN new_rows now USING (business_id, contact_id, point_id)
            CROSS JOIN LATERAL (
                VALUES (-1, was.channel, was.blind_index), (1, now.channel, now.blind_index)
            ) x(sign, channel, blind_index)
            WHERE was.channel <> now.channel OR was.blind_index <> now.blind_index
        ) d;
    END IF;
    IF o IS NOT NULL THEN
        PERFORM take_slot(b);
        PERFORM count_points(b, o, c, s);
        PERFORM tally_points(b, o, c, i, s);
    END IF;
    RETURN NULL;
END
$do$;
CREATE TRIGGER count_contact_points_inserted AFTER INSERT ON contact_points
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_contact_points();
CREATE TRIGGER count_contact_points_updated AFTER UPDATE ON contact_points
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_contact_points();
CREATE TRIGGER count_contact_points_deleted AFTER DELETE ON contact_points
    REFERENCING OLD TABLE AS old_rows FOR EACH STATEMENT EXECUTE FUNCTION count_contact_points();

-- A new contact has no points yet.
CREATE FUNCTION count_new_contacts() RETURNS trigger LANGUAGE plpgsql AS $do$
BEGIN
    PERFORM take_slot(business_id) FROM new_rows LIMIT 1;
    INSERT INTO contact_counts AS k
        (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT business_id, pg_backend_pid() % 32, phone_state, email_state, FALSE, FALSE, COUNT(*), 0, 0
    FROM new_rows GROUP BY business_id, phone_state, email_state ORDER BY 1, 3, 4
    ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email)
    DO UPDATE SET contacts = k.contacts + excluded.contacts;
    RETURN NULL;
END
$do$;
CREATE TRIGGER count_new_contacts AFTER INSERT ON contacts
    REFERENCING NEW TABLE AS new_rows FOR EACH STATEMENT EXECUTE FUNCTION count_new_contacts();

-- The addresses of a channel of one contact that consents to something else, in one order for all.
CREATE FUNCTION tally_channel(
    of_business UUID, of_contact UUID, of_channel INTEGER, state_was INTEGER, state_is INTEGER
) RETURNS void LANGUAGE plpgsql AS $do$
BEGIN
    INSERT INTO address_tallies AS t (business_id, channel, blind_index, not_set, granted, denied)
    SELECT of_business, of_channel, p.blind_index, (state_is = 1)::int - (state_was = 1)::int,
        (state_is = 2)::int - (state_was = 2)::int, (state_is = 3)::int - (state_was = 3)::int
    FROM contact_points p
    WHERE p.business_id = of_business AND p.contact_id = of_contact AND p.channel = of_channel
    ORDER BY p.blind_index
    ON CONFLICT (business_id, channel, blind_index) DO UPDATE SET
        not_set = t.not_set + excluded.not_set, granted = t.granted + excluded.granted,
        denied = t.denied + excluded.denied;
END
$do$;

-- One contact, as most statements change one, is counted by plain statements: set against the cost of a change of
-- consent, joins of a single row would show.
CREATE FUNCTION count_changed_contacts() RETURNS trigger LANGUAGE plpgsql AS $do$
DECLARE
    r RECORD;
    of_phones BIGINT;
    of_emails BIGINT;
BEGIN
    SELECT business_id, contact_id, was.phone_state AS phone_was, was.email_state AS email_was,
        now.phone_state AS phone_is, now.email_state AS email_is, COUNT(*) OVER () AS changed
    INTO r FROM old_rows was JOIN new_rows now USING (business_id, contact_id)
    WHERE was.phone_state <> now.phone_state OR was.email_state <> now.email_state LIMIT 1;
    IF NOT FOUND THEN
        RETURN NULL;
    END IF;
    PERFORM take_slot(r.business_id);
    IF r.changed = 1 THEN
        SELECT COUNT(*) FILTER (WHERE channel = 1), COUNT(*) FILTER (WHERE channel = 2)
        INTO of_phones, of_emails
        FROM contact_points WHERE business_id = r.business_id AND contact_id = r.contact_id;
        INSERT INTO contact_counts AS k
            (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
        VALUES
            (r.business_id, pg_backend_pid() % 32, r.phone_was, r.email_was, of_phones > 0, of_emails > 0,
                -1, -of_phones, -of_emails),
            (r.business_id, pg_backend_pid() % 32, r.phone_is, r.email_is, of_phones > 0, of_emails > 0,
                1, of_phones, of_emails)
        ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
            contacts = k.contacts + excluded.contacts, phones = k.phones + excluded.phones,
            emails = k.emails + excluded.emails;
        IF of_phones > 0 AND r.phone_was <> r.phone_is THEN
            PERFORM tally_channel(r.business_id, r.contact_id, 1, r.phone_was, r.phone_is);
        END IF;
        IF of_emails > 0 AND r.email_was <> r.email_is THEN
            PERFORM tally_channel(r.business_id, r.contact_id, 2, r.email_was, r.email_is);
        END IF;
        RETURN NULL;
    END IF;
    INSERT INTO contact_counts AS k
        (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    SELECT business_id, pg_backend_pid() % 32, x.phone_state, x.email_state, n.phones > 0, n.emails > 0,
        SUM(x.sign), SUM(x.sign * n.phones), SUM(x.sign * n.emails)
    FROM old_rows was JOIN new_rows now USING (business_id, contact_id)
    CROSS JOIN LATERAL (
        SELECT COUNT(*) FILTER (WHERE p.channel = 1) AS phones, COUNT(*) FILTER (WHERE p.channel = 2) AS emails
        FROM contact_points p WHERE p.business_id = now.business_id AND p.contact_id = now.contact_id
    ) n
    CROSS JOIN LATERAL (
        VALUES (1, now.phone_state, now.email_state), (-1, was.phone_state, was.email_state)
    ) x(sign, phone_state, email_state)
    WHERE was.phone_state <> now.phone_state OR was.email_state <> now.email_state
    GROUP BY business_id, x.phone_state, x.email_state, n.phones > 0, n.emails > 0
    HAVING SUM(x.sign) <> 0 OR SUM(x.sign * n.phones) <> 0 OR SUM(x.sign * n.emails) <> 0
    ORDER BY 1, 3, 4, 5, 6
    ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = k.contacts + excluded.contacts, phones = k.phones + excluded.phones,
        emails = k.emails + excluded.emails;
    INSERT INTO address_tallies AS t (business_id, channel, blind_index, not_set, granted, denied)
    SELECT business_id, p.channel, p.blind_index,
        SUM(CASE WHEN x.state = 1 THEN x.sign ELSE 0 END),
        SUM(CASE WHEN x.state = 2 THEN x.sign ELSE 0 END),
        SUM(CASE WHEN x.state = 3 THEN x.sign ELSE 0 END)
    FROM old_rows was JOIN new_rows now USING (business_id, contact_id)
    CROSS JOIN LATERAL (
        SELECT q.channel, q.blind_index FROM contact_points q
        WHERE q.business_id = now.business_id AND q.contact_id = now.contact_id OFFSET 0
    ) p
    CROSS JOIN LATERAL (
        VALUES (1, CASE p.channel WHEN 1 THEN now.phone_state ELSE now.email_state END),
            (-1, CASE p.channel WHEN 1 THEN was.phone_state ELSE was.email_state END)
    ) x(sign, state)
    WHERE CASE p.channel WHEN 1 THEN was.phone_state <> now.phone_state
        ELSE was.email_state <> now.email_state END
    GROUP BY business_id, p.channel, p.blind_index
    ORDER BY 1, 2, 3
    ON CONFLICT (business_id, channel, blind_index) DO UPDATE SET
        not_set = t.not_set + excluded.not_set, granted = t.granted + excluded.granted,
        denied = t.denied + excluded.denied;
    RETURN NULL;
END
$do$;
CREATE TRIGGER count_changed_contacts AFTER UPDATE ON contacts
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT EXECUTE FUNCTION count_changed_contacts();

-- Before its points go with it.
CREATE FUNCTION uncount_contact() RETURNS trigger LANGUAGE plpgsql AS $do$
DECLARE
    c INTEGER[];
    i BYTEA[];
    number INTEGER;
    of_phones BIGINT;
    of_emails BIGINT;
BEGIN
    SELECT array_agg(channel), array_agg(blind_index), COUNT(*),
        COUNT(*) FILTER (WHERE channel = 1), COUNT(*) FILTER (WHERE channel = 2)
    INTO c, i, number, of_phones, of_emails
    FROM contact_points WHERE business_id = OLD.business_id AND contact_id = OLD.contact_id;
    PERFORM take_slot(OLD.business_id);
    INSERT INTO contact_counts AS k
        (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
    VALUES (OLD.business_id, pg_backend_pid() % 32, OLD.phone_state, OLD.email_state, of_phones > 0, of_emails > 0,
        -1, -of_phones, -of_emails)
    ON CONFLICT (business_id, slot, phone_state, email_state, has_phone, has_email) DO UPDATE SET
        contacts = k.contacts + excluded.contacts, phones = k.phones + excluded.phones,
        emails = k.emails + excluded.emails;
    IF number > 0 THEN
        PERFORM tally_points(
            OLD.business_id, array_fill(OLD.contact_id, ARRAY[number]), c, i, array_fill(-1, ARRAY[number])
        );
    END IF;
    RETURN OLD;
END
$do$;
CREATE TRIGGER uncount_contact BEFORE DELETE ON contacts
    FOR EACH ROW EXECUTE FUNCTION uncount_contact();

-- Called only where an address begins or ends to be shared or in conflict.
CREATE FUNCTION count_shared_address() RETURNS trigger LANGUAGE plpgsql AS $do$
DECLARE
    of_business UUID;
    of_channel INTEGER;
    more INTEGER := 0;
    worse INTEGER := 0;
BEGIN
    IF TG_OP <> 'DELETE' THEN
        of_business := NEW.business_id;
        of_channel := NEW.channel;
        more := (NEW.not_set + NEW.granted + NEW.denied > 1)::int;
        worse := (NEW.granted > 0 AND NEW.denied > 0)::int;
    END IF;
    IF TG_OP <> 'INSERT' THEN
        of_business := OLD.business_id;
        of_channel := OLD.channel;
        more := more - (OLD.not_set + OLD.granted + OLD.denied > 1)::int;
        worse := worse - (OLD.granted > 0 AND OLD.denied > 0)::int;
    END IF;
    INSERT INTO shared_address_counts AS k (business_id, slot, channel, shared, conflicts)
    VALUES (of_business, pg_backend_pid() % 32, of_channel, more, worse)
    ON CONFLICT (business_id, slot, channel) DO UPDATE SET
        shared = k.shared + excluded.shared, conflicts = k.conflicts + excluded.conflicts;
    RETURN NULL;
END
$do$;
CREATE TRIGGER count_shared_address_inserted AFTER INSERT ON address_tallies FOR EACH ROW
    WHEN (NEW.not_set + NEW.granted + NEW.denied > 1)
    EXECUTE FUNCTION count_shared_address();
CREATE TRIGGER count_shared_address_updated AFTER UPDATE ON address_tallies FOR EACH ROW
    WHEN ((NEW.not_set + NEW.granted + NEW.denied > 1) <> (OLD.not_set + OLD.granted + OLD.denied > 1)
        OR (NEW.granted > 0 AND NEW.denied > 0) <> (OLD.granted > 0 AND OLD.denied > 0))
    EXECUTE FUNCTION count_shared_address();
CREATE TRIGGER count_shared_address_deleted AFTER DELETE ON address_tallies FOR EACH ROW
    WHEN (OLD.not_set + OLD.granted + OLD.denied > 1)
    EXECUTE FUNCTION count_shared_address();

-- What is there already. For these statements their owner sees all rows.
ALTER TABLE contacts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_points NO FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_counts NO FORCE ROW LEVEL SECURITY;
ALTER TABLE address_tallies NO FORCE ROW LEVEL SECURITY;
ALTER TABLE shared_address_counts NO FORCE ROW LEVEL SECURITY;
INSERT INTO contact_counts
    (business_id, slot, phone_state, email_state, has_phone, has_email, contacts, phones, emails)
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
    COUNT(*) FILTER (WHERE CASE p.channel WHEN 1 THEN c.phone_state ELSE c.email_state END = 1),
    COUNT(*) FILTER (WHERE CASE p.channel WHEN 1 THEN c.phone_state ELSE c.email_state END = 2),
    COUNT(*) FILTER (WHERE CASE p.channel WHEN 1 THEN c.phone_state ELSE c.email_state END = 3)
FROM contact_points p JOIN contacts c ON c.business_id = p.business_id AND c.contact_id = p.contact_id
GROUP BY p.business_id, p.channel, p.blind_index;
ALTER TABLE contacts FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_points FORCE ROW LEVEL SECURITY;
ALTER TABLE contact_counts FORCE ROW LEVEL SECURITY;
ALTER TABLE address_tallies FORCE ROW LEVEL SECURITY;
ALTER TABLE shared_address_counts FORCE ROW LEVEL SECURITY;
