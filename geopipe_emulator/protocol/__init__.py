"""AWS's wire protocols, read from botocore's service models."""
