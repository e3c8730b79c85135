-- Whether a contact has a phone and an e-mail, beside its consents: a check of a thousand contacts then needs no look at the
-- addresses of each. NULL is not known yet: whoever asks looks, as before. So a table of millions is neither written nor
-- locked for this; what changes from now on is known.
--
-- A new contact says itself what it will have. All else is the triggers' affair, so that no path can forget it, nor a
-- replica that is older than this.
ALTER TABLE contacts ADD COLUMN has_phone BOOLEAN, ADD COLUMN has_email BOOLEAN;

-- Sets has_phone and has_email of the contacts whose points came (1) or went (-1), where they say something else. Whoever
-- writes points of a contact that is there has locked it: so nobody else's come or go meanwhile.
--
-- Contact by contact, by the key: a plan is kept from when there were few, and in one statement it would go through all
-- points of a business that has grown since.
CREATE FUNCTION know_addresses(of_business UUID, of_contacts UUID[], of_channels INTEGER[], signs INTEGER[])
RETURNS void LANGUAGE plpgsql AS $do$
DECLARE
    changed UUID[];
    of_contact UUID;
BEGIN
    SELECT array_agg(DISTINCT c.contact_id) INTO changed
    FROM UNNEST(of_contacts, of_channels, signs) AS p(contact_id, channel, sign)
    CROSS JOIN LATERAL (
        SELECT contact_id, has_phone, has_email FROM contacts
        WHERE business_id = of_business AND contact_id = p.contact_id OFFSET 0
    ) c
    WHERE CASE p.channel WHEN 1 THEN c.has_phone ELSE c.has_email END IS DISTINCT FROM (p.sign > 0);
    IF changed IS NULL THEN
        RETURN;
    END IF;
    FOREACH of_contact IN ARRAY changed LOOP
        UPDATE contacts SET
            has_phone = COALESCE((SELECT true FROM contact_points p WHERE p.business_id = of_business
                AND p.contact_id = of_contact AND p.channel + 0 = 1 LIMIT 1), false),
            has_email = COALESCE((SELECT true FROM contact_points p WHERE p.business_id = of_business
                AND p.contact_id = of_contact AND p.channel + 0 = 2 LIMIT 1), false)
        WHERE business_id = of_business AND contact_id = of_contact;
    END LOOP;
END
$do$;

-- As before, and it sees to what is known. A point never changes its channel.
CREATE OR REPLACE FUNCTION count_contact_points() RETURNS trigger LANGUAGE plpgsql AS $do$
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
        IF TG_OP <> 'UPDATE' THEN
            PERFORM know_addresses(b, o, c, s);
        END IF;
    END IF;
    RETURN NULL;
END
$do$;
