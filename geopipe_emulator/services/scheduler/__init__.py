"""Makes moto's EventBridge Scheduler run its schedules."""
