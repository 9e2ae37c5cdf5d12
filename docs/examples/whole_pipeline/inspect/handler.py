"""Counts the rows of the input."""

import csv
import io

import boto3

s3 = boto3.client("s3")


def lambda_handler(event, context):
    bucket, _, key = event["input_uri"].removeprefix("s3://").partition("/")
    text = s3.get_object(Bucket=bucket, Key=key)["Body"].read().decode()
    return {"rows": sum(1 for _ in csv.DictReader(io.StringIO(text)))}
