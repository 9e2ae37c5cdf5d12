"""Carries each request through a chain of handlers: faults, call log, authorization, our service or moto."""
