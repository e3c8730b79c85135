-- Room for the next version of a row beside it, so that no index has to know: these rows are changed by almost every change
-- that is recorded. Of each partition, where the tables have some.
DO $do$
DECLARE
    part REGCLASS;
BEGIN
    FOR part IN
        SELECT oid FROM pg_class
        WHERE oid IN ('consents'::regclass, 'streams'::regclass) AND relkind = 'r'
        UNION ALL
        SELECT inhrelid FROM pg_inherits
        WHERE inhparent IN ('consents'::regclass, 'streams'::regclass)
    LOOP
        EXECUTE format('ALTER TABLE %s SET (fillfactor = 70)', part);
    END LOOP;
END
$do$;
