-- A month with a million searches is added up in memory: with the default of 4 MB it goes through temporary files. Only one
-- session refreshes at a time.
ALTER FUNCTION popular_searches_refresh() SET work_mem = '64MB';
