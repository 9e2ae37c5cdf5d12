"""Makes moto's SNS deliver: topics reach functions and queues."""
