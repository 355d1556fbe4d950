"""HTTP and TLS below the stand-in for Drive."""
