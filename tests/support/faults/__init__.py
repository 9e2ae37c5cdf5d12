"""Fault injection: an emulator with faults and eventual consistency, and the runs against it."""
