"""What the server remembers beside its world: logins, faults to inject, statistics."""
