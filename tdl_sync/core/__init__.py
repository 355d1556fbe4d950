"""The words that all rooms speak (model, failures, errors, ports, naming) and the few tools that
they share (stop, futures, retry, text). It imports nothing of ours."""
