"""Delivers what happens in one service to another: notifications, events and schedules."""
