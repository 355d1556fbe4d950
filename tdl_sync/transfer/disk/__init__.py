"""The bounded disk: budget, staging directory, partial files, and what an earlier run left there.
It knows nothing of the line that uses it."""
