"""A report that keeps what it gets."""

from __future__ import annotations

from geopipe_runner.events import Event


class Recorder:
    """A report that remembers, and answers every question with `answer`."""

    def __init__(self, answer: bool = False) -> None:
        self.events: list[Event] = []
        self.questions: list[str] = []
        self._answer = answer

    def emit(self, event: Event) -> None:
        self.events.append(event)

    def ask(self, question: str, about: object = None) -> bool:
        self.questions.append(question)
        return self._answer

    def confirm(self, question: str, name: str) -> bool:
        return self.ask(question)

    def close(self) -> None:
        pass
