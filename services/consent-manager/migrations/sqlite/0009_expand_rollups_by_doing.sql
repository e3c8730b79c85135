-- For the ends of a breakdown, which quarters of an hour alone made the dearer the more happens. Two more series: 8 hours and
-- 9 days, by surface, method and actor together, as quarters of an hour (1) are. They hold what is kept by value, and that of
-- somebody's doing. By triggers, from the quarters of an hour.
INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs, not_set, granted,
    denied)
SELECT q.business_id, l.series, (q.unit - (q.unit % l.quarters + l.quarters) % l.quarters) / l.quarters, q.value, q.channel, 0,
    SUM(q.grants), SUM(q.refusals), SUM(q.resets), SUM(q.opt_outs), 0, 0, 0
FROM rollups q CROSS JOIN (SELECT 8 AS series, 4 AS quarters UNION ALL SELECT 9, 96) AS l
WHERE q.series = 1 AND q.value <> ''
    AND (q.grants <> 0 OR q.refusals <> 0 OR q.resets <> 0 OR q.opt_outs <> 0)
GROUP BY 1, 2, 3, 4, 5;

CREATE TRIGGER count_by_doing_inserted AFTER INSERT ON rollups
    WHEN NEW.series = 1 AND NEW.value <> ''
    AND (NEW.grants <> 0 OR NEW.refusals <> 0 OR NEW.resets <> 0 OR NEW.opt_outs <> 0)
BEGIN
    INSERT INTO rollups (business_id, series, unit, value, channel, changes, grants, refusals, resets, opt_outs, not_set,
        granted, denied)
    SELECT NEW.business_id, l.series, (NEW.unit - (NEW.unit % l.quarters + l.quarters) % l.quarters) / l.quarters, NEW.value,
        NEW.channel, 0, NEW.grants, NEW.refusals, NEW.resets, NEW.opt_outs, 0, 0, 0
    FROM (SELECT 8 AS series, 4 AS quarters UNION ALL SELECT 9, 96) AS l
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
    SELECT NEW.business_id, l.series, (NEW.unit - (NEW.unit % l.quarters + l.quarters) % l.quarters) / l.quarters, NEW.value,
        NEW.channel, 0, NEW.grants - OLD.grants, NEW.refusals - OLD.refusals, NEW.resets - OLD.resets,
        NEW.opt_outs - OLD.opt_outs, 0, 0, 0
    FROM (SELECT 8 AS series, 4 AS quarters UNION ALL SELECT 9, 96) AS l
    WHERE true ON CONFLICT (business_id, series, unit, value, channel) DO UPDATE SET
        grants = grants + excluded.grants, refusals = refusals + excluded.refusals,
        resets = resets + excluded.resets, opt_outs = opt_outs + excluded.opt_outs;
END;
