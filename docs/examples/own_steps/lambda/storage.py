"""Text and CSV in S3, by URI. A file is held in memory whole: the function needs some ten times its size."""

import csv
import io

import boto3
from botocore.config import Config

# Short, so that a call that hangs costs a part of the function's time and not all of it.
S3 = boto3.client("s3", config=Config(connect_timeout=3, read_timeout=10, retries={"mode": "standard"}))


def read_text(uri):
    bucket, key = _split(uri)
    return S3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8-sig")


def read_csv(uri):
    """One dict per row, by column."""
    return list(csv.DictReader(io.StringIO(read_text(uri), newline="")))


def write_text(uri, text):
    bucket, key = _split(uri)
    S3.put_object(Bucket=bucket, Key=key, Body=text.encode())


def write_csv(uri, rows):
    text = io.StringIO(newline="")
    # A row longer than the header has its surplus under None, which is no column.
    writer = csv.DictWriter(text, [name for name in rows[0] if name is not None], extrasaction="ignore")
    writer.writeheader()
    writer.writerows(rows)
    write_text(uri, text.getvalue())


def names_below(uri):
    """The names of the objects there, without what they have in common with `uri`."""
    bucket, prefix = _split(uri)
    pages = S3.get_paginator("list_objects_v2").paginate(Bucket=bucket, Prefix=prefix)
    return {item["Key"].removeprefix(prefix) for page in pages for item in page.get("Contents", [])}


def _split(uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return bucket, key
