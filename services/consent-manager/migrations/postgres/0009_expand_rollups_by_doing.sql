-- For the ends of a breakdown, which quarters of an hour alone made the dearer the more happens: half a month of a business
-- with twenty busy people has 58,000 of them. Two more series: 8 hours and 9 days, by surface, method and actor together, as
-- quarters of an hour (1) are. They hold what is kept by value, and that of somebody's doing.
--
-- By triggers, from the quarters of an hour: a replica that is older than this adds to those alone.

-- Nobody counts or reads counts meanwhile: for the statement below their owner must see all rows.
ALTER TABLE rollups NO FORCE ROW LEVEL SECURITY;
INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs, not_set, granted,
    denied)
SELECT q.business_id, l.series, (q.unit - (q.unit % l.quarters + l.quarters) % l.quarters) / l.quarters, q.value, q.channel, 0,
    SUM(q.grants), SUM(q.refusals), SUM(q.resets), SUM(q.opt_outs), 0, 0, 0
FROM rollups q CROSS JOIN (VALUES (8, 4), (9, 96)) AS l(series, quarters)
WHERE q.series = 1 AND q.value <> ''
    AND (q.grants <> 0 OR q.refusals <> 0 OR q.resets <> 0 OR q.opt_outs <> 0)
GROUP BY 1, 2, 3, 4, 5;
ALTER TABLE rollups FORCE ROW LEVEL SECURITY;

-- What was and what is are summed up, not joined: a plan is kept from the first few rows, and would join thousands one by one.
CREATE FUNCTION count_by_doing() RETURNS trigger LANGUAGE plpgsql AS $do$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO rollups AS r (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs,
            not_set, granted, denied)
        SELECT q.business_id, l.series, (q.unit - (q.unit % l.quarters + l.quarters) % l.quarters) / l.quarters, q.value,
            q.channel, 0, SUM(q.grants), SUM(q.refusals), SUM(q.resets), SUM(q.opt_outs), 0, 0, 0
        FROM new_rows q CROSS JOIN (VALUES (8, 4), (9, 96)) AS l(series, quarters)
        WHERE q.series = 1 AND q.value <> ''
        GROUP BY 1, 2, 3, 4, 5
        HAVING SUM(q.grants) <> 0 OR SUM(q.refusals) <> 0 OR SUM(q.resets) <> 0 OR SUM(q.opt_outs) <> 0
        ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (business_id, series, unit, value, channel) DO UPDATE SET
            grants = r.grants + excluded.grants, refusals = r.refusals + excluded.refusals,
            resets = r.resets + excluded.resets, opt_outs = r.opt_outs + excluded.opt_outs;
    ELSE
        INSERT INTO rollups AS r (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs,
            not_set, granted, denied)
        SELECT q.business_id, l.series, (q.unit - (q.unit % l.quarters + l.quarters) % l.quarters) / l.quarters, q.value,
            q.channel, 0, SUM(q.sign * q.grants), SUM(q.sign * q.refusals), SUM(q.sign * q.resets),
            SUM(q.sign * q.opt_outs), 0, 0, 0
        FROM (
            SELECT 1 AS sign, now.* FROM new_rows now WHERE now.series = 1 AND now.value <> ''
            UNION ALL
            SELECT -1, was.* FROM old_rows was WHERE was.series = 1 AND was.value <> ''
        ) q
        CROSS JOIN (VALUES (8, 4), (9, 96)) AS l(series, quarters)
        GROUP BY 1, 2, 3, 4, 5
        HAVING SUM(q.sign * q.grants) <> 0 OR SUM(q.sign * q.refusals) <> 0 OR SUM(q.sign * q.resets) <> 0
            OR SUM(q.sign * q.opt_outs) <> 0
        ORDER BY 1, 2, 3, 4, 5
        ON CONFLICT (business_id, series, unit, value, channel) DO UPDATE SET
            grants = r.grants + excluded.grants, refusals = r.refusals + excluded.refusals,
            resets = r.resets + excluded.resets, opt_outs = r.opt_outs + excluded.opt_outs;
    END IF;
    RETURN NULL;
END
$do$;
-- Not within itself: what it writes is no quarter.
CREATE TRIGGER count_by_doing_inserted AFTER INSERT ON rollups
    REFERENCING NEW TABLE AS new_rows
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION count_by_doing();
CREATE TRIGGER count_by_doing_updated AFTER UPDATE ON rollups
    REFERENCING OLD TABLE AS old_rows NEW TABLE AS new_rows
    FOR EACH STATEMENT WHEN (pg_trigger_depth() = 0) EXECUTE FUNCTION count_by_doing();
