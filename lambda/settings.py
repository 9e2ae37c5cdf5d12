"""The function's environment, read once at start, so that a wrong value stops the function and not a callback."""

from collections.abc import Mapping
from dataclasses import dataclass

# The service lets a message stay in flight, and so a callback unanswered, far longer than anyone means to wait.
_DEFAULT_DEADLINE_SECONDS = 16 * 60 * 60


@dataclass(frozen=True)
class Settings:
    """Where the callbacks come from and how long one may wait for its job."""

    queue_url: str = ""
    dead_letter_queue_url: str = ""
    callback_deadline_seconds: int = _DEFAULT_DEADLINE_SECONDS

    @classmethod
    def read(cls, environment: Mapping[str, str]) -> "Settings":
        """The settings in an environment; ValueError names the variable that is wrong."""
        return cls(
            queue_url=environment.get("QUEUE_URL", ""),
            dead_letter_queue_url=environment.get("DEAD_LETTER_QUEUE_URL", ""),
            callback_deadline_seconds=_seconds(environment, "CALLBACK_DEADLINE_SECONDS"),
        )

    def queue_url_of(self, queue_arn: str) -> str:
        """The URL of the queue an event names by ARN; empty when it is neither of ours."""
        urls = (self.queue_url, self.dead_letter_queue_url)
        return next((url for url in urls if _is_queue(queue_arn, url)), "")

    def is_dead_letter(self, queue_arn: str) -> bool:
        return _is_queue(queue_arn, self.dead_letter_queue_url)


def _is_queue(queue_arn: str, queue_url: str) -> bool:
    name = queue_arn.rpartition(":")[2]
    return bool(name) and name == queue_url.rstrip("/").rpartition("/")[2]


def _seconds(environment: Mapping[str, str], name: str) -> int:
    given = environment.get(name, "").strip() or str(_DEFAULT_DEADLINE_SECONDS)
    if not (given.isascii() and given.isdigit() and int(given) > 0):
        raise ValueError(f"the environment variable {name} must be a whole number of seconds above 0, not {given!r}")
    return int(given)
