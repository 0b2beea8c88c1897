"""What Python programs use: the public names of `hpo` that are not in lower layers."""
