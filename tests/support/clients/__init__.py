"""Programs of other people that use the emulator, and the scenario that each carries through."""
