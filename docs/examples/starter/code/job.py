"""The work. Replace it: `start` begins your job, `check` says whether it has finished, `stop` ends it early.

As it is, the work is small: `check` adds up the orders of each customer and writes the totals to S3. Work that takes
long runs elsewhere (AWS Glue, AWS Batch, a container, a person): `start` begins it, and `check` asks for its state.
"""

import csv
import io
import json
from collections import Counter

import boto3

from callbacks import failure, success

S3 = boto3.client("s3")


def start(arguments):
    """Returns the outputs of the Lambda step `start`. A step that runs again must not start a second job."""
    job = arguments["output_uri"] + "job.json"
    write(job, json.dumps({"input": arguments["input_uri"], "results": arguments["output_uri"] + "totals.csv"}))
    return {"job": job}


def check(callback, invocation):
    """Returns success(...), failure(...) or still_running(...), which brings the message again later."""
    job = json.loads(read(callback.arguments["job"]))
    totals = Counter()
    for row in csv.DictReader(io.StringIO(read(job["input"]))):
        try:
            totals[row["customer"]] += round(float(row["amount"]) * 100)
        except (KeyError, ValueError):
            return failure(f"This row has no customer, or no amount: {row}")
    lines = ["customer,total", *(f"{customer},{cents / 100:.2f}" for customer, cents in totals.most_common())]
    write(job["results"], "\n".join(lines) + "\n")
    return success("the totals are written", {"results_uri": job["results"]})


def stop(callback, invocation):
    """Stop the job: no step waits for it any more. This job has ended when `check` returns."""


def read(uri):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    return S3.get_object(Bucket=bucket, Key=key)["Body"].read().decode("utf-8-sig")


def write(uri, text):
    bucket, _, key = uri.removeprefix("s3://").partition("/")
    S3.put_object(Bucket=bucket, Key=key, Body=text.encode())
