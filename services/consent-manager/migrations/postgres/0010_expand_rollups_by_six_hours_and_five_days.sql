-- Of a stretch's ends up to 15 days and 12 hours each are still counted one by one, of everybody: two more series by surface,
-- method and actor together. 10 six hours; 11 the sixths of a month, of five days each, the last one to the month's end: so
-- that a month begins with one.

-- The units that a quarter of an hour is in, by series.
CREATE FUNCTION doing_units(quarter BIGINT) RETURNS TABLE (series INTEGER, unit BIGINT) LANGUAGE sql IMMUTABLE AS $do$
    SELECT l.series, (quarter - (quarter % l.quarters + l.quarters) % l.quarters) / l.quarters
    FROM (VALUES (8, 4), (9, 96), (10, 24)) AS l(series, quarters)
    UNION ALL
    SELECT 11, CAST((EXTRACT(YEAR FROM d.day) - 1970) * 72 + (EXTRACT(MONTH FROM d.day) - 1) * 6
        + LEAST(FLOOR((EXTRACT(DAY FROM d.day) - 1) / 5), 5) AS BIGINT)
    FROM (SELECT to_timestamp(quarter * 900.0) AT TIME ZONE 'UTC' AS day) AS d
$do$;

-- Nobody counts or reads counts meanwhile: for the statement below their owner must see all rows. Hours and days are added up,
-- which are fewer than quarters.
ALTER TABLE rollups NO FORCE ROW LEVEL SECURITY;
INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs, not_set, granted,
    denied)
SELECT q.business_id, l.series, l.unit, q.value, q.channel, 0,
    SUM(q.grants), SUM(q.refusals), SUM(q.resets), SUM(q.opt_outs), 0, 0, 0
FROM rollups q CROSS JOIN LATERAL doing_units(q.unit * CASE q.series WHEN 8 THEN 4 ELSE 96 END) AS l
WHERE q.series IN (8, 9) AND (q.series, l.series) IN ((8, 10), (9, 11))
GROUP BY 1, 2, 3, 4, 5
HAVING SUM(q.grants) <> 0 OR SUM(q.refusals) <> 0 OR SUM(q.resets) <> 0 OR SUM(q.opt_outs) <> 0;
ALTER TABLE rollups FORCE ROW LEVEL SECURITY;

-- As before, with more series.
CREATE OR REPLACE FUNCTION count_by_doing() RETURNS trigger LANGUAGE plpgsql AS $do$
BEGIN
    IF TG_OP = 'INSERT' THEN
        INSERT INTO rollups AS r (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs,
            not_set, granted, denied)
        SELECT q.business_id, l.series, l.unit, q.value, q.channel, 0,
            SUM(q.grants), SUM(q.refusals), SUM(q.resets), SUM(q.opt_outs), 0, 0, 0
        FROM new_rows q CROSS JOIN LATERAL doing_units(q.unit) AS l
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
        SELECT q.business_id, l.series, l.unit, q.value, q.channel, 0,
            SUM(q.sign * q.grants), SUM(q.sign * q.refusals), SUM(q.sign * q.resets), SUM(q.sign * q.opt_outs), 0, 0, 0
        FROM (
            SELECT 1 AS sign, now.* FROM new_rows now WHERE now.series = 1 AND now.value <> ''
            UNION ALL
            SELECT -1, was.* FROM old_rows was WHERE was.series = 1 AND was.value <> ''
        ) q
        CROSS JOIN LATERAL doing_units(q.unit) AS l
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
