"""From a configuration to resources, from resources to a plan, from a plan to calls."""
