"""What Lambda calls: by a pipeline step with a task, or by the queue with a batch of callback messages."""

import callbacks
import steps

TASKS = {"inspect": steps.inspect, "summarise": steps.summarise}
SPARE_MILLISECONDS = 10_000


def lambda_handler(event, context):
    """Lambda steps get their outputs back as a flat object; a batch gets the messages that must come again."""
    if "Records" in event:
        spare = min(SPARE_MILLISECONDS, context.get_remaining_time_in_millis() // 2)
        return callbacks.answer_all(event["Records"], lambda: context.get_remaining_time_in_millis() > spare)
    task = event.get("task")
    if task not in TASKS:
        raise ValueError(f"task is {task!r}; known are {', '.join(TASKS)}")
    return TASKS[task](event)
