"""A Lambda step: gets the step's arguments, and returns its output parameters as flat text."""


def lambda_handler(event, context):
    return {"order": f"order over {event['amount']}"}
