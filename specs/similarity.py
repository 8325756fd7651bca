"""Similarity losses: the angle between two vectors."""

from losscompiler.spec import Prediction, Target, index, loss

from ._options import cosine_similarity


@loss
def negative_cosine_similarity(prediction=Prediction("feature"), target=Target("feature")):
    """Minus the cosine of the angle between two vectors: -1 if they point the same way.

    Use it like `cosine_distance`, which is larger by 1, where libraries expect this form. The
    target has no gradient, as self-supervised methods with a stopped gradient want it.

    References:
        X. Chen and K. He, "Exploring Simple Siamese Representation Learning", 2021.
    """
    d = index("feature", "d")
    return -cosine_similarity(prediction[d], target[d], d)
