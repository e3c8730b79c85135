-- Which leads became an account, for when it is deleted.
CREATE INDEX leads_by_account ON leads (business_id, account_id) WHERE account_id IS NOT NULL;
