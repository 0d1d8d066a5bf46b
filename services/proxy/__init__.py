"""The proxy: serves stored pictures, and turns a miss into a job that somebody waits for."""
