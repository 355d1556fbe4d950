"""What outlives a run: the records on this machine, the state message in Saved Messages, the lease
among machines. It may import options and core."""
