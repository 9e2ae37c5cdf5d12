"""The results of a run: read them from S3 and save them as files."""
