DROP FUNCTION search_logs_upkeep();
DROP MATERIALIZED VIEW mv_popular_searches;
DROP TABLE search_stats_daily;
DROP TABLE search_logs;
