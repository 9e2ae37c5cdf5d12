"""The handlers of the gateway, one module each."""
