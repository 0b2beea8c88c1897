"""The command line: thin faces over the other modules."""
