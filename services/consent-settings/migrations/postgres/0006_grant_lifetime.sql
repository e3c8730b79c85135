-- When grants run out that say nothing of it: microseconds; never, if there is none.
ALTER TABLE consent_settings ADD COLUMN default_grant_lifetime BIGINT;
