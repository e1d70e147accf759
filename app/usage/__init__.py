"""Reading calls back: the log, counts and progress."""
