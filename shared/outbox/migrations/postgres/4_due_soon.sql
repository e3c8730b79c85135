-- The index of what is due is for who asks what is due, and says so: it lacks what never is. The table is empty most of the
-- time, and what a planner knows of it is of such a time: the smaller of two indexes is then as good as the key, and whoever
-- looked for one event by its key went through all that the business had ever had waiting, until a vacuum.
--
-- A release that does not say so finds what is due by the key: slower while much waits, and no less right. The lock comes first:
-- to be had after that of the new index it could wait for a relay that waits for it.
LOCK TABLE outbox IN ACCESS EXCLUSIVE MODE;
CREATE INDEX outbox_due_soon ON outbox (business_id, due_at) WHERE due_at < 9223372036854775807;
DROP INDEX outbox_due;
