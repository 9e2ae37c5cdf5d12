"""One module per step type. Condition and Fail belong here too, each as a module and a line in `service`."""
