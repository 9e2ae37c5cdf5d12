"""Hello Amazon SageMaker: make a client, call ListNotebookInstances, show up to five.

Runnable on its own, with nothing but boto3 and credentials: `python hello.py`.
"""

# snippet-start:[python.example_code.sagemaker.Hello]
from __future__ import annotations

from typing import Any

import boto3

MAX_RESULTS = 5
INSTRUCTIONS = "https://docs.aws.amazon.com/sagemaker/latest/dg/howitworks-create-ws.html"


def hello_sagemaker(sagemaker_client: Any) -> None:
    """Print up to five of the account's notebook instances, or how to add one."""
    print("Hello Amazon SageMaker! Let's list some of your notebook instances:")
    instances = sagemaker_client.list_notebook_instances(MaxResults=MAX_RESULTS)["NotebookInstances"]
    for instance in instances:
        created = instance["CreationTime"]
        print(f"    Instance: {instance['NotebookInstanceName']}")
        print(f"    Arn: {instance['NotebookInstanceArn']}")
        print(f"    Creation Date: {created.month}/{created.day}/{created.year}")
    if not instances:
        print("    No notebook instances found. To add one, follow these instructions:")
        print(f"    {INSTRUCTIONS}")


if __name__ == "__main__":
    hello_sagemaker(boto3.client("sagemaker"))
# snippet-end:[python.example_code.sagemaker.Hello]
