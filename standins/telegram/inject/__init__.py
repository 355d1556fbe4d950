"""Put on PYTHONPATH of a program under test; see `sitecustomize`."""
