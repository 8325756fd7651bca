"""The hand-written files that are copied beside the generated PyTorch modules."""
