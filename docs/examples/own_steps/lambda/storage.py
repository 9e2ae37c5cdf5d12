"""Text and CSV in S3, by URI. Holds a whole file in memory: the function needs about ten times its size."""

import csv
import io

import boto3
from botocore.config import Config

# Short timeouts, so that a call that hangs costs only part of the function's time.
S3 = boto3.client("s3", config=Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard"}))


def read_text(uri):
    bucket, key = _split(uri)
    return S3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8-sig")


def read_csv(uri):
    """Returns one dict per row, by column."""
    return list(csv.DictReader(io.StringIO(read_text(uri), newline="")))


def write_text(uri, text):
    bucket, key = _split(uri)
    S3.put_object(Bucket=bucket, Key=key, Body=text.encode())


def write_csv(uri, rows):
    text = io.StringIO(newline="")
    # A row longer than the header has its extra cells under None, which is no column.
    writer = csv.DictWriter(text, [name for name in rows[0] if name is not None], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(uri, text.getvalue())


def names_below(uri):
    """Returns the names of the objects below `uri`, relative to it."""
    bucket, prefix = _split(uri)
    pages = S3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])}


def _split(uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
