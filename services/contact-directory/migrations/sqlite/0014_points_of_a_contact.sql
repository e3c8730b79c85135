-- By address, and by nothing less: while the channel stood before the address, SQLite, which keeps no statistics, took this
-- index for the points of one contact in one channel, and read those of the whole business. So it did in the triggers that
-- count, for each contact whose consent changed.
DROP INDEX contact_points_by_address;
CREATE INDEX contact_points_by_address ON contact_points (business_id, blind_index, channel);
