"""What several tests share: fakes, emulators, sample data, harnesses."""
