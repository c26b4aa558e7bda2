-- Answers who has read or changed a resource.
CREATE INDEX idx_audit_log_resource_date ON audit_log (resource_type, resource_id, created_at);
