-- Partitions a schema that was just migrated, and has no businesses yet, by hash of the business. By the role that owns the
-- tables, in one transaction; see SCALING.md for what it gives and what it does not.
--
--   psql --set ON_ERROR_STOP=1 -c 'SET yinyom.partitions = 16' -f deploy/partition.sql postgres://…
--
-- Each table whose unique indexes all have `business_id` is made anew, with its columns, constraints, indexes, triggers,
-- policies, grants and settings, under their names; the others stay, and are named. Partitions are called `contacts_00` and so
-- on, and lie in a schema of their own, `partitions`, since nobody is meant to work on them. One statement, because the tests
-- send it as one.
DO $partition$
DECLARE
    setting CONSTANT TEXT := current_setting('yinyom.partitions', true);
    home CONSTANT OID := quote_ident(current_schema())::regnamespace;
    partitions INTEGER;
    -- Tables to be partitioned; what is to be done, in order.
    chosen OID[];
    plan TEXT[];
    named TEXT;
    step TEXT;
    found BOOLEAN;
BEGIN
    IF setting IS NULL OR setting !~ '^[1-9][0-9]{0,2}$' THEN
        RAISE EXCEPTION 'how many partitions is not said: SET yinyom.partitions = 16, or 1 to 999';
    END IF;
    partitions := setting;

    SELECT string_agg(relname, ', ' ORDER BY relname) INTO named FROM pg_class
    WHERE relnamespace = home AND (relkind = 'p' OR relispartition);
    IF named IS NOT NULL THEN
        RAISE EXCEPTION 'this schema is partitioned already: %', named;
    END IF;

    SELECT array_agg(c.oid ORDER BY c.relname) INTO chosen
    FROM pg_class c JOIN pg_attribute a ON a.attrelid = c.oid AND a.attname = 'business_id'
    WHERE c.relnamespace = home AND c.relkind = 'r'
        AND EXISTS (SELECT 1 FROM pg_index i WHERE i.indrelid = c.oid AND i.indisprimary)
        AND NOT EXISTS (
            SELECT 1 FROM pg_index i
            WHERE i.indrelid = c.oid AND (i.indisunique OR i.indisexclusion)
                AND a.attnum <> ALL ((i.indkey::INT2[])[0:i.indnkeyatts - 1])
        );
    SELECT string_agg(relname, ', ' ORDER BY relname) INTO named FROM pg_class
    WHERE relnamespace = home AND relkind = 'r' AND oid <> ALL (coalesce(chosen, '{}'));
    RAISE NOTICE 'These tables stay as they are: %', coalesce(named, 'none');
    IF chosen IS NULL THEN
        RETURN;
    END IF;

    SELECT string_agg(relname, ', ' ORDER BY relname) INTO named FROM pg_class
    WHERE oid = ANY (chosen) AND relowner <> current_user::regrole;
    IF named IS NOT NULL THEN
        RAISE EXCEPTION '% does not own these tables, and must: %', current_user, named;
    END IF;
    -- What has no place in the plan below must not get lost by it.
    SELECT string_agg(c.relname, ', ' ORDER BY c.relname) INTO named FROM pg_class c
    WHERE c.oid = ANY (chosen) AND (
        c.relhasrules OR c.relpersistence <> 'p' OR c.relreplident <> 'd' OR c.reltablespace <> 0 OR c.reloftype <> 0
        OR EXISTS (SELECT 1 FROM pg_inherits h WHERE c.oid IN (h.inhrelid, h.inhparent))
        OR EXISTS (SELECT 1 FROM pg_publication_rel p WHERE p.prrelid = c.oid)
        OR EXISTS (SELECT 1 FROM pg_trigger g WHERE g.tgrelid = c.oid AND g.tgtype & 1 = 1
            AND coalesce(g.tgoldtable, g.tgnewtable) IS NOT NULL)
    );
    IF named IS NOT NULL THEN
        RAISE EXCEPTION 'these tables have something that cannot be kept: a rule, a parent or child, a publication, a '
            'tablespace, a replica identity, or a trigger for each row with a transition table: %', named;
    END IF;

    SELECT string_agg(o::regclass::TEXT, ', ') INTO step FROM UNNEST(chosen) AS o;
    EXECUTE format('LOCK TABLE %s IN ACCESS EXCLUSIVE MODE', step);

    -- All of it is written down before any of it is done, from the catalogue as it is.
    WITH tables AS (
        SELECT c.oid AS id, c.relname AS name, c.oid::regclass::TEXT AS quoted, c.relrowsecurity, c.relforcerowsecurity,
            c.relacl, c.relowner, (
                SELECT string_agg(format('%s%s = %L', o.prefix, split_part(o.option, '=', 1),
                    substr(o.option, strpos(o.option, '=') + 1)), ', ')
                FROM (
                    SELECT '' AS prefix, UNNEST(c.reloptions) AS option
                    UNION ALL
                    SELECT 'toast.', UNNEST(t.reloptions) FROM pg_class t WHERE t.oid = c.reltoastrelid
                ) o
            ) AS options
        FROM pg_class c WHERE c.oid = ANY (chosen)
    ), parts AS (
        SELECT t.id, n AS remainder, format('partitions.%I',
            t.name || '_' || lpad(n::TEXT, greatest(2, length((partitions - 1)::TEXT)), '0')) AS part
        FROM tables t CROSS JOIN generate_series(0, partitions - 1) AS n
    ), policies AS (
        SELECT p.polrelid AS id, p.polname AS name, format('AS %s FOR %s TO %s%s%s',
            CASE WHEN p.polpermissive THEN 'PERMISSIVE' ELSE 'RESTRICTIVE' END,
            CASE p.polcmd WHEN 'r' THEN 'SELECT' WHEN 'a' THEN 'INSERT' WHEN 'w' THEN 'UPDATE' WHEN 'd' THEN 'DELETE'
                ELSE 'ALL' END,
            (SELECT string_agg(CASE r WHEN 0 THEN 'PUBLIC' ELSE r::regrole::TEXT END, ', ') FROM UNNEST(p.polroles) AS r),
            ' USING (' || pg_get_expr(p.polqual, p.polrelid) || ')',
            ' WITH CHECK (' || pg_get_expr(p.polwithcheck, p.polrelid) || ')') AS rest
        FROM pg_policy p
    ), steps (phase, name, rank, part, statement) AS (
        SELECT 0, '', 0, '', 'CREATE SCHEMA partitions' WHERE to_regnamespace('partitions') IS NULL
        UNION ALL
        -- Foreign keys of and to these tables, so that each can be made anew without the others.
        SELECT 1, f.conname, 0, '', format('ALTER TABLE %s DROP CONSTRAINT %I', f.conrelid::regclass, f.conname)
        FROM pg_constraint f WHERE f.contype = 'f' AND (f.conrelid = ANY (chosen) OR f.confrelid = ANY (chosen))
        UNION ALL
        SELECT 2, t.name, x.*
        FROM tables t CROSS JOIN LATERAL (
            SELECT 1, '', format('ALTER TABLE %s RENAME TO yinyom_plain_table', t.quoted)
            UNION ALL
            SELECT 2, '', format('CREATE TABLE %I.%I (LIKE yinyom_plain_table INCLUDING DEFAULTS INCLUDING CONSTRAINTS '
                'INCLUDING GENERATED INCLUDING IDENTITY INCLUDING STORAGE INCLUDING COMPRESSION INCLUDING COMMENTS) '
                'PARTITION BY HASH (business_id)', current_schema(), t.name)
            UNION ALL
            SELECT 3, a.attname, format('ALTER SEQUENCE %s OWNED BY %s.%I', d.objid::regclass, t.quoted, a.attname)
            FROM pg_depend d JOIN pg_class s ON s.oid = d.objid AND s.relkind = 'S'
            JOIN pg_attribute a ON a.attrelid = d.refobjid AND a.attnum = d.refobjsubid
            WHERE d.classid = 'pg_class'::regclass AND d.refclassid = 'pg_class'::regclass
                AND d.refobjid = t.id AND d.deptype = 'a'
            UNION ALL
            SELECT 4, '', 'DROP TABLE yinyom_plain_table'
            UNION ALL
            SELECT 5, k.conname, format('ALTER TABLE %s ADD CONSTRAINT %I %s', t.quoted, k.conname, pg_get_constraintdef(k.oid))
            FROM pg_constraint k WHERE k.conrelid = t.id AND k.contype IN ('p', 'u', 'x')
            UNION ALL
            SELECT 6, i.indexrelid::regclass::TEXT, pg_get_indexdef(i.indexrelid)
            FROM pg_index i WHERE i.indrelid = t.id
                AND NOT EXISTS (SELECT 1 FROM pg_constraint k WHERE k.conindid = i.indexrelid AND k.contype IN ('p', 'u', 'x'))
            UNION ALL
            SELECT 7, s.stxname, pg_get_statisticsobjdef(s.oid) FROM pg_statistic_ext s WHERE s.stxrelid = t.id
            UNION ALL
            SELECT 8, p.part, format('CREATE TABLE %s PARTITION OF %s FOR VALUES WITH (MODULUS %s, REMAINDER %s)%s',
                p.part, t.quoted, partitions, p.remainder, ' WITH (' || t.options || ')')
            FROM parts p WHERE p.id = t.id
            UNION ALL
            SELECT 9, a.attname, format('ALTER TABLE %s ALTER COLUMN %I SET %s', t.quoted, a.attname, o.option)
            FROM pg_attribute a CROSS JOIN LATERAL (
                SELECT format('STATISTICS %s', a.attstattarget) WHERE a.attstattarget >= 0
                UNION ALL
                SELECT format('(%s)', array_to_string(a.attoptions, ', ')) WHERE a.attoptions IS NOT NULL
            ) o (option)
            WHERE a.attrelid = t.id AND a.attnum > 0 AND NOT a.attisdropped
            UNION ALL
            SELECT 10, '', format('COMMENT ON TABLE %s IS %L', t.quoted, obj_description(t.id, 'pg_class'))
            WHERE obj_description(t.id, 'pg_class') IS NOT NULL
            UNION ALL
            SELECT 11, '', format('GRANT %s%s ON %s TO %s%s', g.privilege_type, g.columns, t.quoted,
                CASE g.grantee WHEN 0 THEN 'PUBLIC' ELSE g.grantee::regrole::TEXT END,
                CASE WHEN g.is_grantable THEN ' WITH GRANT OPTION' ELSE '' END)
            FROM (
                SELECT x.*, '' AS columns FROM aclexplode(t.relacl) x
                UNION ALL
                SELECT x.*, format(' (%I)', a.attname)
                FROM pg_attribute a CROSS JOIN LATERAL aclexplode(a.attacl) x WHERE a.attrelid = t.id
            ) g WHERE g.grantee <> t.relowner
        ) AS x
        UNION ALL
        SELECT 3, f.conname, 0, '', format('ALTER TABLE %s ADD CONSTRAINT %I %s', f.conrelid::regclass, f.conname,
            -- A partitioned table knows no key that was not looked at, and there is nothing to look at.
            CASE WHEN f.conrelid = ANY (chosen) THEN regexp_replace(pg_get_constraintdef(f.oid), ' NOT VALID$', '')
                ELSE pg_get_constraintdef(f.oid) END)
        FROM pg_constraint f WHERE f.contype = 'f' AND (f.conrelid = ANY (chosen) OR f.confrelid = ANY (chosen))
        UNION ALL
        SELECT 4, g.tgname, 0, '', pg_get_triggerdef(g.oid) FROM pg_trigger g
        WHERE g.tgrelid = ANY (chosen) AND NOT g.tgisinternal
        UNION ALL
        SELECT 5, g.tgname, 0, '', format('ALTER TABLE %s %s TRIGGER %I', g.tgrelid::regclass,
            CASE g.tgenabled WHEN 'D' THEN 'DISABLE' WHEN 'R' THEN 'ENABLE REPLICA' ELSE 'ENABLE ALWAYS' END, g.tgname)
        FROM pg_trigger g WHERE g.tgrelid = ANY (chosen) AND NOT g.tgisinternal AND g.tgenabled <> 'O'
        UNION ALL
        -- On partitions, too: who finds one sees no more in it than in the table.
        SELECT 6, s.place, 0, '', x.statement
        FROM tables t CROSS JOIN LATERAL (SELECT t.quoted UNION ALL SELECT p.part FROM parts p WHERE p.id = t.id) s (place)
        CROSS JOIN LATERAL (
            SELECT format('ALTER TABLE %s ENABLE ROW LEVEL SECURITY', s.place) WHERE t.relrowsecurity
            UNION ALL
            SELECT format('ALTER TABLE %s FORCE ROW LEVEL SECURITY', s.place) WHERE t.relforcerowsecurity
            UNION ALL
            SELECT format('CREATE POLICY %I ON %s %s', p.name, s.place, p.rest) FROM policies p WHERE p.id = t.id
        ) x (statement)
    )
    SELECT array_agg(statement ORDER BY phase, name, rank, part) INTO plan FROM steps;

    -- Row-level security would hide from their owner what they have.
    FOR step, found IN SELECT o::regclass::TEXT, FALSE FROM UNNEST(chosen) AS o LOOP
        EXECUTE format('ALTER TABLE %s NO FORCE ROW LEVEL SECURITY', step);
        EXECUTE format('SELECT EXISTS (SELECT 1 FROM %s)', step) INTO found;
        IF found THEN
            RAISE EXCEPTION 'the table % has rows, and only an empty schema can be partitioned', step;
        END IF;
    END LOOP;
    FOREACH step IN ARRAY plan LOOP
        EXECUTE step;
    END LOOP;
    RAISE NOTICE 'These tables are in % partitions each: %', partitions, (
        SELECT string_agg(relname, ', ' ORDER BY relname) FROM pg_class WHERE relnamespace = home AND relkind = 'p'
    );
END
$partition$;
