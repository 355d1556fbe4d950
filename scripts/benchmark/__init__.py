"""The benchmark, run inside the environment: see ``scripts/bench.py``."""
