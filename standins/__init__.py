"""Stand-ins for the services that the program talks to, for tests, demo and benchmarks."""
