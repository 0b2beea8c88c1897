"""What the exit codes of `hpo` mean; 0 is done."""

MISTAKE = 2
"""The user's mistake in the file, the data or the command."""
BUSY = 3
"""Another process runs the study."""
NO_SUCCESS = 4
"""No trial succeeded."""
GONE = 5
"""The store, the workers or MLflow went away."""
INTERRUPTED = 130
"""Interrupted; everything committed is kept."""
