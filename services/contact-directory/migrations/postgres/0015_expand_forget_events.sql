-- Deletes events that arrived; how many. Those that another relay deletes at this moment are passed over: two that wait for
-- each other's rows would be a deadlock, and one deletion is enough.
--
-- Event by event, by the key. The tables are empty most of the time, and what a planner knows of them is of such a time:
-- asked to delete a batch in one statement, it goes through all that a business has waiting for each event of it.
CREATE FUNCTION forget_outbox(of_business UUID, streams UUID[], seqs BIGINT[]) RETURNS BIGINT
LANGUAGE plpgsql AS $do$
DECLARE
    event RECORD;
    forgotten BIGINT := 0;
BEGIN
    FOR event IN
        SELECT o.stream_id, o.seq FROM UNNEST(streams, seqs) AS batch(stream_id, seq)
        CROSS JOIN LATERAL (
            SELECT e.stream_id, e.seq FROM outbox e
            WHERE e.business_id = of_business AND e.stream_id = batch.stream_id AND e.seq = batch.seq
            FOR UPDATE SKIP LOCKED
        ) AS o
    LOOP
        DELETE FROM outbox
        WHERE business_id = of_business AND stream_id = event.stream_id AND seq = event.seq;
        DELETE FROM outbox_payloads
        WHERE business_id = of_business AND stream_id = event.stream_id AND seq = event.seq;
        forgotten := forgotten + 1;
    END LOOP;
    RETURN forgotten;
END
$do$;

-- The same for the audit record's outbox.
CREATE FUNCTION forget_audit_outbox(of_business UUID, streams UUID[], seqs BIGINT[]) RETURNS BIGINT
LANGUAGE plpgsql AS $do$
DECLARE
    event RECORD;
    forgotten BIGINT := 0;
BEGIN
    FOR event IN
        SELECT o.stream_id, o.seq FROM UNNEST(streams, seqs) AS batch(stream_id, seq)
        CROSS JOIN LATERAL (
            SELECT e.stream_id, e.seq FROM audit_outbox e
            WHERE e.business_id = of_business AND e.stream_id = batch.stream_id AND e.seq = batch.seq
            FOR UPDATE SKIP LOCKED
        ) AS o
    LOOP
        DELETE FROM audit_outbox
        WHERE business_id = of_business AND stream_id = event.stream_id AND seq = event.seq;
        DELETE FROM audit_outbox_payloads
        WHERE business_id = of_business AND stream_id = event.stream_id AND seq = event.seq;
        forgotten := forgotten + 1;
    END LOOP;
    RETURN forgotten;
END
$do$;
