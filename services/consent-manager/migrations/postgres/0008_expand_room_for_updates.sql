-- Room for the next version of a row beside it, so that no index has to know: these rows are changed by almost every change
-- that is recorded.
ALTER TABLE consents SET (fillfactor = 70);
ALTER TABLE streams SET (fillfactor = 70);
