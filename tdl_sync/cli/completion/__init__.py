"""What a shell can complete, as a script for each shell. It imports the options' words and the help
text."""
