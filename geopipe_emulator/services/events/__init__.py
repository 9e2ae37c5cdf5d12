"""Makes moto's EventBridge deliver: buses, rules with patterns, and rules with schedules."""
