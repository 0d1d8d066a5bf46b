"""The volume as objects in a store that speaks S3: the one place that knows of buckets, conditional writes and entity tags."""
