"""Jobs: what the fetcher does of what the queue brings, a module for each."""
