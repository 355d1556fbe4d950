"""What the user asked for, as data: the configuration, the choice of files, spellings, names on the
remote. It may import core."""
