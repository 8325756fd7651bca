"""The PyTorch backend: generated modules and the hand-written files beside them."""
