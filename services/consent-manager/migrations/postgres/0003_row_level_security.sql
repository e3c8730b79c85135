-- Who does not say which business it works for sees none of these rows and writes none: not even the tables' owner
-- (yinyom_db, «row-level security»). The subquery is there so that the setting is read once a statement.
DO $do$
DECLARE
    own CONSTANT TEXT :=
        'business_id = (SELECT NULLIF(current_setting(''yinyom.business_id'', true), '''')::uuid)';
    name TEXT;
BEGIN
    FOREACH name IN ARRAY ARRAY[
        'ledger_heads',
        'streams',
        'ledger',
        'subjects',
        'consents',
        'totals',
        'transitions',
        'audit_ends',
        'audit_streams',
        'audit_events',
        'audit_subjects'
    ] LOOP
        EXECUTE format('ALTER TABLE %I ENABLE ROW LEVEL SECURITY', name);
        EXECUTE format('ALTER TABLE %I FORCE ROW LEVEL SECURITY', name);
        EXECUTE format('CREATE POLICY own_business ON %I USING (%s) WITH CHECK (%s)', name, own, own);
    END LOOP;
END
$do$;
