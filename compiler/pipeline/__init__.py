"""What runs passes: Pass, PassManager, Context, Checkpoints; no pass is known here by name."""
