"""Mathematics on arrays: matrices, operators, rounding, regression; no graph and no file."""
