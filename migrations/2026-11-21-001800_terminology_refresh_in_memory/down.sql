ALTER FUNCTION popular_searches_refresh() RESET work_mem;
