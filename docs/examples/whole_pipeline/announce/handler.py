"""Says what was registered. `humanize` comes from requirements.txt."""

import humanize


def lambda_handler(event, context):
    version = event["package"].rsplit("/", 1)[-1]
    message = f"version {version} from {humanize.intcomma(event['rows'])} trips: {event['decision']}"
    print(message)
    return {"message": message}
