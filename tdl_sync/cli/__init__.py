"""Words in, signals, exit status out. It may import all other rooms, and none imports it."""
