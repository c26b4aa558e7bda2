ALTER TABLE api_keys DROP COLUMN last_used_at, DROP COLUMN created_by;
DROP TABLE auth_login_attempts;
DROP TABLE auth_session;
