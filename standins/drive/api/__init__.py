"""Drive's API, answered from its files."""
