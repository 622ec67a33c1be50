"""Object stores, the log, parts and shards."""
