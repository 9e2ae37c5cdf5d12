"""The edge to AWS: sessions, clients, endpoints, waiting and retrying. The only room that imports boto3."""
