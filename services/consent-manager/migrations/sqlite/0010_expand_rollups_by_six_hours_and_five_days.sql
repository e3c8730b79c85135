-- Of a stretch's ends up to 15 days and 12 hours each are still counted one by one, of everybody: two more series by surface,
-- method and actor together. 10 six hours; 11 the sixths of a month, of five days each, the last one to the month's end: so
-- that a month begins with one.

-- Hours and days are added up, which are fewer than quarters.
INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs, not_set, granted,
    denied)
SELECT business_id, 10, (unit - (unit % 6 + 6) % 6) / 6, value, channel, 0,
    SUM(grants), SUM(refusals), SUM(resets), SUM(opt_outs), 0, 0, 0
FROM rollups WHERE series = 8
GROUP BY 1, 2, 3, 4, 5
HAVING SUM(grants) <> 0 OR SUM(refusals) <> 0 OR SUM(resets) <> 0 OR SUM(opt_outs) <> 0
UNION ALL
SELECT business_id, 11, (strftime('%Y', unit * 86400, 'unixepoch') - 1970) * 72
    + (strftime('%m', unit * 86400, 'unixepoch') - 1) * 6
    + MIN((strftime('%d', unit * 86400, 'unixepoch') - 1) / 5, 5), value, channel, 0,
    SUM(grants), SUM(refusals), SUM(resets), SUM(opt_outs), 0, 0, 0
FROM rollups WHERE series = 9
GROUP BY 1, 2, 3, 4, 5
HAVING SUM(grants) <> 0 OR SUM(refusals) <> 0 OR SUM(resets) <> 0 OR SUM(opt_outs) <> 0;

-- As before, with more series.
DROP TRIGGER count_by_doing_inserted;
DROP TRIGGER count_by_doing_updated;
CREATE TRIGGER count_by_doing_inserted AFTER INSERT ON rollups
    WHEN NEW.series = 1 AND NEW.value <> ''
    AND (NEW.grants <> 0 OR NEW.refusals <> 0 OR NEW.resets <> 0 OR NEW.opt_outs <> 0)
BEGIN
    INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs, not_set,
        granted, denied)
    SELECT NEW.business_id, l.series, l.unit, NEW.value, NEW.channel, 0,
        NEW.grants, NEW.refusals, NEW.resets, NEW.opt_outs, 0, 0, 0
    FROM (
        SELECT f.series, (NEW.unit - (NEW.unit % f.quarters + f.quarters) % f.quarters) / f.quarters AS unit
        FROM (SELECT 8 AS series, 4 AS quarters UNION ALL SELECT 9, 96 UNION ALL SELECT 10, 24) AS f
        UNION ALL
        SELECT 11, (strftime('%Y', NEW.unit * 900, 'unixepoch') - 1970) * 72
            + (strftime('%m', NEW.unit * 900, 'unixepoch') - 1) * 6
            + MIN((strftime('%d', NEW.unit * 900, 'unixepoch') - 1) / 5, 5)
    ) AS l
    WHERE true ON CONFLICT (business_id, series, unit, value, channel) DO UPDATE SET
        grants = grants + excluded.grants, refusals = refusals + excluded.refusals,
        resets = resets + excluded.resets, opt_outs = opt_outs + excluded.opt_outs;
END;
CREATE TRIGGER count_by_doing_updated AFTER UPDATE ON rollups
    WHEN NEW.series = 1 AND NEW.value <> '' AND (NEW.grants <> OLD.grants OR NEW.refusals <> OLD.refusals
        OR NEW.resets <> OLD.resets OR NEW.opt_outs <> OLD.opt_outs)
BEGIN
    INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs, not_set,
        granted, denied)
    SELECT NEW.business_id, l.series, l.unit, NEW.value, NEW.channel, 0,
        NEW.grants - OLD.grants, NEW.refusals - OLD.refusals, NEW.resets - OLD.resets, NEW.opt_outs - OLD.opt_outs, 0, 0, 0
    FROM (
        SELECT f.series, (NEW.unit - (NEW.unit % f.quarters + f.quarters) % f.quarters) / f.quarters AS unit
        FROM (SELECT 8 AS series, 4 AS quarters UNION ALL SELECT 9, 96 UNION ALL SELECT 10, 24) AS f
        UNION ALL
        SELECT 11, (strftime('%Y', NEW.unit * 900, 'unixepoch') - 1970) * 72
            + (strftime('%m', NEW.unit * 900, 'unixepoch') - 1) * 6
            + MIN((strftime('%d', NEW.unit * 900, 'unixepoch') - 1) / 5, 5)
    ) AS l
    WHERE true ON CONFLICT (business_id, series, unit, value, channel) DO UPDATE SET
        grants = grants + excluded.grants, refusals = refusals + excluded.refusals,
        resets = resets + excluded.resets, opt_outs = opt_outs + excluded.opt_outs;
END;
